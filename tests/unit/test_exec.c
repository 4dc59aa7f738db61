/*
 * test_exec.c - exec handlers with real programs
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/limits.h"
#include "fake_context.h"
#include "handler/exec.h"

#define PATIENCE_MS 60000

static guard *keeper;

typedef struct attempt
{
	pawl_context context;
	exec_options options;
	pawl_job job;
	pawl_verdict verdict;
	int64_t took_ms;
	int seen[8]; /* pidfds of processes whose numbers the program printed */
	int seen_count;
} attempt;

static int
set_up(void **state)
{
	attempt *a = calloc(1, sizeof(*a));

	a->context = context_new();
	a->context.closure = a;
	a->options.guard = keeper;
	a->options.shell = true;
	a->job = (pawl_job){.id = 12,
	                    .fence = 345,
	                    .kind = "thumbnail",
	                    .queue = "mail",
	                    .args = "{\"a\": 1}",
	                    .attempt = 2};
	*state = a;
	return 0;
}

static int
tear_down(void **state)
{
	attempt *a = *state;

	for (int i = 0; i < a->seen_count; i++)
		close(a->seen[i]);
	context_free(&a->context);
	free(a);
	return 0;
}

static void
run(attempt *a, const char *command)
{
	exec_spec *spec = NULL;
	pawl_error error;
	int64_t begin_ms = clock_ms();

	a->options.command = command;
	assert_int_equal(exec_spec_new(&a->options, &spec, &error), PAWL_OK);
	a->verdict = exec_run(&a->context, &a->job, spec);
	a->took_ms = clock_ms() - begin_ms;
	exec_spec_free(spec);
}

/* on_log: takes the number printed for a process to watch. */
static void
see_process(pawl_context *context, const char *message)
{
	attempt *a = context->closure;
	pid_t pid = (pid_t) strtol(message, NULL, 10);

	if (pid > 1 && a->seen_count < 8)
		a->seen[a->seen_count++] = pidfd_open(pid, 0);
}

/* All processes seen have ended, or do now. */
static void
assert_all_gone(const attempt *a, int expected)
{
	assert_int_equal(a->seen_count, expected);
	for (int i = 0; i < expected; i++)
	{
		struct pollfd fd = {.fd = a->seen[i], .events = POLLIN};

		if (fd.fd >= 0) /* else it had gone already */
			assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
	}
}

/* Bug guarded against: the payload or the result gets a newline, or loses its end. */
static void
test_payload_and_result(void **state)
{
	attempt *a = *state;

	run(a,
	    "printf '{\"result\":{\"in\":\"%s\"}}' \"$(od -An -tx1 | tr -d ' \\n')\" >&3");
	assert_int_equal(a->verdict, PAWL_COMPLETE);
	assert_string_equal(a->context.result, "{\"in\":\"7b2261223a20317d\"}");
	assert_null(a->context.error);
}

/* What a program says of the jobs 12, 13 and 14, and what becomes of them. */
typedef struct several_row
{
	const char *command;
	pawl_verdict verdicts[3];
	const char *told;
} several_row;

static void
run_several(attempt *a, const several_row *row)
{
	pawl_job jobs[3] = {a->job, a->job, a->job};
	const pawl_job *list[] = {&jobs[0], &jobs[1], &jobs[2]};
	pawl_verdict verdicts[3];
	exec_spec *spec = NULL;

	for (int i = 0; i < 3; i++)
	{
		jobs[i].id = 12 + i;
		jobs[i].group_key = "a\"b";
	}
	jobs[1].meta = "[2]";
	buffer_clear(&a->context.told);
	a->options.command = row->command;
	a->options.jobs = 3;
	assert_int_equal(exec_spec_new(&a->options, &spec, NULL), PAWL_OK);
	exec_run_many(&a->context, list, 3, verdicts, spec);
	exec_spec_free(spec);
	for (int i = 0; i < 3; i++)
		assert_int_equal(verdicts[i], row->verdicts[i]);
	if (row->told != NULL)
		assert_string_equal(a->context.told.data, row->told);
}

/*
 * Bugs guarded against: what was said of one job of several is undone by the program's end;
 * what was not tried is charged.
 */
