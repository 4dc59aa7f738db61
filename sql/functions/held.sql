-- held: the claims that stand in running under a worker
--
-- A worker that lost the answer of a claim finds here what it does not know of.  Grouped
-- jobs are left out: their group's lease names them.
-- Returns: (job, fence) in the order of job ids.
-- Locks: none.
-- Index: none; running holds claimed jobs alone.
CREATE OR REPLACE FUNCTION pawl.held(worker uuid)
RETURNS TABLE (job bigint, fence bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pawl, pg_temp
SET jit = off
AS $$
	SELECT r.job_id, r.fence FROM pawl.running r
	WHERE r.shard = 0 AND r.worker = $1 AND pawl.is_grouped(r.traits) IS NOT TRUE
	ORDER BY r.job_id
$$;
