/*
 * queue_list.c - `pawl queue list`: queues, and how long their oldest job has waited
 */
#include "base/error.h"
#include "cli/headline.h"
#include "cli/queue.h"
#include "cli/session.h"
#include "cli/talk.h"

typedef struct list_options
{
	int n;
	const char *after; /* NULL: from the first */
} list_options;

static const list_options LIST_DEFAULTS = {.n = 1000};

static const option_spec LIST_OPTIONS[] = {
	{.name = "number",
     .letter = 'n',
     .type = OPTION_INT,
     .offset = offsetof(list_options, n),
     .value = "N",
     .min = 1,
     .max = 9999,
     .help = "at most so many (1000)"},
	{.name = "after",
     .type = OPTION_TEXT,
     .offset = offsetof(list_options, after),
     .value = "QUEUE",
     .help = "go on after this one, as the page before it said"},
	OPTIONS_END,
};

static int
show(const command_call *call, const db_result *queues, int n)
{
	output *out = output_new((output_format) call->common.format, QUEUE, QUEUE_COLUMNS);
	const char *values[QUEUE_COLUMNS];
	char age[AGE_SIZE];

	if (out == NULL)
		return EXIT_OPERATION;
	for (int row = 0; row < n; row++)
	{
		queue_row(queues, row, age, values);
		output_row(out, values);
	}
	return output_finish(out);
}

static int
run_list(const command_call *call)
{
	const list_options *options = call->options;
	auto_session *own_db = NULL;
	auto_result *queues = NULL;
	pawl_error error;
	int n;
	int code;

	/* one more tells whether there are more */
	if (session_open(call, &own_db, &error) != PAWL_OK ||
	    queue_read(own_db, NULL, options->after, options->n + 1, &queues, &error) !=
	        PAWL_OK ||
	    headline_show(call, own_db, &error) != PAWL_OK)
		return talk_error(&error);
	n = db_rows(queues) < options->n ? db_rows(queues) : options->n;
	code = show(call, queues, n);
	if (db_rows(queues) > n)
		talk_hint("There are more: --after '%s'", db_text(queues, n - 1, QUEUE_NAME));
	return code;
}

const cli_command COMMAND_QUEUE_LIST = {
	.name = "queue list",
	.synopsis = "[OPTION]...",
	.summary = "list queues, and how long their oldest job has waited",
	.description =
		"First the headline figure of the whole system: how long the oldest job has\n"
		"waited that could run now, in whatever queue that is not paused.  It is\n"
		"near nothing while the workers keep up.  With -o it is told on stderr.\n"
		"\n"
		"Then the queues by name: how many workers take from it, its oldest job that\n"
		"could run now, or could if it were not paused, and since how long it could:\n"
		"it is ready, or it heads a group that nobody works on and is due.  What has\n"
		"failed before is as old as the end of that attempt.  Listed are queues that\n"
		"have settings, workers, or such a job.  Nothing is counted, so it costs the\n"
		"same beside ten jobs and ten million.  JSON and CSV have more columns.",
	.options = LIST_OPTIONS,
	.defaults = &LIST_DEFAULTS,
	.size = sizeof(list_options),
	.accepts = ACCEPTS_DATABASE | ACCEPTS_OUTPUT,
	.run = run_list,
};
