/*
 * test_config.c - the settings file: what is taken, and what is refused by its line
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/config.h"

static char path[] = "/tmp/pawl-config-XXXXXX";

static int
make_file(void **state)
{
	int fd = mkstemp(path);

	(void) state;
	if (fd < 0)
		return -1;
	return close(fd);
}

static int
remove_file(void **state)
{
	(void) state;
	return unlink(path);
}

static pawl_status
read_text(const char *text, worker_config *config, pawl_error *error)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	*config = (worker_config){0};
	return config_read(path, config, error);
}

static void
refused(const char *text, int line, const char *message)
{
	worker_config config;
	pawl_error error;
	char wanted[600];

	assert_int_equal(read_text(text, &config, &error), PAWL_ERR_ARGUMENT);
	(void) snprintf(wanted, sizeof(wanted), "file \"%s\", line %d: %s", path, line,
	                message);
	assert_string_equal(error.message, wanted);
}

/* Bug guarded against: a key is read but reaches the wrong setting. */
static void
every_key_is_taken(void **state)
{
	worker_config c;
	pawl_error error;

	(void) state;
	assert_int_equal(read_text("[worker]\n"
	                           "queues = default, mail\n"
	                           "executors = 8   ; of them\n"
	                           "groups = 0\n"
	                           "group_jobs = 50\n"
	                           "group_time = 5s\n"
	                           "  lease = 30s\n"
	                           "poll = 250ms\n"
	                           "drain = 0\n"
	                           "wait_cancel = 0\n"
	                           "pass_env = LANG, TZ\n"
	                           "# a comment\n"
	                           "[handler thumbnail]\n"
	                           "exec = /srv/app/thumbnail --size 64 ; not this\n"
	                           "shell = yes\n"
	                           "jobs = 10\n"
	                           "[handler resize]\n"
	                           "object = /srv/app/resize.so",
	                           &c, &error),
	                 PAWL_OK);
	assert_int_equal(c.queues.n, 2);
	assert_string_equal(c.queues.items[1], "mail");
	assert_null(c.queues.items[2]);
	assert_int_equal(c.executors, 8);
	assert_true(c.lease_ms == 30000 && c.poll_ms == 250 && c.drain_ms == 1);
	assert_true(c.wait_cancel_ms == -1);
	assert_true(c.groups == -1 && c.group_jobs == 50 && c.group_ms == 5000);
	assert_true(c.handlers[0].jobs == 10 && c.handlers[1].jobs == 0);
	assert_string_equal(c.pass_env.items[1], "TZ");
	assert_int_equal(c.n_handlers, 2);
	assert_string_equal(c.handlers[0].kind, "thumbnail");
	assert_string_equal(c.handlers[0].exec, "/srv/app/thumbnail --size 64");
	assert_true(c.handlers[0].shell);
	assert_string_equal(c.handlers[1].object, "/srv/app/resize.so");
	config_free(&c);
}

/* Bug guarded against: a misspelt key is ignored, and the worker runs with defaults nobody wanted. */
static void
unknown_names_are_refused_with_their_line(void **state)
{
	(void) state;
	refused("[worker]\nlease = 30s\nexecutor = 8\n", 3,
	        "unknown key \"executor\" in section [worker]");
	refused("[handler a]\nexec = x\nqueues = b\n", 3,
	        "unknown key \"queues\" in section [handler a]");
	refused("\n[workers]\n", 2, "unknown section");
	refused("lease = 1s\n", 1, "a key before the first section");
	refused("[worker]\nlease\n", 2, "neither a section nor a key with its value");
	refused("[worker\n", 1, "the section's name is not closed by \"]\"");
}

/* Bug guarded against: of two settings of one thing the reader of the file sees one, the worker uses
 * the other. */
static void
what_is_said_twice_is_refused(void **state)
{
	(void) state;
	refused("[worker]\npoll = 1s\npoll = 2s\n", 3,
	        "the key is set twice in its section");
	refused("[handler a]\nexec = x\n[handler a]\nexec = y\n", 3,
	        "the kind has a handler already");
	refused("[handler a]\nexec = x\nobject = y\n", 1,
	        "handler \"a\" has both \"exec\" and \"object\"");
	refused("[handler a]\nobject = y\njobs = 2\n", 1,
	        "handler \"a\" has \"jobs\" but no \"exec\": an object says it itself");
	refused("[handler a]\n[worker]\n", 1,
	        "handler \"a\" has neither \"exec\" nor \"object\"");
}

