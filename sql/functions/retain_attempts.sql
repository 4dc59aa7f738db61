-- retain_attempts(low, high, n): delete rows of attempt whose job is gone
--
-- Parameters: ids low <= id < high; at most n rows.
-- Returns: how many were deleted.  Internal.
-- Locks: rows of attempt in the order of their key, SKIP LOCKED.
-- Index: attempt_pkey; the primary key of job, in the partitions between low and high.
CREATE OR REPLACE FUNCTION pawl.retain_attempts(low bigint, high bigint, n int)
RETURNS bigint
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_indexscan = on
SET jit = off
AS $$
DECLARE
	deleted bigint;
BEGIN
	EXECUTE
		'DELETE FROM pawl.attempt a
		WHERE a.ctid = ANY (ARRAY(
			SELECT c.ctid FROM pawl.attempt c
			WHERE c.shard = 0 AND c.job_id >= $1 AND c.job_id < $2
				AND NOT EXISTS (SELECT FROM pawl.job j
					WHERE j.shard = 0 AND j.id = c.job_id AND j.id >= $1 AND j.id < $2)
			ORDER BY c.job_id, c.id LIMIT $3
			FOR UPDATE OF c SKIP LOCKED))'
	USING low, high, n;
	GET DIAGNOSTICS deleted = ROW_COUNT;
	RETURN deleted;
END
$$;
