/*
 * clock.h - the two clocks
 *
 * Deadlines are on CLOCK_BOOTTIME, which goes on while the machine sleeps and cannot
 * be set: clock_ms().  Wall time is for people alone: clock_wall_us().
 */
#ifndef PAWL_BASE_CLOCK_H
#define PAWL_BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_NEVER INT64_MAX

int64_t clock_ms(void);
int64_t clock_us(void);
int64_t clock_wall_us(void);

/* Milliseconds until deadline_ms for poll(2): 0 when it is over, -1 for CLOCK_NEVER. */
int clock_poll_ms(int64_t deadline_ms);

#endif
