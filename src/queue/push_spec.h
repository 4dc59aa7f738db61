/*
 * push_spec.h - jobs to push: what no queue would take, and how they are sent
 *
 * A push is sent in one of three forms: one job without unique key and batch as the
 * parameters of pawl.push; jobs that differ in args and keys alone as those of the array
 * form of pawl.push_many; any mix as arrays, one a member, from which the server makes the
 * JSON of the other form.  No text of a caller's is ever pasted into another text, so
 * args that are not JSON cannot become anything but an error.
 */
#ifndef PAWL_QUEUE_PUSH_SPEC_H
#define PAWL_QUEUE_PUSH_SPEC_H

#include "db/db.h"

/* ERR_ARGUMENT for what no queue would take; asks no server. */
PAWL_CHECK pawl_status push_spec_check(const pawl_job_spec *spec, pawl_error *error);

/* Bytes of the texts that may be large. */
size_t push_spec_bytes(const pawl_job_spec *spec);

/*
 * The order of several statements: those without a key and a group come first; then by
 * the key as it is stored.  Jobs of one group are equal, because their own order decides in
 * which they run: of a group that is longer than a statement the keys are locked in that.
 */
int push_compare(const pawl_job_spec *a, const pawl_job_spec *b);

/* The statement for one job without a key and a batch; answers one value, the id. */
const char *push_param_one(db_params *params, const pawl_job_spec *spec);

/* Answers (job, created) for each, in their order. */
bool push_uniform(const pawl_job_spec *const *specs, size_t n); /* may go so? */
const char *push_param_uniform(db_params *params, const pawl_job_spec *const *specs,
                               size_t n); /* the statement */

/* The same for any mix. */
extern const char PUSH_SQL_MIXED[];
void push_param_mixed(db_params *params, const pawl_job_spec *const *specs, size_t n);

#endif
