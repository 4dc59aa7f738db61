-- stopped_between(low, high, n): at most n ids of ended jobs, low <= id < high, that have
-- stopped a group in which others wait
--
-- An operator retries them: they are kept as long as somebody waits for that.  Internal.
-- Locks: none.
-- Index: group_stop_job, waiting_walk; the settings pin them.
CREATE OR REPLACE FUNCTION pawl.stopped_between(low bigint, high bigint, n int)
RETURNS bigint[]
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_indexscan = on
SET jit = off
AS $$
BEGIN
	RETURN ARRAY(
		SELECT s.job_id FROM pawl.group_stop s
		WHERE s.shard = 0 AND s.job_id >= low AND s.job_id < high
			AND EXISTS (SELECT FROM pawl.waiting w
				WHERE w.shard = 0 AND w.tenant = s.tenant AND w.group_key = s.group_key
				OFFSET 0)
		LIMIT n);
END
$$;