/* Bug guarded against: "30" is taken for 30 ms, "many" for 0. */
static void
bad_values_are_refused_with_their_line(void **state)
{
	(void) state;
	refused("[worker]\nexecutors = many\n", 2,
	        "\"executors\" needs a whole number from 1 to 1024, not \"many\"");
	refused("[worker]\nlease = 30\n", 2,
	        "\"lease\" needs a duration such as 30s or 5min, not \"30\"");
	refused("[worker]\ngroups = 257\n", 2,
	        "\"groups\" needs a whole number from 0 to 256, not \"257\"");
	refused("[handler a]\nexec = x\njobs = 0\n", 3,
	        "\"jobs\" needs a whole number from 1 to 1000, not \"0\"");
	refused("[worker]\nqueues = a,,b\n", 2, "\"queues\" is empty");
	refused("[handler a]\nexec = x\nshell = maybe\n", 3,
	        "\"shell\" needs yes or no, not \"maybe\"");
}

/* Bug guarded against: libinih cuts lines at 200 bytes, and section names at 50, without a word. */
static void
nothing_is_cut(void **state)
{
	worker_config c;
	pawl_error error;
	char text[2 * LIMIT_CONFIG_LINE];
	char kind[201];
	char argument[5001];

	(void) state;
	memset(kind, 'k', 200);
	kind[200] = '\0';
	memset(argument, 'a', 5000);
	argument[5000] = '\0';
	(void) snprintf(text, sizeof(text), "[handler %s]\nexec = run %s\n[worker]\n", kind,
	                argument);
	assert_int_equal(read_text(text, &c, &error), PAWL_OK);
	assert_string_equal(c.handlers[0].kind, kind);
	assert_int_equal(strlen(c.handlers[0].exec), 5004);
	config_free(&c);
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "[worker]\nqueues = ", 18);
	refused(text, 2, "the line is too long, or has a NUL byte");
}

/* Bug guarded against: a handler of the file wins over the one that was given by hand. */
static void
flags_win(void **state)
{
	worker_config c;
	pawl_error error;

	(void) state;
	assert_int_equal(read_text("[handler a]\nexec = x\nshell = yes\n", &c, &error),
	                 PAWL_OK);
	assert_int_equal(config_add_handler(&c, "a=/bin/new b=c", false, &error), PAWL_OK);
	assert_int_equal(config_add_handler(&c, "b=x.so", true, &error), PAWL_OK);
	/* of two flags neither wins in silence */
	assert_int_equal(config_add_handler(&c, "a=/bin/other", false, &error),
	                 PAWL_ERR_ARGUMENT);
	assert_int_equal(c.n_handlers, 2);
	assert_string_equal(c.handlers[0].exec, "/bin/new b=c");
	assert_false(c.handlers[0].shell);
	assert_string_equal(c.handlers[1].object, "x.so");
	assert_int_equal(config_add_handler(&c, "nothing", false, &error),
	                 PAWL_ERR_ARGUMENT);
	assert_int_equal(config_add_handler(&c, "=x", false, &error), PAWL_ERR_ARGUMENT);
	config_free(&c);
}

/* Bug guarded against: a file that was named but is not there is taken for an empty one. */
static void
a_missing_file_is_told(void **state)
{
	worker_config c = {0};
	pawl_error error;

	(void) state;
	assert_int_equal(config_read("/nonexistent/pawl.conf", &c, &error),
	                 PAWL_ERR_ARGUMENT);
	assert_string_equal(
		error.message,
		"could not open file \"/nonexistent/pawl.conf\": No such file or directory");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_is_taken),
		cmocka_unit_test(unknown_names_are_refused_with_their_line),
		cmocka_unit_test(what_is_said_twice_is_refused),
		cmocka_unit_test(bad_values_are_refused_with_their_line),
		cmocka_unit_test(nothing_is_cut),
		cmocka_unit_test(flags_win),
		cmocka_unit_test(a_missing_file_is_told),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
