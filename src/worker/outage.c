/*
 * outage.c - see outage.h; runs on the thread that owns the connection
 */
#include "worker/outage.h"

#include <string.h>

#include "base/clock.h"
#include "base/random.h"

void
outage_init(outage *o, pawl_worker *worker, const char *role)
{
	*o = (outage){.worker = worker, .role = role, .pause_ms = OUTAGE_FIRST_MS};
}

void
outage_over(outage *o)
{
	if (!o->lasting)
		return;
	worker_notice(o->worker, PAWL_INFO, "%s: %s", o->role,
	              o->lost ? "connection regained" : "works again");
	o->lasting = false;
	o->lost = false;
	o->pause_ms = OUTAGE_FIRST_MS;
}

int64_t
outage_failed(outage *o, pawl_status status, const pawl_error *error)
{
	bool lost = status == PAWL_ERR_CONNECT || status == PAWL_ERR_CONNECTION ||
	            status == PAWL_ERR_UNKNOWN;
	bool waited = strcmp(error->sqlstate, "55P03") == 0 && error->detail[0] != '\0';
	int64_t now_ms = clock_ms();
	int64_t pause_ms = random_jitter(o->pause_ms, 25);

	if (!o->lasting || (lost && !o->lost) || now_ms - o->told_ms >= OUTAGE_TELL_MS)
	{
		worker_notice(o->worker, PAWL_WARN, "%s: %s%s%s%s%s%s%s", o->role,
		              error->message, error->sqlstate[0] != '\0' ? " (" : "",
		              error->sqlstate, error->sqlstate[0] != '\0' ? ")" : "",
		              waited ? ": " : "", waited ? error->detail : "",
		              lost ? "; trying again" : "");
		o->told_ms = now_ms;
	}
	trouble_begins(&o->worker->trouble, o->role, error);
	o->lasting = true;
	o->lost = o->lost || lost;
	o->pause_ms =
		o->pause_ms * 2 < OUTAGE_LONGEST_MS ? o->pause_ms * 2 : OUTAGE_LONGEST_MS;
	return pause_ms;
}

bool
outage_is_data(const pawl_error *error)
{
	/* data exception, integrity constraint violation, program limit exceeded */
	static const char *const classes[] = {"22", "23", "54"};

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (strncmp(error->sqlstate, classes[i], 2) == 0)
			return true;
	return false;
}

bool
outage_is_of_rows(const pawl_error *error)
{
	static const char *const states[] = {"40001", "40P01", "55P03", "57014"};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(error->sqlstate, states[i]) == 0)
			return true;
	return false;
}

bool
outage_is_shortage(const pawl_error *error)
{
	return strncmp(error->sqlstate, "53", 2) == 0; /* insufficient resources */
}
