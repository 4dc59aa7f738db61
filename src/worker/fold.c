/*
 * fold.c - see fold.h; runs on the steward's thread, with its connection
 */
#include "worker/fold.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/random.h"
#include "worker/outage.h"

#define TELL_MAX 10 /* batches that are told in OUTAGE_TELL_MS */

void
fold_init(fold *f, pawl_worker *worker)
{
	*f = (fold){.worker = worker, .n = UPKEEP_CHUNK};
}

void
fold_asked(fold *f)
{
	f->anew = f->cursor != 0;
}

/* Once in a while, while it is the same one, and of all together so many times. */
static void
tell(fold *f, int64_t batch, const pawl_error *why)
{
	int64_t now_ms = clock_ms();

	if (now_ms - f->told_ms >= OUTAGE_TELL_MS)
		f->told_n = 0;
	if (f->told_n == TELL_MAX || (f->told_n > 0 && f->told == batch))
		return;
	if (f->told_n++ == 0)
		f->told_ms = now_ms;
	worker_notice(f->worker, PAWL_WARN,
	              "upkeep: batch %" PRId64
	              " could not be folded and is passed over for now: %s (%s)%s%s",
	              batch, why->message, why->sqlstate,
	              why->detail[0] != '\0' ? ": " : "", why->detail);
	f->told = batch;
}

/* The cursor goes to next; after the last of a round it begins anew. */
static fold_next
advance(fold *f, int64_t next)
{
	fold_next then = {.again = next != 0 || f->anew};

	f->cursor = next > 0 ? next : 0;
	if (next > 0)
		return then;
	if (f->passed && !then.again)
		then.rest_ms = random_jitter(OUTAGE_LONGEST_MS, 10); /* not in each tick */
	f->anew = false;
	f->passed = false;
	return then;
}

/*
 * The first after the cursor was batch, and a fold of one failed.  When it is not the
 * first any more it has ended: nothing is passed over, and the next one was not tried.
 */
static pawl_status
failed_alone(fold *f, const queue_call *call, int64_t batch, const pawl_error *why,
             fold_next *ret_next, pawl_error *error)
{
	int64_t first = 0;
	pawl_status status = upkeep_next_batch(call, f->cursor, &first, error);

	if (status != PAWL_OK)
		return status;
	if (batch > 0 && first == batch)
	{
		tell(f, batch, why);
		f->passed = true;
	}
	*ret_next = advance(f, batch);
	return PAWL_OK;
}

/* After a failure twice as many as before each time that it went well. */
pawl_status
fold_chunk(fold *f, const queue_call *call, fold_next *ret_next, pawl_error *error)
{
	int64_t alone = 0;
	int64_t cursor = 0;
	pawl_error why;
	pawl_status status = PAWL_OK;

	if (f->n == 1)
		status = upkeep_next_batch(call, f->cursor, &alone, error);
	if (status != PAWL_OK)
		return status;
	status = upkeep_fold(call, f->cursor, f->n, &cursor, &why);
	if (status == PAWL_OK)
	{
		f->n = f->n < UPKEEP_CHUNK / 2 ? f->n * 2 : UPKEEP_CHUNK;
		*ret_next = advance(f, cursor);
		return PAWL_OK;
	}
	if (!db_is_open(call->db) || why.sqlstate[0] == '\0' ||
	    (f->n == 1 && outage_is_passing(status) && !outage_is_of_rows(&why)))
	{
		*error = why; /* no batch is to blame */
		return status;
	}
	if (f->n == 1)
		return failed_alone(f, call, alone, &why, ret_next, error);
	f->n = 1;
	*ret_next = (fold_next){.again = true};
	return PAWL_OK;
}
