/*
 * groups.c - see groups.h
 */
#include "worker/groups.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "worker/wait.h"

pawl_status
groups_init(group_seats *g, size_t n, int claim_fd, int bell_fd, pawl_error *error)
{
	memset(g, 0, sizeof(*g));
	g->claim_fd = claim_fd;
	g->bell_fd = bell_fd;
	g->n = n;
	g->reach = GROUPS_OFFERED;
	g->watch_fd = epoll_create1(EPOLL_CLOEXEC);
	g->seats = calloc(n + 1, sizeof(*g->seats));
	if (g->seats == NULL || g->watch_fd < 0)
	{
		pawl_status status = g->seats == NULL
		                         ? error_memory(error)
		                         : error_set(error, PAWL_ERR_SYSTEM,
		                                     "could not create an epoll descriptor: %s",
		                                     strerror(errno));

		free(g->seats);
		if (g->watch_fd >= 0)
			close(g->watch_fd);
		return status;
	}
	pthread_mutex_init(&g->mutex, NULL);
	wait_cond_init(&g->offered_cond);
	wait_cond_init(&g->moved_cond);
	return PAWL_OK;
}

void
groups_destroy(group_seats *g)
{
	for (size_t i = 0; i < g->n; i++)
		assert(g->seats[i].key[0] == '\0');
	pthread_cond_destroy(&g->offered_cond);
	pthread_cond_destroy(&g->moved_cond);
	pthread_mutex_destroy(&g->mutex);
	close(g->watch_fd);
	free(g->seats);
}

void
groups_end(group_seats *g)
{
	auto_lock(&g->mutex);
	g->ended = true;
	g->n_offered = 0;
	pthread_cond_broadcast(&g->offered_cond);
	pthread_cond_broadcast(&g->moved_cond);
}

bool
groups_has_ended(group_seats *g)
{
	auto_lock(&g->mutex);
	return g->ended;
}

void
groups_pause(group_seats *g, int64_t until_ms, bool to_the_end)
{
	auto_lock(&g->mutex);
	while ((!g->ended || to_the_end) && clock_ms() < until_ms)
		wait_cond(&g->moved_cond, &g->mutex, until_ms);
}

/* ------------------------------------------------------------ offers ------------- */

static size_t
most(size_t a, size_t b)
{
	return a > b ? a : b;
}

static size_t
count_free(const group_seats *g)
{
	size_t n = 0;

	for (size_t i = 0; i < g->n; i++)
		n += g->seats[i].key[0] == '\0';
	return n;
}

static bool
is_idle(const group_seats *g)
{
	return count_free(g) == g->n && g->n_offered == 0;
}

bool
groups_is_idle(group_seats *g)
{
	auto_lock(&g->mutex);
	return is_idle(g);
}

void
groups_look(group_seats *g, groups_view *ret_view)
{
	auto_lock(&g->mutex);
	bool wanted = !g->ended && (g->waiting > g->n_offered || g->asked);
	size_t room = most(g->waiting, g->reach);

	if (room > GROUPS_OFFERED)
		room = GROUPS_OFFERED;
	*ret_view = (groups_view){
		.free = count_free(g),
		.room = wanted && room > g->n_offered ? room - g->n_offered : 0,
		.idle = is_idle(g),
		.more = g->more || g->dropped,
		.fruitful = g->fruitful,
	};
}

size_t
groups_take_tried(group_seats *g, group_key *ret_keys)
{
	auto_lock(&g->mutex);
	size_t n = g->n_tried;

	memcpy(ret_keys, g->tried, n * sizeof(g->tried[0]));
	g->n_tried = 0;
	return n;
}

static bool
is_known(const group_seats *g, const char *key)
{
	for (size_t i = 0; i < g->n; i++)
		if (strcmp(g->seats[i].key, key) == 0)
			return true;
	for (size_t i = 0; i < g->n_offered; i++)
		if (strcmp(g->offered[(g->first + i) % GROUPS_OFFERED], key) == 0)
			return true;
	return false;
}

void
groups_offer(group_seats *g, const char *const *keys, size_t n, bool full)
{
	auto_lock(&g->mutex);
	g->more = full;
	g->dropped = false;
	g->asked = false;
	g->fruitful = 0;
	for (size_t i = 0; i < n && !g->ended && g->n_offered < GROUPS_OFFERED; i++)
	{
		char *place = g->offered[(g->first + g->n_offered) % GROUPS_OFFERED];

		if (is_known(g, keys[i]))
			continue;
		assert(keys[i][0] != '\0' && strlen(keys[i]) <= LIMIT_NAME);
		snprintf(place, LIMIT_NAME + 1, "%s", keys[i]);
		g->n_offered++;
		pthread_cond_signal(&g->offered_cond);
	}
}

groups_next_answer
groups_next(group_seats *g, group_seat *seat, int64_t until_ms)
{
	auto_lock(&g->mutex);
	assert(seat->key[0] == '\0');
	while (!g->ended && g->n_offered == 0 && clock_ms() < until_ms)
	{
		g->waiting++;
		wait_event_ring(g->claim_fd);
		wait_cond(&g->offered_cond, &g->mutex, until_ms);
		g->waiting--;
	}
	if (g->ended)
		return GROUPS_END;
	if (g->n_offered == 0)
		return GROUPS_NOTHING;
	memcpy(seat->key, g->offered[g->first], sizeof(seat->key));
	if (g->n_tried < GROUPS_OFFERED)
		memcpy(g->tried[g->n_tried++], seat->key, sizeof(seat->key));
	g->first = (g->first + 1) % GROUPS_OFFERED;
	g->n_offered--;
	return GROUPS_ONE;
}

