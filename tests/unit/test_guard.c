/*
 * test_guard.c - what dies with a worker, however the worker dies
 *
 * Each test forks a worker: a process with a guard and a handler that runs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "fake_context.h"
#include "handler/exec.h"

#define PATIENCE_MS 60000

typedef struct worker
{
	pid_t pid;
	int said; /* read end of what it writes: a pid each */
} worker;

/* ------------------------------------------------------------ in the worker ------ */

static int say_fd; /* in the worker: where it writes the pids */

static void
say_pid(pid_t pid)
{
	if (write(say_fd, &pid, sizeof(pid)) != sizeof(pid))
		_exit(3);
}

static void
say_logged(pawl_context *context, const char *message)
{
	pid_t pid = (pid_t) strtol(message, NULL, 10);

	(void) context;
	if (pid > 1)
		say_pid(pid);
}

static guard *
must_guard(void)
{
	guard *g = NULL;
	pawl_error error;

	if (guard_start(&g, &error) != PAWL_OK)
		_exit(4);
	return g;
}

static void
run_handler(guard *g, const char *command)
{
	pawl_context context = context_new();
	exec_options options = {.command = command, .shell = true, .guard = g};
	pawl_job job = {.id = 1, .fence = 2, .kind = "k", .queue = "q", .args = "{}"};
	exec_spec *spec = NULL;
	pawl_error error;

	context.on_log = say_logged;
	if (exec_spec_new(&options, &spec, &error) != PAWL_OK)
		_exit(5);
	(void) exec_run(&context, &job, spec);
	exec_spec_free(spec);
	context_free(&context);
}

/* ------------------------------------------------------------ in the test -------- */

static worker
fork_worker(void (*body)(void))
{
	int ends[2];
	worker w;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	w.pid = fork();
	assert_true(w.pid >= 0);
	if (w.pid == 0)
	{
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nothing behind */
		close(ends[0]);
		say_fd = ends[1];
		body();
		_exit(0);
	}
	close(ends[1]);
	w.said = ends[0];
	return w;
}

/* The next process that the worker tells of, as a descriptor. */
static int
hear_process(const worker *w)
{
	struct pollfd fd = {.fd = w->said, .events = POLLIN};
	pid_t pid = 0;
	int process;

	assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
	assert_int_equal(read(w->said, &pid, sizeof(pid)), sizeof(pid));
	process = pidfd_open(pid, 0);
	assert_true(process >= 0);
	return process;
}

static void
assert_ends(int process)
{
	struct pollfd fd = {.fd = process, .events = POLLIN};

	assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
	close(process);
}

static void
assert_lives(int process)
{
	struct pollfd fd = {.fd = process, .events = POLLIN};

	assert_int_equal(poll(&fd, 1, 0), 0);
}

static void
kill_worker(worker *w)
{
	kill(w->pid, SIGKILL);
	assert_int_equal(waitpid(w->pid, NULL, 0), w->pid);
	close(w->said);
}

static bool
read_proc(pid_t pid, const char *file, char *ret_text, size_t size)
{
	char path[64];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = fd < 0 ? -1 : read(fd, ret_text, size - 1);
	if (fd >= 0)
		close(fd);
	ret_text[got < 0 ? 0 : got] = '\0';
	return got >= 0;
}

static bool
is_guard_of(pid_t pid, pid_t program)
{
	char text[4096];
	char parent[32];

	snprintf(parent, sizeof(parent), "\nPPid:\t%d\n", (int) program);
	return read_proc(pid, "comm", text, sizeof(text)) &&
	       strcmp(text, "pawl guard\n") == 0 &&
	       read_proc(pid, "status", text, sizeof(text)) && strstr(text, parent) != NULL;
}

