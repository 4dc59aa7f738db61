/*
 * options.c - the table-driven parser over getopt_long
 *
 * getopt_long splits the command line; everything else (which option, which type,
 * which bounds) is read from the tables of option_spec.  Called once, by main.
 */
#include "cli/options.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/duration.h"
#include "base/error.h"

/* Long options are told from letters by values above any letter. */
#define FIRST_LONG 256

/* The tables as getopt_long wants them. */
typedef struct getopt_tables
{
	struct option longs[OPTIONS_MAX + 1];
	char letters[OPTIONS_MAX * 3 + 2];
	const option_spec *specs[OPTIONS_MAX];
	void *targets[OPTIONS_MAX];
	int n;
} getopt_tables;

pawl_status
string_list_add(string_list *list, const char *item, pawl_error *error)
{
	const char **items = realloc(list->items, (list->n + 1) * sizeof(*items));

	if (items == NULL)
		return error_memory(error);
	list->items = items;
	list->items[list->n++] = item;
	return PAWL_OK;
}

void
string_list_free(string_list *list)
{
	free(list->items);
	*list = (string_list){0};
}

/* ------------------------------------------------------------ one value a type --- */

/* Parse text into the member at target; shown is the option as the user wrote it. */
typedef pawl_status (*value_setter)(const option_spec *spec, const char *shown,
                                    const char *text, void *target, pawl_error *error);

static pawl_status
set_flag(const option_spec *spec, const char *shown, const char *text, void *target,
         pawl_error *error)
{
	(void) spec, (void) shown, (void) text, (void) error;
	*(bool *) target = true;
	return PAWL_OK;
}

static pawl_status
set_text(const option_spec *spec, const char *shown, const char *text, void *target,
         pawl_error *error)
{
	(void) spec, (void) shown, (void) error;
	*(const char **) target = text;
	return PAWL_OK;
}

bool
options_whole(const char *text, int64_t min, int64_t max, int64_t *ret_value)
{
	char *end;
	long long value;

	/* strtoll would skip leading space */
	if (!(*text == '-' || (*text >= '0' && *text <= '9')))
		return false;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < min || value > max)
		return false;
	*ret_value = value;
	return true;
}

static pawl_status
set_int(const option_spec *spec, const char *shown, const char *text, void *target,
        pawl_error *error)
{
	int64_t value;

	if (!options_whole(text, spec->min, spec->max, &value))
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "option \"%s\" needs a whole number from %d to %d, not \"%s\"",
		                 shown, spec->min, spec->max, text);
	*(int *) target = (int) value;
	return PAWL_OK;
}

static pawl_status
set_id(const option_spec *spec, const char *shown, const char *text, void *target,
       pawl_error *error)
{
	(void) spec;
	if (!options_whole(text, 1, INT64_MAX, target))
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "option \"%s\" needs a whole number from 1, not \"%s\"", shown,
		                 text);
	return PAWL_OK;
}

static pawl_status
set_duration(const option_spec *spec, const char *shown, const char *text, void *target,
             pawl_error *error)
{
	(void) spec;
	if (duration_parse(text, target, NULL) == PAWL_OK)
		return PAWL_OK;
	(void) error_set(error, PAWL_ERR_ARGUMENT,
	                 "option \"%s\" needs a duration, not \"%s\"", shown, text);
	error_hint(error, "Durations look like 250ms, 30s, 5min, 2h or 7d.");
	return PAWL_ERR_ARGUMENT;
}

static pawl_status
set_time(const option_spec *spec, const char *shown, const char *text, void *target,
         pawl_error *error)
{
	(void) spec;
	if (duration_parse_time(text, target, NULL) == PAWL_OK)
		return PAWL_OK;
	(void) error_set(error, PAWL_ERR_ARGUMENT, "option \"%s\" needs a time, not \"%s\"",
	                 shown, text);
	error_hint(error, "Times look like 2026-11-21T08:00:00Z or "
	                  "2026-11-21T09:00:00+01:00 (RFC 3339).");
	return PAWL_ERR_ARGUMENT;
}

static pawl_status
set_choice(const option_spec *spec, const char *shown, const char *text, void *target,
           pawl_error *error)
{
	auto_buffer words = BUFFER_INIT;
	int i;

	for (i = 0; spec->choices[i] != NULL; i++)
	{
		if (strcmp(spec->choices[i], text) == 0)
		{
			*(int *) target = i;
			return PAWL_OK;
		}
		buffer_appendf(&words, "%s%s", i == 0 ? "" : ", ", spec->choices[i]);
	}
	return error_set(error, PAWL_ERR_ARGUMENT,
	                 "option \"%s\" needs one of %s, not \"%s\"", shown,
	                 buffer_ok(&words) ? words.data : "its words", text);
}

static pawl_status
set_list(const option_spec *spec, const char *shown, const char *text, void *target,
         pawl_error *error)
{
	(void) spec, (void) shown;
	return string_list_add(target, text, error);
}

static pawl_status
set_wait(const option_spec *spec, const char *shown, const char *text, void *target,
         pawl_error *error)
{
	if (text != NULL)
		return set_duration(spec, shown, text, target, error);
	*(int64_t *) target = INT64_MAX;
	return PAWL_OK;
}

