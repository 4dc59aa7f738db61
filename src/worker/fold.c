/*
 * fold.c - see fold.h; runs on the steward's thread, with its connection
 */
#include "worker/fold.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/random.h"
#include "worker/outage.h"

/* A batch is tried so often alone, the pauses together three seconds. */
#define TRIES 5
#define PAUSE_MS 200

void
fold_init(fold *f, pawl_worker *worker)
{
	*f = (fold){.worker = worker, .n = UPKEEP_CHUNK};
}

/* Once in a while, however many there are. */
static void
tell(fold *f, int64_t batch, const char *what, const pawl_error *why)
{
	int64_t now_ms = clock_ms();

	if (f->told_ms != 0 && now_ms - f->told_ms < OUTAGE_TELL_MS)
		return;
	worker_notice(f->worker, PAWL_WARN, "upkeep: batch %" PRId64 " %s: %s (%s)%s%s",
	              batch, what, why->message, why->sqlstate,
	              why->detail[0] != '\0' ? ": " : "", why->detail);
	f->told_ms = now_ms;
}

/* The cursor goes to next; after the last of a round it begins anew. */
static fold_next
advance(fold *f, int64_t next)
{
	fold_next then = {.again = next != 0};

	f->cursor = next > 0 ? next : 0;
	f->tries = 0;
	if (next <= 0 && f->passed)
	{
		f->passed = false; /* it is not tried in each tick */
		then.rest_ms = random_jitter(OUTAGE_LONGEST_MS, 10);
	}
	return then;
}

/*
 * It was tried alone.  What a moment may mend (a lock, too little time) is tried again,
 * for a while: the newer ones do not wait for it longer.
 */
static pawl_status
failed_alone(fold *f, const queue_call *call, bool may_mend, const pawl_error *why,
             fold_next *ret_next, pawl_error *error)
{
	int64_t batch = 0;
	pawl_status status = upkeep_next_batch(call, f->cursor, &batch, error);

	if (status != PAWL_OK)
		return status;
	if (batch > 0 && may_mend && f->tries + 1 < TRIES)
	{
		tell(f, batch, "could not be folded, and is tried again", why);
		*ret_next = (fold_next){.rest_ms = random_jitter(PAUSE_MS << f->tries, 25)};
		f->tries++;
		return PAWL_OK;
	}
	if (batch > 0)
		tell(f, batch,
		     may_mend ? "could not be folded, and is left for later"
		              : "cannot be folded and is passed over",
		     why);
	f->passed = true;
	*ret_next = advance(f, batch);
	return PAWL_OK;
}

/* After a failure twice as many as before each time that it went well. */
pawl_status
fold_chunk(fold *f, const queue_call *call, fold_next *ret_next, pawl_error *error)
{
	int64_t cursor = 0;
	pawl_error why;
	pawl_status status = upkeep_fold(call, f->cursor, f->n, &cursor, &why);
	bool may_mend = status != PAWL_OK && outage_is_of_rows(&why);

	if (status == PAWL_OK)
	{
		f->n = f->n < UPKEEP_CHUNK / 2 ? f->n * 2 : UPKEEP_CHUNK;
		*ret_next = advance(f, cursor);
		return PAWL_OK;
	}
	if (!db_is_open(call->db) || why.sqlstate[0] == '\0' ||
	    (f->n == 1 && outage_is_passing(status) && !may_mend))
	{
		*error = why; /* no batch is to blame */
		return status;
	}
	if (f->n > 1)
	{
		f->n = 1;
		*ret_next = (fold_next){.again = true};
		return PAWL_OK;
	}
	return failed_alone(f, call, may_mend, &why, ret_next, error);
}