bool
groups_others_wait(group_seats *g)
{
	auto_lock(&g->mutex);
	if (g->n_offered > 0 || g->more)
		return true;
	if (!g->asked)
		wait_event_ring(g->claim_fd);
	g->asked = true;
	return false;
}

/* ------------------------------------------------------------ a seat ------------- */

void
groups_taken(group_seats *g, group_seat *seat, int64_t token, int64_t end_ms)
{
	auto_lock(&g->mutex);
	assert(seat->key[0] != '\0' && seat->token == 0 && token > 0);
	seat->token = token;
	seat->end_ms = end_ms;
}

void
groups_renewed(group_seats *g, group_seat *seat, int64_t end_ms)
{
	auto_lock(&g->mutex);
	assert(seat->token != 0);
	if (end_ms > seat->end_ms)
		seat->end_ms = end_ms;
}

bool
groups_attend(group_seats *g, group_seat *seat)
{
	auto_lock(&g->mutex);
	assert(seat->token != 0 && !seat->attended && !seat->renewing);
	seat->attended = !seat->lost;
	return seat->attended;
}

bool
groups_rest(group_seats *g, group_seat *seat, int64_t *ret_end_ms)
{
	auto_lock(&g->mutex);
	assert(seat->attended);
	seat->attended = false;
	while (seat->renewing && !seat->lost)
	{
		if (clock_ms() >= seat->end_ms)
			seat->lost = true;
		else
			wait_cond(&g->moved_cond, &g->mutex, seat->end_ms);
	}
	*ret_end_ms = seat->end_ms;
	return !seat->lost;
}

void
groups_leave(group_seats *g, group_seat *seat, bool fruitful)
{
	auto_lock(&g->mutex);
	assert(seat->key[0] != '\0' && !seat->attended);
	*seat = (group_seat){.token = 0};
	if (fruitful)
	{
		g->fruitful++;
		g->reach += g->reach < GROUPS_OFFERED;
	}
	else
	{
		g->reach = most(g->reach / 2, 1);
		g->dropped = g->dropped || g->n_offered > 0;
		g->n_offered = 0;
	}
	wait_event_ring(g->claim_fd);
	if (g->ended)
		wait_event_ring(g->bell_fd);
}

/* ------------------------------------------------------------ connections -------- */

void
groups_watch(group_seats *g, group_seat *seat, int fd)
{
	auto_lock(&g->mutex);
	struct epoll_event event = {.events = EPOLLRDHUP | EPOLLONESHOT,
	                            .data.u64 = (uint64_t) (seat - g->seats)};

	/* without it the loss is found at the next statement */
	if (epoll_ctl(g->watch_fd, EPOLL_CTL_ADD, fd, &event) != 0 && errno == EEXIST)
		(void) epoll_ctl(g->watch_fd, EPOLL_CTL_MOD, fd, &event);
}

void
groups_unwatch(group_seats *g, int fd)
{
	auto_lock(&g->mutex);
	(void) epoll_ctl(g->watch_fd, EPOLL_CTL_DEL, fd, NULL);
}

/* ------------------------------------------------------------ losses ------------- */

static void
lose_locked(group_seat *seat, const char *why)
{
	if (seat->token == 0 || seat->lost)
		return;
	seat->lost = true;
	seat->why = why;
}

size_t
groups_renewals(group_seats *g, group_renewal *ret_renewals)
{
	auto_lock(&g->mutex);
	size_t n = 0;

	for (size_t i = 0; i < g->n; i++)
	{
		group_seat *seat = &g->seats[i];

		if (!seat->attended || seat->lost)
			continue;
		assert(!seat->renewing);
		seat->renewing = true;
		ret_renewals[n] = (group_renewal){.seat = seat, .token = seat->token};
		memcpy(ret_renewals[n++].key, seat->key, sizeof(seat->key));
	}
	return n;
}

void
groups_are_renewed(group_seats *g, const group_renewal *renewals, size_t n,
                   int64_t end_ms)
{
	auto_lock(&g->mutex);
	for (size_t i = 0; i < n; i++)
	{
		group_seat *seat = renewals[i].seat;

		if (seat->token != renewals[i].token)
			continue; /* it has not waited so long */
		seat->renewing = false;
		if (renewals[i].lost)
			lose_locked(seat, "its lease is over, or was ended");
		else if (end_ms > seat->end_ms)
			seat->end_ms = end_ms;
	}
	pthread_cond_broadcast(&g->moved_cond);
}

/* Note on whom a server has hung up. */
static void
note_hung_up(group_seats *g)
{
	struct epoll_event events[16];
	int n;

	while ((n = epoll_wait(g->watch_fd, events, 16, 0)) > 0)
		for (int i = 0; i < n; i++)
			lose_locked(&g->seats[events[i].data.u64], "its connection was lost");
}

bool
groups_next_loss(group_seats *g, group_loss *ret_loss)
{
	auto_lock(&g->mutex);
	int64_t now_ms = clock_ms();

	note_hung_up(g);
	for (size_t i = 0; i < g->n; i++)
	{
		group_seat *seat = &g->seats[i];

		if (seat->attended && now_ms >= seat->end_ms)
			lose_locked(seat, "its lease could not be renewed in time");
		if (!seat->attended || !seat->lost || seat->told)
			continue;
		seat->told = true;
		*ret_loss = (group_loss){.token = seat->token, .why = seat->why};
		memcpy(ret_loss->key, seat->key, sizeof(seat->key));
		return true;
	}
	return false;
}
