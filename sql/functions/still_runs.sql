-- still_runs(jobs, fences): does one of these claims stand in running?
--
-- NULLs: none.  Internal.
-- Locks: none.
-- Index: running_pkey.
CREATE OR REPLACE FUNCTION pawl.still_runs(jobs bigint[], fences bigint[])
RETURNS boolean
LANGUAGE plpgsql
SET enable_seqscan = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
	RETURN EXISTS (
		SELECT FROM unnest(jobs, fences) g (job, fence), LATERAL (
			SELECT FROM pawl.running r
			WHERE r.shard = 0 AND r.job_id = g.job AND r.fence = g.fence OFFSET 0) s);
END
$$;
