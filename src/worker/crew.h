/*
 * crew.h - the threads of one run, from their start to their join
 */
#ifndef PAWL_WORKER_CREW_H
#define PAWL_WORKER_CREW_H

#include "worker/executor.h"
#include "worker/group_runner.h"

/* In the order in which they are joined. */
typedef enum crew_role
{
	CREW_CLAIMER,
	CREW_SETTLER,
	CREW_LOG_WRITER,
	CREW_STEWARD,
	CREW_KEEPER,
	CREW_ROLES
} crew_role;

typedef struct crew
{
	pawl_worker *worker;
	pthread_t threads[CREW_ROLES];
	bool started[CREW_ROLES];
	executor *executors;   /* worker->executors of them */
	group_runner *runners; /* worker->groups of them */
} crew;

/* Start all; on failure those that were started must still be joined. */
PAWL_CHECK pawl_status crew_start(crew *c, pawl_worker *worker, pawl_error *error);

/* Wait for the end of one thread, which was told to end; nothing if it never began. */
void crew_join(crew *c, crew_role role);
void crew_join_executors(crew *c); /* and frees them */
void crew_join_runners(crew *c);   /* likewise */

#endif
