/*
 * guard.c - the program's side of the guard
 *
 * Forks it, keeps the table that it shares with it, tells it of servers, and forks
 * another when it has died.  One mutex covers everything in struct guard but what stands
 * in the table's places: a message and the list of servers change together, so that a
 * new guard is told exactly what an old one knew.  Lock order: nothing is locked inside.
 */
#include "handler/guard.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "handler/guard_process.h"

#define SEND_PATIENCE_MS 5000  /* a guard that reads nothing for so long is replaced */
#define FREE_PATIENCE_MS 15000 /* its own patience with a server, and some */
#define SPAWN_TRIES 3          /* one may be killed while it is told what it guards */

struct guard
{
	pthread_mutex_t mutex;
	pid_t pid;   /* 0: there is none */
	int process; /* its pidfd */
	int socket;
	int epoll; /* what guard_fd answers: holds the present pidfd */
	char token[33];
	guard_place *table;               /* LIMIT_GUARDED, shared with the guard */
	guard_place *free[LIMIT_GUARDED]; /* of the table's places */
	int free_count;
	pid_t servers[LIMIT_SERVERS];
	int server_count;
};

static void
unlock(pthread_mutex_t **mutex)
{
	pthread_mutex_unlock(*mutex);
}

#define auto_unlock __attribute__((cleanup(unlock))) pthread_mutex_t

static pthread_mutex_t *
lock(guard *g)
{
	int failed = pthread_mutex_lock(&g->mutex);

	assert(failed == 0);
	(void) failed;
	return &g->mutex;
}

/* One that somebody has stopped goes on. */
static bool
is_alive_locked(const guard *g)
{
	siginfo_t state = {0};

	if (g->pid == 0 || waitid(P_PIDFD, (id_t) g->process, &state,
	                          WEXITED | WSTOPPED | WNOHANG | WNOWAIT) != 0)
		return false;
	if (state.si_pid == 0)
		return true;
	return state.si_code == CLD_STOPPED &&
	       pidfd_send_signal(g->process, SIGCONT, NULL, 0) == 0;
}

/*
 * Forget the guard.  It is killed before its socket is closed: one that only hung
 * would take the closed socket for our end.
 */
static void
discard_locked(guard *g)
{
	if (g->pid == 0)
		return;
	(void) pidfd_send_signal(g->process, SIGKILL, NULL, 0);
	waitpid(g->pid, NULL, 0);
	epoll_ctl(g->epoll, EPOLL_CTL_DEL, g->process, NULL);
	close(g->process);
	close(g->socket);
	g->pid = 0;
	g->process = g->socket = -1;
}

/* Fork with every signal blocked: no handler of the program's runs in the guard. */
static pid_t
fork_guard(const guard *g, int socket)
{
	int program = pidfd_open(getpid(), 0);
	sigset_t all, before;
	pid_t pid;

	if (program < 0)
		return -1;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		guard_process_run(g->table, socket, program, g->token);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	close(program);
	return pid;
}

