/*
 * state.h - the states of a job by name, and the state of one job
 */
#ifndef PAWL_QUEUE_STATE_H
#define PAWL_QUEUE_STATE_H

#include "queue/call.h"

/* False when text names no state. */
bool state_parse(const char *text, pawl_state *ret_state);

/* ERR_NOT_FOUND when there is no such job. */
PAWL_CHECK pawl_status state_of(const queue_call *call, int64_t job,
                                pawl_state *ret_state, pawl_error *error);

#endif
