/*
 * snapshot.h - which transactions a statement did not see
 *
 * What pg_current_snapshot() answered: transactions below xmin have ended, those from
 * xmax on are not listed, and of those between them the ones in running are in
 * progress.  xids are 64 bits wide and never come again.
 */
#ifndef PAWL_QUEUE_SNAPSHOT_H
#define PAWL_QUEUE_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Begin with SNAPSHOT_INIT; snapshot_free forgets what it holds. */
typedef struct snapshot
{
	uint64_t xmin;
	uint64_t xmax;
	uint64_t *running; /* ascending */
	size_t n;
	size_t room;
} snapshot;

#define SNAPSHOT_INIT                                                                  \
	{                                                                                  \
		0                                                                              \
	}

/*
 * Read "xmin:xmax:xid,xid,...".  False when the text is no snapshot or memory is short;
 * s is empty then.
 */
bool snapshot_read(snapshot *s, const char *text);

/* Was xid running when the snapshot was taken?  True as well from xmax on. */
bool snapshot_in_progress(const snapshot *s, uint64_t xid);

void snapshot_free(snapshot *s);

#endif
