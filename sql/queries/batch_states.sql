-- batch_states: the states of some batches, for waiting until they are done
--
-- Parameters: $1 bigint[]: their ids.
-- Columns: id; state, NULL when there is no such batch; total, succeeded, failed,
-- cancelled; whether it is done.  In the order of the ids given.
-- Index: batch_pkey, batch_delta_pkey; OFFSET 0 makes it a lookup for each.
SELECT i.id, b.state, b.total, b.succeeded, b.failed, b.cancelled,
	b.done_at IS NOT NULL AS done
FROM unnest($1::bigint[]) WITH ORDINALITY i (id, o)
LEFT JOIN LATERAL (SELECT v.* FROM pawl.batches v WHERE v.id = i.id OFFSET 0) b ON true
ORDER BY i.o
