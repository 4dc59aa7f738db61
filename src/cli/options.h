/*
 * options.h - the options of a command, as a table
 *
 * One table drives three things: parsing (getopt_long), checking (type and bounds),
 * and the text of --help.  An option's value is stored by its offset into the
 * command's own structure, whose defaults are set beforehand; the member's C type is
 * given by the option's type:
 *
 * FLAG			bool
 * TEXT			const char *, pointing into argv
 * INT			int, within min..max
 * ID			int64_t, from 1
 * DURATION		int64_t, milliseconds
 * TIME			int64_t, microseconds since 1970
 * CHOICE		int, the index into choices
 * LIST			string_list; the option may be given several times
 * WAIT			int64_t, milliseconds; the value is optional: without it INT64_MAX
 */
#ifndef PAWL_CLI_OPTIONS_H
#define PAWL_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pawl.h"

typedef enum option_type
{
	OPTION_FLAG,
	OPTION_TEXT,
	OPTION_INT,
	OPTION_ID,
	OPTION_DURATION,
	OPTION_TIME,
	OPTION_CHOICE,
	OPTION_LIST,
	OPTION_WAIT,
	OPTION_TYPES
} option_type;

typedef struct option_spec
{
	const char *name;           /* long name; NULL ends the table */
	char letter;                /* short name, or 0 */
	option_type type;           /* what its value is */
	size_t offset;              /* of the member that takes it */
	const char *value;          /* how --help calls the value; NULL for a flag */
	const char *help;           /* one sentence, without a full stop */
	int min, max;               /* of an INT */
	const char *const *choices; /* of a CHOICE: words, ended by NULL */
} option_spec;

/* At most this many options has one command, common ones included. */
#define OPTIONS_MAX 32

/* Strings that belong to somebody else (argv, a configuration). */
typedef struct string_list
{
	const char **items;
	size_t n;
} string_list;

PAWL_CHECK pawl_status string_list_add(string_list *list, const char *item,
                                       pawl_error *error);
void string_list_free(string_list *list);

/*
 * A group of options and the structure that takes their values; a command has its own
 * and the common ones.
 */
typedef struct option_group
{
	const option_spec *specs;
	void *target;
} option_group;

/*
 * Parse argv (argv[0] is skipped).  Options may stand anywhere; "--" ends them; an
 * abbreviated long name is refused, because the next release could make it ambiguous.
 * argv is permuted; *ret_first is the index of the first argument that is no option.
 * ERR_ARGUMENT says which option, what was wrong and what is expected.
 */
PAWL_CHECK pawl_status options_parse(int argc, char **argv, const option_group *groups,
                                     size_t n_groups, int *ret_first,
                                     pawl_error *error);

/*
 * A whole decimal number within min..max and nothing else: no space, no plus, no point, no
 * exponent, no hexadecimal digits.
 */
bool options_whole(const char *text, int64_t min, int64_t max, int64_t *ret_value);

/* Free the lists that parsing has made. */
void options_free(const option_group *groups, size_t n_groups);

#endif