/* The guard of a program, another than before; it is named a moment after the fork. */
static pid_t
find_guard(pid_t program, pid_t before)
{
	int64_t deadline_ms = clock_ms() + PATIENCE_MS;
	pid_t found = 0;

	while (found == 0 && clock_ms() < deadline_ms)
	{
		DIR *proc = opendir("/proc");
		struct dirent *entry;

		while (found == 0 && (entry = readdir(proc)) != NULL)
		{
			pid_t pid = (pid_t) strtol(entry->d_name, NULL, 10);

			if (pid > 1 && pid != before && is_guard_of(pid, program))
				found = pid;
		}
		closedir(proc);
	}
	assert_true(found > 1);
	return found;
}

/* ------------------------------------------------------------ tests -------------- */

static void
family_worker(void)
{
	run_handler(must_guard(), "echo $$; sleep 1000 & echo $!; (sleep 1000 & echo $!);"
	                          "setsid sleep 1000 & echo $!;"
	                          "setsid sh -c 'setsid sleep 1000 & echo $!'; wait");
}

/*
 * Bug guarded against: a handler, what it started and what turned itself into a daemon
 * go on after their worker was killed.
 */
static void
test_killed_worker(void **state)
{
	worker w = fork_worker(family_worker);
	int family[5];
	int keeper;

	(void) state;
	for (int i = 0; i < 5; i++)
		family[i] = hear_process(&w);
	keeper = pidfd_open(find_guard(w.pid, 0), 0);
	for (int i = 0; i < 5; i++)
		assert_lives(family[i]);
	kill_worker(&w);
	for (int i = 0; i < 5; i++)
		assert_ends(family[i]);
	assert_ends(keeper);
}

/* In a child of the worker: becomes a handler's program, a while after its death. */
static void
start_late(const guard *g, pid_t parent)
{
	char mark[64];
	char *const env[] = {mark, NULL};

	snprintf(mark, sizeof(mark), "PAWL_GUARD=%s.1.", guard_token(g));
	while (getppid() == parent)
		poll(NULL, 0, 1);
	poll(NULL, 0, 500); /* a machine under load, a slow disk */
	execle("/bin/sleep", "sleep", "60", NULL, env);
	_exit(1);
}

static void
slow_worker(void)
{
	guard *g = must_guard();
	pid_t parent = getpid(); /* which may be dead before the child looks */
	pid_t late = fork();

	if (late == 0)
		start_late(g, parent);
	say_pid(late);
	for (;;)
		pause();
}

/*
 * Bug guarded against: a worker is killed between a program's vfork and its exec, which
 * takes longer than the guard looks for what bears the worker's mark: it runs on for
 * ever.
 */
static void
test_killed_before_exec(void **state)
{
	worker w = fork_worker(slow_worker);
	int late = hear_process(&w);

	(void) state;
	(void) find_guard(w.pid, 0);
	kill_worker(&w);
	assert_ends(late);
}

static void
hoarding_worker(void)
{
	guard *g = must_guard();
	pid_t hoarder = fork();

	if (hoarder == 0)
	{
		prctl(PR_SET_PDEATHSIG, SIGTERM); /* outlives the worker for a moment: */
		signal(SIGTERM, SIG_IGN);         /* and ends by itself, later */
		alarm(30);
		pause();
		_exit(0);
	}
	say_pid(hoarder);
	run_handler(g, "echo $$; sleep 1000");
}

/*
 * Bug guarded against: a process that the worker forked without exec (a C handler may)
 * still holds the guard's socket, and the guard waits for its end.
 */
static void
test_socket_held(void **state)
{
	worker w = fork_worker(hoarding_worker);
	int hoarder = hear_process(&w);
	int child = hear_process(&w);

	(void) state;
	kill_worker(&w);
	assert_ends(child);
	assert_lives(hoarder);
	(void) pidfd_send_signal(hoarder, SIGKILL, NULL, 0);
	assert_ends(hoarder);
}

static void
sleeping_worker(void)
{
	run_handler(must_guard(), "echo $$; setsid sleep 1000 & echo $!; wait");
}

