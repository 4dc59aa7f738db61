/*
 * cluster.h - making the cluster
 */
#ifndef PAWL_EMBED_CLUSTER_H
#define PAWL_EMBED_CLUSTER_H

#include "embed/home.h"
#include "embed/process.h"
#include "embed/programs.h"

typedef struct cluster
{
	const home *home;
	const programs *programs;
	const identity *who;
	const embed_options *options;
} cluster;

/*
 * Make DIR/data, with a database and a superuser both named pawl.  It is made in
 * DIR/data.new and renamed: what an interrupted run left is removed.  ERR_SYSTEM with
 * the log's last lines; ERR_TIMEOUT: told to stop.
 */
PAWL_CHECK pawl_status cluster_make(const cluster *c, pawl_error *error);

/* Tell people something (options' notice). */
void cluster_notice(const cluster *c, pawl_level level, const char *format, ...)
	PAWL_PRINTF(3, 4);

#endif
