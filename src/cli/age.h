/*
 * age.h - how long something has lasted, for people
 */
#ifndef PAWL_CLI_AGE_H
#define PAWL_CLI_AGE_H

#include <stdint.h>

#define AGE_SIZE 32

/* "12s", "5min 3s", "2h 5min", "3d 4h"; seconds < 0 counts as 0. */
const char *age_text(int64_t seconds, char ret_text[AGE_SIZE]);

/* The same of a number as PostgreSQL writes it; NULL stays NULL. */
const char *age_of(const char *seconds, char ret_text[AGE_SIZE]);

#endif
