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

/* The cursor goes to next; after the last of a round, next is 0, it begins anew. */
static fold_next
advance(fold *f, int64_t next)
{
	fold_next then = {.again = next != 0 || f->more || f->anew};

	f->cursor = next;
	if (next != 0)
		return then;
	if (f->passed && !then.again)
		then.rest_ms = random_jitter(OUTAGE_LONGEST_MS, 10); /* not in each tick */
	f->more = f->anew = f->passed = false;
	return then;
}

static bool
blames_no_batch(const queue_call *call, const pawl_error *why)
{
	return !db_is_open(call->db) || why->sqlstate[0] == '\0';
}

static pawl_status
fold_alone(fold *f, const queue_call *call, fold_next *ret_next, pawl_error *error)
{
	int64_t batch = 0;
	bool more = false;
	pawl_error why;
	pawl_status status = upkeep_next_batch(call, f->cursor, &batch, error);

	if (status != PAWL_OK)
		return status;
	if (batch != 0)
		status = upkeep_fold(call, batch, &more, &why);
	if (status == PAWL_OK)
	{
		f->n = 2;
		f->more |= more;
	}
	else if (blames_no_batch(call, &why) ||
	         (outage_is_passing(status) && !outage_is_of_rows(&why)))
	{
		*error = why;
		return status;
	}
	else
	{
		tell(f, batch, &why);
		f->passed = true;
	}
	*ret_next = advance(f, batch);
	return PAWL_OK;
}

/* After a failure twice as many as before each time that it went well. */
pawl_status
fold_chunk(fold *f, const queue_call *call, fold_next *ret_next, pawl_error *error)
{
	upkeep_folded folded;
	pawl_error why;
	pawl_status status;

	if (f->n == 1)
		return fold_alone(f, call, ret_next, error);
	status = upkeep_fold_batches(call, f->cursor, f->n, &folded, &why);
	if (status == PAWL_OK)
	{
		f->n = f->n < UPKEEP_CHUNK / 2 ? f->n * 2 : UPKEEP_CHUNK;
		f->more |= folded.more;
		*ret_next = advance(f, folded.next);
		return PAWL_OK;
	}
	if (blames_no_batch(call, &why))
	{
		*error = why;
		return status;
	}
	f->n = 1;
	*ret_next = (fold_next){.again = true};
	return PAWL_OK;
}
