-- end_runs(lease): end what a newer run supersedes in a group, and what is left of a run
-- of which a job has failed; then tell whether the group may go on
--
-- A job with a greater run_key ends those with a smaller one that wait, as cancelled,
-- whether they are due or not, and lifts the stop of an older run.  A stop by the policy
-- fail ends what waits of its run (the jobs without a run are one), as failed, and goes.
-- So does one that is void: of an older run, or its job waits again; before it has gone its
-- job does not run, for it could not stop the group again.
-- Parameters: lease: that of the group, which the caller holds.
-- Returns: NULL: go on; again: a chunk of 1,000 was ended, and there may be more; busy:
-- something that is to end is locked; blocked: by a job that failed for good.  Internal.
-- Locks: rows of waiting as end_waiting; rows of group_stop SKIP LOCKED, deleted one by
-- one by job id.
-- Index: waiting_run, and as run_jobs; group_stop_pkey.
CREATE OR REPLACE FUNCTION pawl.end_runs(lease pawl.group_lease)
RETURNS text
LANGUAGE plpgsql
SET enable_seqscan = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_variable
DECLARE
	chunk constant int := 1000;
	newest constant bigint := (SELECT w.run_key FROM pawl.waiting w
		WHERE w.shard = 0 AND w.tenant = lease.tenant AND w.group_key = lease.group_key
			AND w.run_key IS NOT NULL
		ORDER BY w.run_key DESC LIMIT 1);
	stop record;
	jobs bigint[];
BEGIN
	jobs := ARRAY(SELECT w.job_id FROM pawl.waiting w
		WHERE w.shard = 0 AND w.tenant = lease.tenant AND w.group_key = lease.group_key
			AND w.run_key < newest
		ORDER BY w.run_key LIMIT chunk);
	IF pawl.end_waiting(jobs, 'cancelled', format('superseded by run %s', newest))
		< cardinality(jobs) THEN
		RETURN 'busy';
	ELSIF cardinality(jobs) = chunk THEN
		RETURN 'again';
	END IF;
	FOR stop IN
		SELECT s.job_id, s.run_key, s.policy,
			(s.run_key < newest) IS TRUE OR EXISTS (SELECT FROM pawl.waiting w
				WHERE w.shard = 0 AND w.job_id = s.job_id) AS void
		FROM pawl.group_stop s
		WHERE s.shard = 0 AND s.group_key = lease.group_key ORDER BY s.job_id
	LOOP
		IF stop.policy = 'block' AND NOT stop.void THEN
			RETURN 'blocked';
		ELSIF NOT stop.void THEN
			jobs := pawl.run_jobs(lease.tenant, lease.group_key, stop.run_key, chunk);
			IF pawl.end_waiting(jobs, 'failed', format('job %s of its run failed',
				stop.job_id)) < cardinality(jobs) THEN
				RETURN 'busy';
			ELSIF cardinality(jobs) = chunk THEN
				RETURN 'again';
			END IF;
		END IF;
		DELETE FROM pawl.group_stop s
		WHERE s.ctid = ANY (ARRAY(
			SELECT c.ctid FROM pawl.group_stop c
			WHERE c.shard = 0 AND c.group_key = lease.group_key AND c.job_id = stop.job_id
			ORDER BY c.job_id FOR UPDATE SKIP LOCKED));
		IF NOT FOUND THEN
			RETURN 'busy';
		END IF;
	END LOOP;
	RETURN NULL;
END
$$;