static const value_setter SETTERS[] = {
	[OPTION_FLAG] = set_flag,         [OPTION_TEXT] = set_text,
	[OPTION_INT] = set_int,           [OPTION_ID] = set_id,
	[OPTION_DURATION] = set_duration, [OPTION_TIME] = set_time,
	[OPTION_CHOICE] = set_choice,     [OPTION_LIST] = set_list,
	[OPTION_WAIT] = set_wait,
};
static_assert(sizeof(SETTERS) / sizeof(SETTERS[0]) == OPTION_TYPES,
              "one setter an option type");

/* ------------------------------------------------------------ getopt ------------- */

static int
argument_need(option_type type)
{
	if (type == OPTION_FLAG)
		return no_argument;
	return type == OPTION_WAIT ? optional_argument : required_argument;
}

static void
add_spec(getopt_tables *tables, const option_spec *spec, void *target)
{
	size_t used = strlen(tables->letters);
	int need = argument_need(spec->type);

	assert(tables->n < OPTIONS_MAX);
	assert(spec->type < OPTION_TYPES);
	tables->specs[tables->n] = spec;
	tables->targets[tables->n] = target;
	tables->longs[tables->n] =
		(struct option){spec->name, need, NULL, FIRST_LONG + tables->n};
	if (spec->letter != 0)
	{
		tables->letters[used++] = spec->letter;
		if (need == required_argument)
			tables->letters[used] = ':';
	}
	tables->n++;
}

static void
build_tables(getopt_tables *tables, const option_group *groups, size_t n_groups)
{
	*tables = (getopt_tables){0};
	tables->letters[0] = ':'; /* a missing value is told apart */
	for (size_t g = 0; g < n_groups; g++)
	{
		for (const option_spec *spec = groups[g].specs; spec->name != NULL; spec++)
			add_spec(tables, spec, groups[g].target);
	}
}

/* The index of the option that getopt_long answered. */
static int
find_option(const getopt_tables *tables, int answer)
{
	int i = 0;

	if (answer >= FIRST_LONG)
		return answer - FIRST_LONG;
	while (tables->specs[i]->letter != answer)
	{
		i++;
		assert(i < tables->n); /* getopt_long answers what is in the table */
	}
	return i;
}

/*
 * The word of argv that holds the long option just read: the last one read, or the
 * one before it if the last is its value.
 */
static const char *
long_word(char **argv)
{
	const char *word = argv[optind - 1];

	if (optarg != NULL && optarg == word)
		word = argv[optind - 2];
	assert(strncmp(word, "--", 2) == 0);
	return word;
}

static pawl_status
refuse_unknown(const char *word, pawl_error *error)
{
	return error_set(error, PAWL_ERR_ARGUMENT, "unknown option \"%.*s\"",
	                 (int) strcspn(word, "="), word);
}

/* getopt_long said '?' or ':'. */
static pawl_status
refuse(int answer, char **argv, pawl_error *error)
{
	const char *word = argv[optind - 1];

	if (answer == ':')
		return error_set(error, PAWL_ERR_ARGUMENT, "option \"%s\" needs a value", word);
	if (optopt >= FIRST_LONG)
		return error_set(error, PAWL_ERR_ARGUMENT, "option \"%.*s\" takes no value",
		                 (int) strcspn(word, "="), word);
	if (optopt != 0)
		return error_set(error, PAWL_ERR_ARGUMENT, "unknown option \"-%c\"", optopt);
	return refuse_unknown(word, error);
}

static pawl_status
take_option(const getopt_tables *tables, int answer, char **argv, pawl_error *error)
{
	int index = find_option(tables, answer);
	const option_spec *spec = tables->specs[index];
	char *target = (char *) tables->targets[index] + spec->offset;
	char shown[64];

	if (answer < FIRST_LONG)
		(void) snprintf(shown, sizeof(shown), "-%c", spec->letter);
	else
	{
		const char *word = long_word(argv);

		if (strcspn(word + 2, "=") != strlen(spec->name))
		{
			(void) refuse_unknown(word, error);
			error_hint(error, "Did you mean \"--%s\"?", spec->name);
			return PAWL_ERR_ARGUMENT;
		}
		(void) snprintf(shown, sizeof(shown), "--%s", spec->name);
	}
	return SETTERS[spec->type](spec, shown, optarg, target, error);
}

pawl_status
options_parse(int argc, char **argv, const option_group *groups, size_t n_groups,
              int *ret_first, pawl_error *error)
{
	getopt_tables tables;
	pawl_status status = PAWL_OK;
	int answer;

	build_tables(&tables, groups, n_groups);
	opterr = 0;
	optind = 0; /* begin anew: unit tests parse more than once */
	while (status == PAWL_OK)
	{
		answer = getopt_long(argc, argv, tables.letters, tables.longs, NULL);
		if (answer == -1)
			break;
		if (answer == '?' || answer == ':')
			status = refuse(answer, argv, error);
		else
			status = take_option(&tables, answer, argv, error);
	}
	if (status == PAWL_OK)
		*ret_first = optind;
	return status;
}

void
options_free(const option_group *groups, size_t n_groups)
{
	for (size_t g = 0; g < n_groups; g++)
	{
		for (const option_spec *spec = groups[g].specs; spec->name != NULL; spec++)
		{
			char *target = (char *) groups[g].target + spec->offset;

			if (spec->type == OPTION_LIST)
				string_list_free((string_list *) (void *) target);
		}
	}
}
