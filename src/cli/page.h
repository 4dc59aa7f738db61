/*
 * page.h - a page of a list, newest first: its options, and how it is shown
 *
 * A list is read a page at a time by a cursor, the id of its last row, so that no page
 * costs more than another; nothing is counted.
 */
#ifndef PAWL_CLI_PAGE_H
#define PAWL_CLI_PAGE_H

#include "cli/command.h"
#include "db/db.h"

/* Member `page` of the options of a command that lists. */
typedef struct page_options
{
	int n;
	int64_t after; /* 0: from the newest */
} page_options;

#define PAGE_ROWS 50 /* unless told */

/* The entries of its table of options; type is that of its options. */
#define PAGE_OPTIONS(type_)                                                            \
	{.name = "number",                                                                 \
	 .letter = 'n',                                                                    \
	 .type = OPTION_INT,                                                               \
	 .offset = offsetof(type_, page.n),                                                \
	 .value = "N",                                                                     \
	 .min = 1,                                                                         \
	 .max = 9999,                                                                      \
	 .help = "at most so many (50)"},                                                  \
	{                                                                                  \
		.name = "after", .type = OPTION_ID, .offset = offsetof(type_, page.after),     \
		.value = "CURSOR", .help = "go on after this id, as the page before it said"   \
	}

/* The query's parameters: the cursor, then how many rows; one more than are shown. */
void page_params(db_params *params, const page_options *page);

/* Show them, and whether there are more; the exit code.  The first column is the id. */
int page_show(const command_call *call, const page_options *page,
              const db_result *result, const output_column *columns, size_t n);

#endif
