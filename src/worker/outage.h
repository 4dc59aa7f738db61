/*
 * outage.h - what a thread does when its statements fail
 *
 * One for each connection, owned by its thread: it tells when the trouble begins, then
 * at most every ten seconds, and when it is over; and how long to wait before the next
 * try, growing to five seconds, with jitter.
 */
#ifndef PAWL_WORKER_OUTAGE_H
#define PAWL_WORKER_OUTAGE_H

#include "worker/worker.h"

typedef struct outage
{
	pawl_worker *worker;
	const char *role; /* "claim": which connection */
	bool lasting;
	bool lost; /* the connection was */
	int64_t told_ms;
	int64_t pause_ms;
} outage;

#define OUTAGE_FIRST_MS 50
#define OUTAGE_LONGEST_MS 5000
#define OUTAGE_TELL_MS 10000

void outage_init(outage *o, pawl_worker *worker, const char *role);
void outage_over(outage *o);

/* Answers how many milliseconds to wait before the next try. */
int64_t outage_failed(outage *o, pawl_status status, const pawl_error *error);

/* Neither commits nor is answered: the claim, the settle may have been stored. */
static inline bool
outage_is_doubt(pawl_status status)
{
	return status == PAWL_ERR_UNKNOWN || status == PAWL_ERR_CONNECTION;
}

/* An error that another try, later, may be spared: not the fault of the statement. */
static inline bool
outage_is_passing(pawl_status status)
{
	return status == PAWL_ERR_TRANSIENT || status == PAWL_ERR_CONNECT ||
	       status == PAWL_ERR_TIMEOUT || status == PAWL_ERR_MEMORY ||
	       status == PAWL_ERR_SYSTEM || outage_is_doubt(status);
}

/* What was sent is to blame, one row of it: dividing the batch finds it. */
bool outage_is_data(const pawl_error *error);

/*
 * Another try may be spared it, or one row of the batch brings it on each time: a lock
 * that somebody keeps, a trigger that raises it.
 */
bool outage_is_of_rows(const pawl_error *error);

/* The server lacks space or memory, perhaps only for so large a batch. */
bool outage_is_shortage(const pawl_error *error);

#endif