/* Bug guarded against: a guard that was killed leaves its worker unguarded. */
static void
test_killed_guard(void **state)
{
	worker w = fork_worker(sleeping_worker);
	int child = hear_process(&w);
	int escaped = hear_process(&w);
	pid_t pid = 0;

	(void) state;
	for (int i = 0; i < 3; i++)
	{
		int process;

		pid = find_guard(w.pid, pid);
		process = pidfd_open(pid, 0);
		kill(pid, SIGKILL);
		assert_ends(process);
		(void) find_guard(w.pid, pid);
		assert_lives(child);
	}
	kill_worker(&w);
	assert_ends(child);
	assert_ends(escaped);
}

static void
told_worker(void)
{
	guard *g = must_guard();
	sigset_t set;
	int number;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	say_pid(getpid());
	sigwait(&set, &number);
	run_handler(g, "echo $$; sleep 1000");
}

/* Bug guarded against: a guard that somebody has stopped guards nothing. */
static void
test_stopped_guard(void **state)
{
	worker w = fork_worker(told_worker);
	int64_t deadline_ms = clock_ms() + PATIENCE_MS;
	char text[4096] = "";
	pid_t pid;
	int child;

	(void) state;
	close(hear_process(&w));
	pid = find_guard(w.pid, 0);
	kill(pid, SIGSTOP);
	while (strstr(text, "\nState:\tT") == NULL && clock_ms() < deadline_ms)
		(void) read_proc(pid, "status", text, sizeof(text));
	kill(w.pid, SIGUSR1);
	child = hear_process(&w);
	kill_worker(&w);
	assert_ends(child);
}

static void
hidden_worker(void)
{
	guard *g = must_guard();
	guard_place *place = NULL;
	pawl_error error;
	pid_t hidden;

	if (guard_reserve(g, &place, &error) != PAWL_OK)
		_exit(7);
	hidden = fork();
	if (hidden == 0)
	{
		setpgid(0, 0);
		atomic_store(&place->pid, getpid());
		close_range(3, ~0U, 0);
		pause();
		_exit(0);
	}
	while (atomic_load(&place->pid) == 0)
		poll(NULL, 0, 1);
	say_pid(hidden);
	pause();
}

/*
 * Bug guarded against: a worker is killed between a program's start and its exec, and
 * has told nobody of it: neither a mark nor the socket leads to it.
 */
static void
test_killed_after_registration(void **state)
{
	worker w = fork_worker(hidden_worker);
	int hidden = hear_process(&w);

	(void) state;
	(void) find_guard(w.pid, 0);
	kill_worker(&w);
	assert_ends(hidden);
}

/* Bug guarded against: signals of the terminal or a service manager end the guard. */
static void
test_deaf_guard(void **state)
{
	worker w = fork_worker(sleeping_worker);
	int child = hear_process(&w);
	int escaped = hear_process(&w);
	pid_t pid = find_guard(w.pid, 0);
	int process = pidfd_open(pid, 0);

	(void) state;
	assert_true(getsid(pid) == pid);
	kill(pid, SIGINT);
	kill(pid, SIGTERM);
	kill(pid, SIGHUP);
	kill_worker(&w);
	assert_ends(child);
	assert_ends(escaped);
	assert_ends(process);
}

static void
server_worker(void)
{
	guard *g = must_guard();
	pid_t server = fork();
	pawl_error error;

	if (server == 0)
	{
		execl("/bin/sh", "sh", "-c",
		      "trap 'rm -f \"$0\"; exit 0' INT; echo ready >$0;"
		      "while :; do sleep 0.1; done",
		      getenv("PAWL_TEST_FILE"), NULL);
		_exit(6);
	}
	if (guard_server_started(server, g, &error) != PAWL_OK)
		_exit(7);
	say_pid(server);
	pause();
}

/* Bug guarded against: PostgreSQL is killed, or lives on, when its program dies. */
static void
test_server(void **state)
{
	char path[] = "/tmp/pawl-test-guard-XXXXXX";
	int fd = mkstemp(path);
	char text[16] = "";
	worker w;
	int server;

	(void) state;
	setenv("PAWL_TEST_FILE", path, 1);
	w = fork_worker(server_worker);
	server = hear_process(&w);
	while (strcmp(text, "ready\n") != 0) /* it has set its trap */
	{
		poll(NULL, 0, 10);
		assert_true(pread(fd, text, sizeof(text) - 1, 0) >= 0);
	}
	close(fd);
	kill_worker(&w);
	assert_ends(server);
	assert_int_equal(access(path, F_OK), -1); /* it was asked, not killed */
}

