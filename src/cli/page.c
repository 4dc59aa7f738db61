/*
 * page.c - see page.h
 */
#include "cli/page.h"

#include <assert.h>
#include <inttypes.h>

#include "base/error.h"
#include "cli/session.h"
#include "cli/talk.h"

void
page_params(db_params *params, const page_options *page)
{
	if (page->after == 0)
		db_param_null(params);
	else
		db_param_int(params, page->after);
	db_param_int(params, page->n + 1); /* one more tells whether there are more */
}

int
page_show(const command_call *call, const page_options *page, const db_result *result,
          const output_column *columns, size_t n)
{
	const char *values[OUTPUT_COLUMNS_MAX];
	output *out = output_new((output_format) call->common.format, columns, n);
	pawl_error error;
	int code;
	int row;

	assert(n <= OUTPUT_COLUMNS_MAX);
	if (out == NULL)
	{
		(void) error_memory(&error);
		return talk_error(&error);
	}
	for (row = 0; row < db_rows(result) && row < page->n; row++)
	{
		session_row(result, row, values, n);
		output_row(out, values);
	}
	code = output_finish(out);
	if (db_rows(result) > page->n)
		talk_hint("There are more: --after %" PRId64, db_int(result, row - 1, 0));
	return code;
}