/* False: the guard does not read, or is gone. */
static bool
send_locked(const guard *g, const guard_message *message)
{
	int64_t deadline_ms = clock_ms() + SEND_PATIENCE_MS;
	struct pollfd fd = {.fd = g->socket, .events = POLLOUT};

	while (send(g->socket, message, sizeof(*message), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
	{
		if (errno != EAGAIN && errno != EINTR)
			return false;
		if (poll(&fd, 1, clock_poll_ms(deadline_ms)) == 0)
			return false;
	}
	return true;
}

static bool
send_hold_locked(const guard *g, pid_t server)
{
	guard_message message = {GUARD_HOLD, server};

	return send_locked(g, &message);
}

/* A new guard that knows everything that runs. */
static pawl_status
spawn_locked(guard *g, pawl_error *error)
{
	struct epoll_event event = {.events = EPOLLIN};
	int ends[2];

	assert(g->pid == 0);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return error_set(error, PAWL_ERR_SYSTEM,
		                 "could not create the guard's socket: %s", strerror(errno));
	g->pid = fork_guard(g, ends[1]);
	close(ends[1]);
	g->socket = ends[0];
	g->process = g->pid > 0 ? pidfd_open(g->pid, 0) : -1;
	if (g->process < 0)
	{
		int code = errno;

		close(g->socket); /* its end of messages: it ends itself */
		g->pid = 0;
		return error_set(error, PAWL_ERR_SYSTEM, "could not start the guard: %s",
		                 strerror(code));
	}
	(void) epoll_ctl(g->epoll, EPOLL_CTL_ADD, g->process, &event);
	for (int i = 0; i < g->server_count; i++)
	{
		if (send_hold_locked(g, g->servers[i]))
			continue;
		discard_locked(g);
		return error_set(error, PAWL_ERR_SYSTEM, "the guard does not answer");
	}
	return PAWL_OK;
}

/* In place of one that is gone or hangs. */
static pawl_status
replace_locked(guard *g, pawl_error *error)
{
	pawl_status status = PAWL_ERR_SYSTEM;

	discard_locked(g);
	for (int i = 0; i < SPAWN_TRIES && status != PAWL_OK; i++)
		status = spawn_locked(g, error);
	return status;
}

static pawl_status
renew_locked(guard *g, pawl_error *error)
{
	return is_alive_locked(g) ? PAWL_OK : replace_locked(g, error);
}

static void
make_token(char *ret_token)
{
	snprintf(ret_token, 33, "%016" PRIx64 "%016" PRIx64, random_u64(), random_u64());
}

/* False: errno says why. */
static bool
make_table(guard *g)
{
	void *memory = mmap(NULL, LIMIT_GUARDED * sizeof(*g->table), PROT_READ | PROT_WRITE,
	                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return false;
	g->table = memory;
	while (g->free_count < LIMIT_GUARDED)
	{
		g->free[g->free_count] = &g->table[g->free_count];
		g->free_count++;
	}
	return true;
}

pawl_status
guard_start(guard **ret_guard, pawl_error *error)
{
	guard *g = calloc(1, sizeof(*g));
	pawl_status status;

	if (g == NULL)
		return error_memory(error);
	pthread_mutex_init(&g->mutex, NULL);
	make_token(g->token);
	g->process = g->socket = -1;
	g->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!make_table(g))
		status = error_set(error, PAWL_ERR_SYSTEM,
		                   "could not map the guard's memory: %s", strerror(errno));
	else if (g->epoll < 0)
		status = error_set(error, PAWL_ERR_SYSTEM, "could not create an epoll: %s",
		                   strerror(errno));
	else
		status = spawn_locked(g, error);
	if (status != PAWL_OK)
	{
		guard_free(g);
		return status;
	}
	*ret_guard = g;
	return PAWL_OK;
}

/* Tell the guard that the end is orderly, close its socket, wait for it. */
static void
finish(guard *g)
{
	guard_message bye = {GUARD_BYE, 0};
	struct pollfd fd = {.fd = g->process, .events = POLLIN};

	(void) send_locked(g, &bye);
	close(g->socket);
	if (poll(&fd, 1, FREE_PATIENCE_MS) > 0)
		waitpid(g->pid, NULL, WNOHANG);
	close(g->process);
}

void
guard_free(guard *g)
{
	if (g == NULL)
		return;
	if (g->pid != 0)
		finish(g);
	if (g->epoll >= 0)
		close(g->epoll);
	if (g->table != NULL)
		munmap(g->table, LIMIT_GUARDED * sizeof(*g->table));
	pthread_mutex_destroy(&g->mutex);
	free(g);
}

const char *
guard_token(const guard *g)
{
	return g->token;
}

int
guard_fd(const guard *g)
{
	return g->epoll;
}

pawl_status
guard_renew(guard *g, pawl_error *error)
{
	auto_unlock *locked = lock(g);

	(void) locked;
	return renew_locked(g, error);
}

pawl_status
guard_reserve(guard *g, guard_place **ret_place, pawl_error *error)
{
	auto_unlock *locked = lock(g);
	pawl_status status = renew_locked(g, error);

	(void) locked;
	if (status != PAWL_OK)
		return status;
	if (g->free_count == 0)
		return error_set(error, PAWL_ERR_SYSTEM, "more than %d processes to guard",
		                 LIMIT_GUARDED);
	*ret_place = g->free[--g->free_count];
	assert(atomic_load(&(*ret_place)->pid) == 0);
	atomic_store(&(*ret_place)->failed, 0);
	return PAWL_OK;
}

void
guard_release(guard *g, guard_place *place)
{
	auto_unlock *locked = lock(g);

	(void) locked;
	assert(place >= g->table && place < g->table + LIMIT_GUARDED);
	assert(g->free_count < LIMIT_GUARDED);
	atomic_store(&place->pid, 0);
	g->free[g->free_count++] = place;
}

pawl_status
guard_server_started(pid_t pid, void *closure, pawl_error *error)
{
	guard *g = closure;
	auto_unlock *locked = lock(g);
	pawl_status status;

	(void) locked;
	assert(pid > 1);
	if (g->server_count == LIMIT_SERVERS)
		return error_set(error, PAWL_ERR_SYSTEM, "more than %d servers to guard",
		                 LIMIT_SERVERS);
	g->servers[g->server_count++] = pid;
	if (g->pid != 0 && send_hold_locked(g, pid))
		return PAWL_OK;

	/* Another one learns of this server with all others. */
	status = replace_locked(g, error);
	if (status != PAWL_OK)
		g->server_count--;
	return status;
}

void
guard_server_ended(pid_t pid, void *closure)
{
	guard *g = closure;
	auto_unlock *locked = lock(g);
	guard_message message = {GUARD_LET, pid};

	(void) locked;
	for (int i = 0; i < g->server_count; i++)
	{
		if (g->servers[i] != pid)
			continue;
		g->servers[i] = g->servers[--g->server_count];

		/* A guard that cannot be told is gone or replaced at the next chance. */
		if (g->pid != 0 && !send_locked(g, &message))
			discard_locked(g);
		return;
	}
}
