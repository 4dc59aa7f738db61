-- retain_stops(low, high, n): delete rows of group_stop whose job is gone
--
-- The job of a stop that keeps others waiting stays (see stopped_between): what is
-- deleted here has stood before nobody.
-- Parameters: ids low <= id < high; at most n rows.
-- Returns: how many were deleted.  Internal.
-- Locks: rows of group_stop by job id, SKIP LOCKED.
-- Index: group_stop_job; the primary key of job, in the partitions between low and high.
CREATE OR REPLACE FUNCTION pawl.retain_stops(low bigint, high bigint, n int)
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
		'DELETE FROM pawl.group_stop s
		WHERE s.ctid = ANY (ARRAY(
			SELECT c.ctid FROM pawl.group_stop c
			WHERE c.shard = 0 AND c.job_id >= $1 AND c.job_id < $2
				AND NOT EXISTS (SELECT FROM pawl.job j
					WHERE j.shard = 0 AND j.id = c.job_id AND j.id >= $1 AND j.id < $2)
			ORDER BY c.job_id LIMIT $3
			FOR UPDATE OF c SKIP LOCKED))'
	USING low, high, n;
	GET DIAGNOSTICS deleted = ROW_COUNT;
	RETURN deleted;
END
$$;