static void
test_several_jobs(void **state)
{
	static const several_row rows[] = {
		{"exit 0", {PAWL_COMPLETE, PAWL_COMPLETE, PAWL_COMPLETE}, NULL},
		{"exit 75", {PAWL_SNOOZE, PAWL_SNOOZE, PAWL_SNOOZE}, NULL},
		{"exit 65",
	     {PAWL_FAIL_FINAL, PAWL_RELEASE, PAWL_RELEASE},
	     "0 error exit code 65\n"},
		{"echo '{\"job\":12,\"result\":1}' >&3; exit 3",
	     {PAWL_COMPLETE, PAWL_FAIL, PAWL_RELEASE},
	     "0 result 1\n1 error exit code 3\n"},
		{"echo '{\"job\":14,\"error\":\"no\"}' >&3",
	     {PAWL_COMPLETE, PAWL_COMPLETE, PAWL_FAIL},
	     "2 error no\n"},
		{"/nowhere/at/all", {PAWL_FAIL, PAWL_RELEASE, PAWL_RELEASE}, NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		run_several(*state, &rows[i]);
}

/* Bug guarded against: a job is not on the program's input, or not as it was pushed. */
static void
test_input_of_several_jobs(void **state)
{
	attempt *a = *state;
	several_row row = {"cat; echo $PAWL_JOBS $PAWL_JOB",
	                   {PAWL_COMPLETE, PAWL_COMPLETE, PAWL_COMPLETE},
	                   NULL};

	run_several(a, &row);
#define LINE(id, more)                                                                 \
	"info {\"job\":" id ",\"fence\":345,\"attempt\":2,\"queue\":\"mail\",\"group\":"   \
	"\"a\\\"b\"," more "\"args\":{\"a\": 1}}\n"
	assert_string_equal(a->context.log.data, LINE("12", "") LINE("13", "\"meta\":[2],")
	                                             LINE("14", "") "info 3 12\n");
}

/* Bug guarded against: a verdict that does not follow the table of outcomes. */
static void
test_exit_codes(void **state)
{
	static const struct
	{
		const char *command;
		pawl_verdict verdict;
		const char *error;
		int64_t delay_ms;
	} rows[] = {
		{"exit 0", PAWL_COMPLETE, NULL, -1},
		{"echo '{\"retry_after_s\":9}' >&3; exit 0", PAWL_COMPLETE, NULL, -1},
		{"exit 1", PAWL_FAIL, "exit code 1", -1},
		{"echo boom >&2; echo talk; exit 3", PAWL_FAIL, "exit code 3\nboom", -1},
		{"echo '{\"retry_after_s\":2}' >&3; exit 1", PAWL_FAIL, "exit code 1", 2000},
		{"exit 65", PAWL_FAIL_FINAL, "exit code 65", -1},
		{"exit 75", PAWL_SNOOZE, NULL, -1},
		{"echo '{\"retry_after_s\":0}' >&3; exit 75", PAWL_SNOOZE, NULL, 0},
		{"kill -9 $$", PAWL_FAIL, "killed by signal 9 (Killed)", -1},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		attempt *a = NULL;

		set_up((void **) &a);
		run(a, rows[i].command);
		assert_int_equal(a->verdict, rows[i].verdict);
		assert_int_equal(a->context.delay_ms, rows[i].delay_ms);
		assert_int_equal(a->context.error == NULL, rows[i].error == NULL);
		if (rows[i].error != NULL)
			assert_string_equal(a->context.error, rows[i].error);
		tear_down((void **) &a);
	}
}

/* Bug guarded against: "failed" without saying which program could not be started. */
static void
test_cannot_start(void **state)
{
	attempt *a = *state;

	a->options.shell = false;
	run(a, "/nonexistent/handler --size 64");
	assert_int_equal(a->verdict, PAWL_FAIL);
	assert_string_equal(
		a->context.error,
		"could not execute \"/nonexistent/handler\": No such file or directory");
	run(a, "/etc/passwd");
	assert_string_equal(a->context.error,
	                    "could not execute \"/etc/passwd\": Permission denied");
	run(a, "pawl-no-such-program");
	assert_string_equal(
		a->context.error,
		"could not execute \"pawl-no-such-program\": No such file or directory");
}

/* Bug guarded against: PATH is searched otherwise than a shell does. */
static void
test_search(void **state)
{
	attempt *a = *state;
	char directory[] = "/tmp/pawl-test-exec-XXXXXX";
	char path[128];
	int fd;

	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "/nonexistent:/etc/passwd:%s::/bin", directory);
	setenv("PATH", path, 1);
	a->options.shell = false;
	run(a, "echo first");
	assert_string_equal(a->context.log.data, "info first\n");
	snprintf(path, sizeof(path), "%s/echo", directory);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	buffer_clear(&a->context.log);
	run(a, "echo not executable, the next one is");
	assert_int_equal(a->verdict, PAWL_COMPLETE);
	setenv("PATH", directory, 1);
	run(a, "echo nowhere else");
	assert_string_equal(a->context.error,
	                    "could not execute \"echo\": Permission denied");
	chmod(path, 0700);
	run(a, "echo");
	assert_string_equal(a->context.error,
	                    "could not execute \"echo\": Exec format error");
	unlink(path);
	rmdir(directory);
	setenv("PATH", "/usr/local/bin:/usr/bin:/bin", 1);
}

/* Bug guarded against: arguments go through a shell that nobody asked for. */
static void
test_no_shell(void **state)
{
	attempt *a = *state;

	a->options.shell = false;
	run(a, "printf '%s\\n' $HOME '*' 'a b'");
	assert_int_equal(a->verdict, PAWL_COMPLETE);
	assert_string_equal(a->context.log.data, "info $HOME\ninfo *\ninfo a b\n");
}

/* Bug guarded against: writing a payload that nobody reads blocks or kills the worker. */
static void
test_payload_unread(void **state)
{
	attempt *a = *state;
	char *args = malloc(LIMIT_JSON + 1);

	memset(args, 'x', LIMIT_JSON);
	args[LIMIT_JSON] = '\0';
	a->job.args = args;
	run(a, "exec 0<&-; echo closed; true");
	assert_int_equal(a->verdict, PAWL_COMPLETE);
	run(a, "true");
	assert_int_equal(a->verdict, PAWL_COMPLETE);
	run(a, "test $(wc -c) = 1048576");
	assert_int_equal(a->verdict, PAWL_COMPLETE);
	free(args);
}

/* Bug guarded against: ten megabytes without a newline fill memory or block the child. */
static void
test_endless_line(void **state)
{
	attempt *a = *state;

	run(a, "head -c 10000000 /dev/zero | tr '\\0' x; echo; echo after");
	assert_int_equal(a->verdict, PAWL_COMPLETE);
	assert_int_equal(a->context.lines, 2);
	assert_true(a->context.longest <= LIMIT_LOG_LINE);
	assert_non_null(strstr(a->context.log.data, "xxx... [9991856 bytes cut]\n"));
	assert_non_null(strstr(a->context.log.data, "\ninfo after\n"));
}

/*
 * Bug guarded against: last lines without a newline are lost, or empty ones, which part a
 * stack trace from the next; both streams in one level.
 */
static void
test_streams(void **state)
{
	attempt *a = *state;

	run(a, "printf 'one\\r\\n\\ntwo'; sleep 0.1; printf 'three' >&2");
	assert_string_equal(a->context.log.data, "info one\ninfo \ninfo two\nwarn three\n");
}

/* Bug guarded against: a closed stdout is taken for the program's end. */
static void
test_closes_output(void **state)
{
	attempt *a = *state;

	run(a, "exec >&- 2>&- 3>&-; sleep 0.2; exit 3");
	assert_int_equal(a->verdict, PAWL_FAIL);
	assert_string_equal(a->context.error, "exit code 3");
	assert_true(a->took_ms >= 200);
}

/*
 * Bug guarded against: a background process that keeps stdout open makes the job hang,
 * or outlives it.
 */
static void
test_background_process(void **state)
{
	attempt *a = *state;

	a->context.on_log = see_process;
	run(a, "sleep 1000 & echo $!; (sleep 1000 & echo $!); exit 0");
	assert_int_equal(a->verdict, PAWL_COMPLETE);
	assert_true(a->took_ms < PATIENCE_MS);
	assert_all_gone(a, 2);
}

/* Bug guarded against: a program that is deaf to SIGTERM is never ended. */
static void
test_timeout(void **state)
{
	attempt *a = *state;

	a->job.timeout_ms = 1500; /* the shell has spoken by then, also on a busy machine */
	a->options.grace_ms = 300;
	a->context.on_log = see_process;
	run(a, "trap '' TERM; setsid sleep 1000 & echo $!; echo working >&2; "
	       "while :; do sleep 1; done");
	assert_int_equal(a->verdict, PAWL_FAIL);
	assert_string_equal(a->context.error, "timed out after 1.5 s\nworking");
	assert_in_range(a->took_ms, 1800, PATIENCE_MS);
	assert_all_gone(a, 1);
}

/* Bug guarded against: a stopped program does not notice SIGTERM within the grace. */
static void
test_timeout_stopped(void **state)
{
	attempt *a = *state;

	a->job.timeout_ms = 200;
	run(a, "kill -STOP $$");
	assert_string_equal(a->context.error, "timed out after 0.2 s");
	assert_true(a->took_ms < 5000);
}

static void
cancel_now(pawl_context *context, const char *message)
{
	(void) message;
	context_interrupt(context, PAWL_CANCELLED);
}

static void
drain_now(pawl_context *context, const char *message)
{
	(void) message;
	context_interrupt(context, PAWL_DRAINING);
}

/* Bug guarded against: a cancelled job's program goes on to its own end. */
static void
test_interrupt(void **state)
{
	attempt *a = *state;

	a->context.on_log = cancel_now;
	run(a, "echo ready; sleep 1000");
	assert_int_equal(a->verdict, PAWL_RELEASE);
	assert_true(a->took_ms < 5000);
}

/* Bug guarded against: exit 0 on SIGTERM counts as success of a job that was drained. */
static void
test_drain(void **state)
{
	attempt *a = *state;

	a->context.on_log = drain_now;
	run(a, "trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done");
	assert_int_equal(a->verdict, PAWL_RELEASE);
	assert_null(a->context.result);
}

/* Bug guarded against: what has been interrupted already is started all the same. */
static void
test_interrupted_before(void **state)
{
	attempt *a = *state;

	context_interrupt(&a->context, PAWL_CANCELLED);
	run(a, "echo started");
	assert_int_equal(a->verdict, PAWL_RELEASE);
	assert_int_equal(a->context.lines, 0);
}

/* Bug guarded against: a handler inherits the worker's connections and the guard's. */
static void
test_descriptors(void **state)
{
	attempt *a = *state;
	int leak = open("/dev/null", O_RDONLY);

	run(a, "ls /proc/$$/fd; exit 0");
	assert_string_equal(a->context.log.data, "info 0\ninfo 1\ninfo 2\ninfo 3\n");
	close(leak);
}

/* Bug guarded against: signals that the worker blocks or ignores stay so in a handler. */
static void
test_signals(void **state)
{
	attempt *a = *state;
	sigset_t blocked, before;

	sigfillset(&blocked);
	pthread_sigmask(SIG_SETMASK, &blocked, &before);
	run(a, "kill -TERM $$; exit 0");
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	assert_string_equal(a->context.error, "killed by signal 15 (Terminated)");

	/* glibc gives its own two, 32 and 33, to every program that it spawns. */
	run(a, "sed -nE '/^Sig(Blk|Ign)/{s/180000000$/000000000/;p}' /proc/self/status");
	assert_string_equal(a->context.log.data, "info SigBlk:\t0000000000000000\n"
	                                         "info SigIgn:\t0000000000000000\n");
}

static bool
has_line(const attempt *a, const char *line)
{
	char expected[256];

	snprintf(expected, sizeof(expected), "info %s\n", line);
	return strstr(a->context.log.data, expected) != NULL;
}

/* Bug guarded against: a password in the environment reaches every handler. */
static void
test_environment(void **state)
{
	attempt *a = *state;
	static const char *const connection[] = {"PGHOST=/run/x", "PGUSER=", "PGPASSWORD=b",
	                                         NULL};
	static const char *const pass[] = {"FRUIT", "PGPASSWORD", "ABSENT", NULL};

	setenv("PGPASSWORD", "secret", 1);
	setenv("PGHOST", "elsewhere", 1);
	setenv("PGUSER", "me", 1);
	setenv("FRUIT", "fig", 1);
	run(a, "env");
	assert_true(has_line(a, "PAWL_JOB=12") && has_line(a, "PAWL_FENCE=345"));
	assert_true(has_line(a, "PAWL_KIND=thumbnail") && has_line(a, "PAWL_QUEUE=mail"));
	assert_true(has_line(a, "PAWL_ATTEMPT=2") && has_line(a, "PGAPPNAME=pawl job 12"));
	assert_true(has_line(a, "PGHOST=elsewhere") && has_line(a, "PGUSER=me"));
	assert_null(strstr(a->context.log.data, "PGPASSWORD"));
	assert_null(strstr(a->context.log.data, "FRUIT"));
	assert_null(strstr(a->context.log.data, "PAWL_DEADLINE"));

	buffer_clear(&a->context.log);
	a->options.connection = connection;
	a->job.timeout_ms = 60000;
	run(a, "env");
	assert_true(has_line(a, "PGHOST=/run/x"));
	assert_null(strstr(a->context.log.data, "PGUSER"));
	assert_null(strstr(a->context.log.data, "PGPASSWORD"));
	assert_non_null(strstr(a->context.log.data, "PAWL_DEADLINE=20"));

	buffer_clear(&a->context.log);
	a->options.pass_env = pass;
	run(a, "env");
	assert_true(has_line(a, "FRUIT=fig") && has_line(a, "PGPASSWORD=b"));
}

/* Bug guarded against: an oversized result completes the job without it. */
static void
test_oversized_result(void **state)
{
	attempt *a = *state;

	run(a, "{ printf '{\"result\":\"'; head -c 3000000 /dev/zero | tr '\\0' x; "
	       "printf '\"}'; } >&3");
	assert_int_equal(a->verdict, PAWL_FAIL);
	assert_string_equal(a->context.error,
	                    "result of 3000002 bytes exceeds the limit of 1048576 bytes");
}

/* Bug guarded against: the error text is the whole of stderr, or bytes that no database
 * stores. */
static void
test_error_tail(void **state)
{
	attempt *a = *state;

	run(a, "seq 100000 >&2; printf '\\377\\000end\\n' >&2; exit 1");
	assert_int_equal(a->verdict, PAWL_FAIL);
	assert_true(strlen(a->context.error) < 5000);
	assert_memory_equal(a->context.error, "exit code 1\n", 12);
	assert_non_null(strstr(a->context.error, "\n99999\n100000\n"));
	assert_non_null(strstr(a->context.error, "end"));
}

/* Bug guarded against: descriptors or processes are left behind by each attempt. */
static void
test_nothing_left(void **state)
{
	attempt *a = *state;
	int before = open("/dev/null", O_RDONLY);
	int after;

	close(before);
	for (int i = 0; i < 50; i++)
		run(a, i % 2 == 0 ? "exit 0" : "sleep 100 & exit 1");
	after = open("/dev/null", O_RDONLY);
	close(after);
	assert_int_equal(after, before);
}

static int
start_keeper(void **state)
{
	pawl_error error;

	(void) state;
	return guard_start(&keeper, &error) == PAWL_OK ? 0 : -1;
}

static int
end_keeper(void **state)
{
	(void) state;
	guard_free(keeper);
	return 0;
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_payload_and_result),
		TEST(test_several_jobs),
		TEST(test_input_of_several_jobs),
		TEST(test_exit_codes),
		TEST(test_cannot_start),
		TEST(test_search),
		TEST(test_no_shell),
		TEST(test_payload_unread),
		TEST(test_endless_line),
		TEST(test_streams),
		TEST(test_closes_output),
		TEST(test_background_process),
		TEST(test_timeout),
		TEST(test_timeout_stopped),
		TEST(test_interrupt),
		TEST(test_drain),
		TEST(test_interrupted_before),
		TEST(test_descriptors),
		TEST(test_signals),
		TEST(test_environment),
		TEST(test_oversized_result),
		TEST(test_error_tail),
		TEST(test_nothing_left),
	};

	return cmocka_run_group_tests(tests, start_keeper, end_keeper);
}
