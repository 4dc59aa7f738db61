-- may_go_on(tenant, group_key, run_key, ready): may the owner of this group do something,
-- considering what stops it and which runs wait in it?
--
-- Parameters: run_key: of its head; ready: the head may be run, if nothing stops the group.
-- Also when the head may not be run, there may be something to end: what a newer run
-- supersedes, a stop that is void, what is left of a failed run.  Internal.
-- Locks: none.
-- Index: group_stop_pkey, waiting_run, waiting_pkey.
CREATE OR REPLACE FUNCTION pawl.may_go_on(tenant text, group_key text, run_key bigint,
	ready boolean)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET enable_seqscan = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_variable
DECLARE
	newest constant bigint := (SELECT w.run_key FROM pawl.waiting w
		WHERE w.shard = 0 AND w.tenant = tenant AND w.group_key = group_key
			AND w.run_key IS NOT NULL
		ORDER BY w.run_key DESC LIMIT 1);
	stopped boolean;
	blocked boolean;
BEGIN
	SELECT count(*) > 0, bool_or(s.policy = 'block' AND (s.run_key < newest) IS NOT TRUE
		AND NOT EXISTS (SELECT FROM pawl.waiting w
			WHERE w.shard = 0 AND w.job_id = s.job_id))
	INTO stopped, blocked
	FROM pawl.group_stop s WHERE s.shard = 0 AND s.group_key = group_key;
	RETURN blocked IS NOT TRUE AND (ready OR stopped OR (run_key < newest) IS TRUE);
END
$$;
