/*
 * lane.h - floors of lanes, and the sweep between them and the marks
 *
 * A lane is a queue and a priority, numbered queue by queue in the order of the claim.
 */
#ifndef PAWL_QUEUE_LANE_H
#define PAWL_QUEUE_LANE_H

#include "queue/claim.h"

/* Of which worker's lanes. */
typedef struct lane_set
{
	const char *const *queues;
	size_t n_queues;
	const char *const *kinds;
	size_t n_kinds;
} lane_set;

/* The floors of all lanes of the set: n_queues * CLAIM_PRIORITIES. */
PAWL_CHECK pawl_status lane_floors(const queue_call *call, const lane_set *set,
                                   int64_t *ret_floors, pawl_error *error);

/* The xid of a transaction that begins and ends with this call. */
PAWL_CHECK pawl_status lane_xid(const queue_call *call, uint64_t *ret_xid,
                                pawl_error *error);

/*
 * The lowest position above after and up to upto at which there is a row, 0 for none;
 * transactions below *ret_oldest had ended when it was looked for.
 */
PAWL_CHECK pawl_status lane_sweep(const queue_call *call, const lane_set *set,
                                  size_t lane, int64_t after, int64_t upto,
                                  int64_t *ret_pos, uint64_t *ret_oldest,
                                  pawl_error *error);

/* Nothing is written by a server on another timeline. */
PAWL_CHECK pawl_status lane_raise_floor(const queue_call *call, const lane_set *set,
                                        size_t lane, int64_t floor,
                                        const char *timeline, pawl_error *error);

#endif
