/*
 * fold.c - see fold.h; runs on the steward's thread, with its connection
 */
#include "worker/fold.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/random.h"
#include "worker/outage.h"

void
fold_init(fold *f, pawl_worker *worker)
{
	*f = (fold){.worker = worker, .n = UPKEEP_CHUNK};
}

/* It was tried alone, and fails: the newer ones do not wait for it. */
static pawl_status
pass_batch(fold *f, const queue_call *call, const pawl_error *why, int64_t *ret_next,
           pawl_error *error)
{
	int64_t now_ms = clock_ms();
	pawl_status status = upkeep_next_batch(call, f->cursor, ret_next, error);

	if (status != PAWL_OK)
		return status;
	f->passed = true;
	if (*ret_next > 0 && (f->told_ms == 0 || now_ms - f->told_ms >= OUTAGE_TELL_MS))
	{
		worker_notice(f->worker, PAWL_WARN,
		              "upkeep: batch %" PRId64
		              " cannot be folded and is passed over: %s (%s)",
		              *ret_next, why->message, why->sqlstate);
		f->told_ms = now_ms;
	}
	return PAWL_OK;
}

/* The cursor goes to next; after the last of a round it begins anew. */
static void
advance(fold *f, int64_t next, bool *ret_again, int64_t *ret_rest_ms)
{
	f->cursor = next > 0 ? next : 0;
	*ret_again = next != 0;
	*ret_rest_ms = 0;
	if (next <= 0 && f->passed)
	{
		f->passed = false; /* it is not tried in each tick */
		*ret_rest_ms = random_jitter(OUTAGE_LONGEST_MS, 10);
	}
}

/* After a failure twice as many as before each time that it went well. */
pawl_status
fold_chunk(fold *f, const queue_call *call, bool *ret_again, int64_t *ret_rest_ms,
           pawl_error *error)
{
	int64_t next = 0;
	pawl_error why;
	pawl_status status = upkeep_fold(call, f->cursor, f->n, &next, &why);

	if (status != PAWL_OK && (!db_is_open(call->db) || why.sqlstate[0] == '\0'))
	{
		*error = why;
		return status;
	}
	if (status != PAWL_OK && f->n > 1)
	{
		f->n = 1;
		*ret_again = true;
		*ret_rest_ms = 0;
		return PAWL_OK;
	}
	if (status == PAWL_OK)
		f->n = f->n < UPKEEP_CHUNK / 2 ? f->n * 2 : UPKEEP_CHUNK;
	else
	{
		status = pass_batch(f, call, &why, &next, error);
		if (status != PAWL_OK)
			return status;
	}
	advance(f, next, ret_again, ret_rest_ms);
	return PAWL_OK;
}
