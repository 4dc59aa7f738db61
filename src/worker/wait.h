/*
 * wait.h - conditions with deadlines
 *
 * Deadlines are clock_ms() times (CLOCK_BOOTTIME); the conditions wait on
 * CLOCK_MONOTONIC, so a wait that spans a suspend of the machine ends late by that
 * span: whoever has a lease to watch polls a descriptor instead.
 */
#ifndef PAWL_WORKER_WAIT_H
#define PAWL_WORKER_WAIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

void wait_cond_init(pthread_cond_t *cond);

/* Wait for a signal or until deadline_ms (CLOCK_NEVER: no end); may wake for nothing. */
void wait_cond(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ms);

/* A non-blocking eventfd: -1 on failure, with errno. */
int wait_event_new(void);
void wait_event_ring(int fd);
uint64_t wait_event_drain(int fd); /* how often it was rung; 0: not */

static inline void
wait_unlock(pthread_mutex_t **mutex)
{
	pthread_mutex_unlock(*mutex);
}

/* Hold a mutex until the end of the scope. */
#define auto_lock(m)                                                                   \
	__attribute__((cleanup(wait_unlock), unused)) pthread_mutex_t *held_lock_ =        \
		wait_lock(m)

static inline pthread_mutex_t *
wait_lock(pthread_mutex_t *mutex)
{
	pthread_mutex_lock(mutex);
	return mutex;
}

#endif
