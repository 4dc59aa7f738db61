-- run_jobs(tenant, group_key, run_key, n): at most n jobs of a run that wait
--
-- Without a run_key: those that are of no run.  Internal.
-- Locks: none.
-- Index: waiting_run; without a run_key waiting_walk.
CREATE OR REPLACE FUNCTION pawl.run_jobs(tenant text, group_key text, run_key bigint, n int)
RETURNS bigint[]
LANGUAGE plpgsql
SET enable_seqscan = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_variable
BEGIN
	IF run_key IS NULL THEN
		RETURN ARRAY(SELECT w.job_id FROM pawl.waiting w
			WHERE w.shard = 0 AND w.tenant = tenant AND w.group_key = group_key
				AND w.run_key IS NULL
			ORDER BY w.job_id LIMIT n);
	END IF;
	RETURN ARRAY(SELECT w.job_id FROM pawl.waiting w
		WHERE w.shard = 0 AND w.tenant = tenant AND w.group_key = group_key
			AND w.run_key = run_key
		LIMIT n);
END
$$;
