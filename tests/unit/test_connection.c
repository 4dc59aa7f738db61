/*
 * test_connection.c - connections, without a server
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "db/db.h"

/* Bug guarded against: a mistyped conninfo is found out at the first statement. */
static void
test_conninfo_checked(void **state)
{
	pawl_error error;
	db *conn = NULL;

	(void) state;
	assert_int_equal(db_new("hostname=x", "test", "", &conn, &error),
	                 PAWL_ERR_ARGUMENT);
	assert_null(conn);
	assert_non_null(strstr(error.message, "hostname"));
	assert_null(strchr(error.message, '\n'));
}

/* Bug guarded against: a password in conninfo is shown in an error. */
static void
test_refused(void **state)
{
	pawl_error error;
	db *conn = NULL;

	(void) state;
	assert_int_equal(
		db_new("host=/nonexistent port=1 password=geheim connect_timeout=2", "test", "",
	           &conn, &error),
		PAWL_OK);
	assert_false(db_is_open(conn));
	assert_int_equal(db_open(conn, &error), PAWL_ERR_CONNECT);
	assert_null(strstr(error.message, "geheim"));
	assert_null(strstr(error.detail, "geheim"));
	assert_null(strchr(error.message, '\n'));
	assert_false(db_is_open(conn));
	db_free(conn);
}

/* Bug guarded against: without a server a call never returns, or returns at once. */
static void
test_run_until_deadline(void **state)
{
	pawl_error error;
	db *conn = NULL;
	int64_t started = clock_ms();

	(void) state;
	assert_int_equal(db_new("host=/nonexistent port=1", "test", "", &conn, &error),
	                 PAWL_OK);
	assert_int_equal(db_run(conn, NULL, started + 200, "SELECT 1", NULL, NULL, &error),
	                 PAWL_ERR_CONNECT);
	assert_true(clock_ms() >= started + 200);
	assert_true(clock_ms() < started + 10000);
	db_free(conn);
}

/* Bug guarded against: a wait on a closed connection ignores the wake-up or the time. */
static void
test_wait_closed(void **state)
{
	pawl_error error;
	db *conn = NULL;
	bool notified = true;
	int fds[2];

	(void) state;
	assert_int_equal(db_new("", "test", "", &conn, &error), PAWL_OK);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(db_wait(conn, fds[0], clock_ms() + 20, &notified, &error),
	                 PAWL_OK);
	assert_false(notified);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(db_wait(conn, fds[0], CLOCK_NEVER, &notified, &error), PAWL_OK);
	assert_false(notified);
	close(fds[0]);
	close(fds[1]);
	db_free(conn);
}

static void *
close_it(void *conn)
{
	db_close(conn);
	return NULL;
}

/* What another thread than the owner does with it; in a process of its own. */
static void
use_from_two_threads(void)
{
	pawl_error error;
	db *conn = NULL;
	pthread_t other;

	(void) close(STDERR_FILENO);
	if (db_new("", "test", "", &conn, &error) != PAWL_OK)
		_exit(1);
	db_close(conn);
	(void) pthread_create(&other, NULL, close_it, conn);
	(void) pthread_join(other, NULL);
	_exit(0);
}

/* Bug guarded against: a connection borrowed by another thread; no sanitizer sees it. */
static void
test_owner(void **state)
{
	pid_t child = fork();
	int status = 0;

	(void) state;
	if (child == 0)
		use_from_two_threads();
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void
test_free_null(void **state)
{
	(void) state;
	db_free(NULL);
	db_result_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conninfo_checked),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_run_until_deadline),
		cmocka_unit_test(test_wait_closed),
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_free_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
