-- group_fail: end what waits in a group as failed, at most 1,000 jobs a call
--
-- What its owner runs at the moment goes on.  When nothing waits any more, what has
-- stopped the group is lifted: jobs pushed from then on run.
-- Parameters: group_key; reason, kept as the outcomes' error.
-- Returns: how many jobs were ended; call again while it is 1000.  What is locked (being
-- dispatched, cancelled or retried) is left alone.
-- Errors: 25001 outside READ COMMITTED.
-- Locks: rows of waiting by job id, SKIP LOCKED; then rows of group_stop, likewise.
-- Index: waiting_walk, waiting_pkey, group_stop_pkey.
CREATE OR REPLACE FUNCTION pawl.group_fail(group_key text, reason text DEFAULT NULL)
RETURNS int
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
#variable_conflict use_variable
DECLARE
	chunk constant int := 1000;
	jobs bigint[];
	ended int;
BEGIN
	PERFORM pawl.check_isolation('group_fail');
	jobs := ARRAY(SELECT w.job_id FROM pawl.waiting w
		WHERE w.shard = 0 AND w.tenant = pawl.tenant_of(group_key)
			AND w.group_key = group_key
		ORDER BY w.job_id LIMIT chunk);
	ended := pawl.end_waiting(jobs, 'failed', coalesce(reason, 'group failed'));
	IF cardinality(jobs) < chunk THEN
		PERFORM pawl.lift_stops(group_key);
	END IF;
	RETURN ended;
END
$$;
