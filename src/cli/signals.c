/*
 * signals.c - see signals.h
 *
 * Handlers, not a blocked mask and a signalfd: a mask would be inherited by every
 * program that is started.  They do nothing but what is safe in them.
 */
#include "cli/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"

/* Whom a signal tells; set before the handlers are. */
static pawl_worker *volatile told_worker;
static volatile int told_fd = -1;
static volatile sig_atomic_t last_number;

static void
handle_stop(int number)
{
	int saved = errno;
	uint64_t one = 1;

	last_number = number;
	if (told_worker != NULL)
		pawl_worker_stop(told_worker);
	if (told_fd >= 0)
	{
		ssize_t written = write(told_fd, &one, sizeof(one));

		(void) written; /* it is readable already */
	}
	errno = saved;
}

static pawl_status
install(void (*handler)(int number), pawl_error *error)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};

	(void) sigemptyset(&action.sa_mask);
	if (sigaction(SIGTERM, &action, NULL) != 0 || sigaction(SIGINT, &action, NULL) != 0)
		return error_set(error, PAWL_ERR_SYSTEM, "could not handle signals: %s",
		                 strerror(errno));
	(void) signal(SIGHUP, SIG_IGN);
	return PAWL_OK;
}

pawl_status
signals_to_worker(pawl_worker *worker, pawl_error *error)
{
	told_worker = worker;
	return install(handle_stop, error);
}

pawl_status
signals_to_fd(int *ret_fd, pawl_error *error)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return error_set(error, PAWL_ERR_SYSTEM, "could not make an eventfd: %s",
		                 strerror(errno));
	told_fd = fd;
	*ret_fd = fd;
	return install(handle_stop, error);
}

void
signals_taken(int fd)
{
	uint64_t count;
	ssize_t n = read(fd, &count, sizeof(count));

	(void) n; /* nothing to read is as good */
}

int
signals_last(void)
{
	return last_number;
}

void
signals_default(void)
{
	(void) install(SIG_DFL, NULL);
	told_worker = NULL;
	if (told_fd >= 0)
		(void) close(told_fd);
	told_fd = -1;
}