static void
orderly_worker(void)
{
	guard *g = must_guard();

	run_handler(g, "setsid sleep 1000 & echo $!");
	guard_free(g);
}

/* Bug guarded against: what escaped its group outlives a worker that ends in order. */
static void
test_orderly_end(void **state)
{
	worker w = fork_worker(orderly_worker);
	int escaped = hear_process(&w);

	(void) state;
	assert_int_equal(waitpid(w.pid, NULL, 0), w.pid);
	assert_ends(escaped);
	close(w.said);
}

static void
nested_inner(void)
{
	setenv("PAWL_GUARD", getenv("PAWL_TEST_MARK"), 1);
	run_handler(must_guard(), "echo $PAWL_GUARD | grep -q '^outer.1.:' && echo $$;"
	                          "sleep 1000");
}

/* Bug guarded against: a worker that runs inside a job takes the outer mark away. */
static void
test_nested(void **state)
{
	worker w;
	int child;

	(void) state;
	setenv("PAWL_TEST_MARK", "outer.1.", 1);
	w = fork_worker(nested_inner);
	child = hear_process(&w);
	kill_worker(&w);
	assert_ends(child);
}

#define THREADS 8
#define RUNS 25

/* Threads go on until the test has killed its last guard, however slow that was. */
static atomic_bool killing_is_over; /* set by a signal handler, read by threads */

static void
end_of_killing(int number)
{
	(void) number;
	atomic_store(&killing_is_over, true);
}

static void *
run_many(void *argument)
{
	exec_spec *spec = argument;
	pawl_job job = {.id = 1, .fence = 2, .kind = "k", .queue = "q", .args = "{}"};

	for (int i = 0; i < RUNS || !atomic_load(&killing_is_over); i++)
	{
		pawl_context context = context_new();

		if (exec_run(&context, &job, spec) != PAWL_COMPLETE)
			_exit(8);
		context_free(&context);
	}
	return NULL;
}

/* Exits with 0 when every attempt of every thread was completed. */
static void
threaded_worker(void)
{
	guard *g = must_guard();
	exec_options options = {.command = "true", .guard = g};
	pthread_t threads[THREADS];
	exec_spec *spec = NULL;
	pawl_error error;

	if (exec_spec_new(&options, &spec, &error) != PAWL_OK)
		_exit(5);
	signal(SIGUSR1, end_of_killing);
	say_pid(getpid());
	for (int i = 0; i < THREADS; i++)
		(void) pthread_create(&threads[i], NULL, run_many, spec);
	for (int i = 0; i < THREADS; i++)
		(void) pthread_join(threads[i], NULL);
	exec_spec_free(spec);
	guard_free(g);
}

/*
 * Bug guarded against: a guard that dies while many threads register makes one of them
 * fail its job, hang, or fork a second guard.
 */
static void
test_threads(void **state)
{
	worker w = fork_worker(threaded_worker);
	pid_t guard_pid = 0;
	int status = -1;

	(void) state;
	close(hear_process(&w));
	for (int i = 0; i < 5; i++)
	{
		guard_pid = find_guard(w.pid, guard_pid);
		kill(guard_pid, SIGKILL);
	}
	kill(w.pid, SIGUSR1);
	assert_int_equal(waitpid(w.pid, &status, 0), w.pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(w.said);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed_worker),
		cmocka_unit_test(test_killed_before_exec),
		cmocka_unit_test(test_socket_held),
		cmocka_unit_test(test_killed_guard),
		cmocka_unit_test(test_deaf_guard),
		cmocka_unit_test(test_server),
		cmocka_unit_test(test_orderly_end),
		cmocka_unit_test(test_nested),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_stopped_guard),
		cmocka_unit_test(test_killed_after_registration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
