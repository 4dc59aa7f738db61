/*
 * sweep.h - kill every process that carries a mark in its environment
 *
 * What setsid and double forks cannot shed: a process's environment at its start, as
 * /proc/PID/environ shows it.  Only processes that the caller may look into are seen,
 * that is its own user's.  Async-signal-safe: used in a guard that was forked from a
 * process with threads.
 */
#ifndef PAWL_HANDLER_SWEEP_H
#define PAWL_HANDLER_SWEEP_H

/*
 * One round over /proc: SIGKILL for each process, but the caller, whose variable
 * PAWL_GUARD contains mark.  Returns how many there were, zombies not counted.
 */
int sweep_round(const char *mark);

/*
 * Rounds until none is found in `quiet` rounds in a row, at most 200.  A process that
 * forks while a round passes is met by the next one.
 */
void sweep(const char *mark, int quiet);

#endif
