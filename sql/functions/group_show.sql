-- group_show: a group: who owns it, what waits in it, what stops it
--
-- Parameters: group_key.
-- Returns: one row, also for a group that has no jobs.  state: running: it has an owner;
-- blocked: by the job blocked_by, which failed for good; ready: its head is due, or there
-- is something to end in it; later: its head is not due; free: nothing waits.  worker,
-- worker_name, since and lease_left are the owner's; head: the job that is next; waiting:
-- how many jobs wait, NULL when more than a thousand do; oldest: the age of the oldest of
-- them.
-- Locks: none.
-- Index: group_lease_pkey, waiting_walk, waiting_run, group_stop_pkey; job by primary key.
CREATE OR REPLACE FUNCTION pawl.group_show(
	INOUT group_key text,
	OUT tenant text,
	OUT state text,
	OUT worker uuid,
	OUT worker_name text,
	OUT since timestamptz,
	OUT lease_left interval,
	OUT head bigint,
	OUT head_due timestamptz,
	OUT waiting int,
	OUT oldest interval,
	OUT blocked_by bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pawl, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
#variable_conflict use_variable
DECLARE
	most constant int := 1000;
	stamp constant timestamptz := clock_timestamp();
	first pawl.waiting;
	newest bigint;
	to_end boolean;
BEGIN
	tenant := pawl.tenant_of(group_key);
	SELECT l.worker, w.name, l.taken_at, l.expires_at - stamp
	INTO worker, worker_name, since, lease_left
	FROM pawl.group_lease l JOIN pawl.worker w ON w.id = l.worker AND w.shard = 0
	WHERE l.shard = 0 AND l.group_key = group_key AND l.expires_at > stamp
		AND w.expires_at > stamp;
	SELECT w.* INTO first FROM pawl.waiting w
	WHERE w.shard = 0 AND w.tenant = tenant AND w.group_key = group_key
	ORDER BY w.job_id LIMIT 1;
	newest := (SELECT w.run_key FROM pawl.waiting w
		WHERE w.shard = 0 AND w.tenant = tenant AND w.group_key = group_key
			AND w.run_key IS NOT NULL
		ORDER BY w.run_key DESC LIMIT 1);
	SELECT min(s.job_id) FILTER (WHERE s.policy = 'block'
			AND (s.run_key < newest) IS NOT TRUE AND NOT EXISTS (SELECT FROM pawl.waiting w
				WHERE w.shard = 0 AND w.job_id = s.job_id)),
		coalesce(bool_or(s.policy = 'fail'), false) OR (first.run_key < newest) IS TRUE
	INTO blocked_by, to_end
	FROM pawl.group_stop s WHERE s.shard = 0 AND s.group_key = group_key;
	head := first.job_id;
	head_due := first.due;
	SELECT CASE WHEN count(*) <= most THEN count(*) END INTO waiting
	FROM (SELECT FROM pawl.waiting w
		WHERE w.shard = 0 AND w.tenant = tenant AND w.group_key = group_key
		LIMIT most + 1) c;
	IF head IS NOT NULL THEN
		EXECUTE 'SELECT $2 - j.pushed_at FROM pawl.job j WHERE j.shard = 0 AND j.id = $1'
		INTO oldest USING head, stamp;
	END IF;
	state := CASE
		WHEN worker IS NOT NULL THEN 'running'
		WHEN blocked_by IS NOT NULL THEN 'blocked'
		WHEN head_due <= stamp OR (head IS NOT NULL AND to_end) OR EXISTS (
			SELECT FROM pawl.group_lease l
			WHERE l.shard = 0 AND l.group_key = group_key
				AND pawl.still_runs(l.jobs, l.fences)) THEN 'ready'
		WHEN head IS NOT NULL THEN 'later'
		ELSE 'free' END;
END
$$;
