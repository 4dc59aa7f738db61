-- live_between(low, high, n): at most n ids of live jobs, low <= id < high
--
-- One snapshot of all live tables: a job that moves is in exactly one of them.  Internal.
-- Locks: none.
-- Index: primary keys; the settings pin them.
CREATE OR REPLACE FUNCTION pawl.live_between(low bigint, high bigint, n int)
RETURNS bigint[]
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_indexscan = on
SET jit = off
AS $$
BEGIN
	RETURN ARRAY(
		SELECT l.job_id FROM (
			(SELECT r.job_id FROM pawl.ready r
			WHERE r.shard = 0 AND r.job_id >= low AND r.job_id < high LIMIT n)
			UNION ALL
			(SELECT s.job_id FROM pawl.scheduled s
			WHERE s.shard = 0 AND s.job_id >= low AND s.job_id < high LIMIT n)
			UNION ALL
			(SELECT w.job_id FROM pawl.waiting w
			WHERE w.shard = 0 AND w.job_id >= low AND w.job_id < high LIMIT n)
			UNION ALL
			(SELECT x.job_id FROM pawl.running x
			WHERE x.shard = 0 AND x.job_id >= low AND x.job_id < high LIMIT n)) l
		LIMIT n);
END
$$;
