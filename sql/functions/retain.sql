-- retain: one step of taking away what is old: jobs that have ended, lines of logs
--
-- Jobs and outcomes go by whole partitions, once all jobs of one but a few have ended
-- longer ago than they are kept: it is emptied, and what is live or younger stays, or has
-- failed and keeps a group from going on.  Rows of attempt and of group_stop of the jobs
-- that went follow in chunks, then the empty partition, unless it is one of the newest.  A
-- batch goes after the last of its jobs.  Lines of logs go by days.  No lock is waited for
-- longer than 50 ms: what cannot be had is tried again by a later call.
-- Parameters: jobs, logs: how long they are kept (NULL: 7 days).
-- Returns: one row for what was done: step (attempts, stops, emptied, dropped, batches or
-- logs), part: the end of the partition's name, gone and kept: jobs when it was emptied,
-- else rows.  Call again while there is one; step busy: what is left could not be locked
-- just now; no row: there is nothing to do.
-- Errors: 22023.
-- Locks: the duty's row in upkeep, SKIP LOCKED (somebody else does it: no row); then as
-- retain_jobs, retain_batches or retain_logs.
-- Index: upkeep_pkey.
CREATE OR REPLACE FUNCTION pawl.retain(
	jobs interval DEFAULT '7 days',
	logs interval DEFAULT '7 days')
RETURNS TABLE (step text, part text, gone bigint, kept bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '50ms'
SET TimeZone = 'UTC'
SET DateStyle = 'ISO'
AS $$
DECLARE
	done record;
BEGIN
	jobs := coalesce(jobs, '7 days');
	logs := coalesce(logs, '7 days');
	IF jobs < '0' OR logs < '0' THEN
		RAISE EXCEPTION 'jobs and logs cannot be kept for less than no time'
			USING ERRCODE = '22023';
	END IF;
	PERFORM pawl.check_isolation('retain');
	PERFORM FROM pawl.upkeep u WHERE u.duty = 'retain' AND u.shard = 0
	FOR NO KEY UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	SELECT * INTO done FROM pawl.retain_jobs(jobs);
	IF done.step IS NULL OR done.step = 'busy' THEN
		RETURN QUERY SELECT * FROM pawl.retain_logs(logs);
		IF FOUND THEN
			RETURN;
		END IF;
		RETURN QUERY SELECT * FROM pawl.retain_batches(jobs);
		IF FOUND THEN
			RETURN;
		END IF;
	END IF;
	RETURN QUERY SELECT done.step, done.part, done.gone, done.kept
	WHERE done.step IS NOT NULL;
END
$$;
