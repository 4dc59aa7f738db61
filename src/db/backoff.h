/*
 * backoff.h - a short growing pause between two tries
 */
#ifndef PAWL_DB_BACKOFF_H
#define PAWL_DB_BACKOFF_H

#include <stdint.h>

/* Pause before try round + 1 (round from 0), with jitter, at most until deadline_ms. */
void backoff_wait(int round, int64_t deadline_ms);

#endif
