/*
 * random.h - random numbers from the kernel, for jitter and names; no global state
 */
#ifndef PAWL_BASE_RANDOM_H
#define PAWL_BASE_RANDOM_H

#include <stdint.h>

uint64_t random_u64(void);

/* value_ms spread evenly over +- percent of it. */
int64_t random_jitter(int64_t value_ms, int percent);

#endif
