-- silent_wait_found: record a silent wait that the watch has found
--
-- The first time it is stored, and told in the logs of both jobs.
-- Parameters: waiter and holder: the pids of the sessions; waiter_since, when the waiter's
-- statement began, and holder_since, since when the holder is idle: with them the wait is
-- told from every other; waiter_job and holder_job (NULL: unknown); process: that of both;
-- relation, key and statement: what it waits for (NULL: unknown).
-- Returns: created: it is new; lasted: since when it has been known, on the database's
-- clock.
-- Errors: 22023.
-- Locks: inserts into silent_wait, and into log; deletes rows of silent_wait and
-- silent_wait_end that are older than thirty days, SKIP LOCKED.
-- Index: silent_wait_pkey, silent_wait_found, silent_wait_end_at, running_pkey.
CREATE OR REPLACE FUNCTION pawl.silent_wait_found(
	waiter int,
	waiter_since timestamptz,
	holder int,
	holder_since timestamptz,
	process text,
	waiter_job bigint DEFAULT NULL,
	holder_job bigint DEFAULT NULL,
	relation text DEFAULT NULL,
	key text DEFAULT NULL,
	statement text DEFAULT NULL)
RETURNS TABLE (created boolean, lasted interval)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
AS $$
#variable_conflict use_variable
DECLARE
	stamp timestamptz := clock_timestamp();
BEGIN
	IF waiter IS NULL OR waiter_since IS NULL OR holder IS NULL OR holder_since IS NULL
		OR process IS NULL THEN
		RAISE EXCEPTION 'a silent wait needs waiter, holder, their times and the process'
			USING ERRCODE = '22023';
	END IF;
	created := false;
	lasted := (SELECT stamp - s.found_at FROM pawl.silent_wait s
		WHERE s.waiter = waiter AND s.waiter_since = waiter_since AND s.holder = holder
			AND s.holder_since = holder_since AND s.shard = 0);
	IF lasted IS NOT NULL THEN
		RETURN NEXT;
		RETURN;
	END IF;
	INSERT INTO pawl.silent_wait (found_at, waiter_since, holder_since, waiter_job,
		holder_job, waiter, holder, process, relation, key, statement)
	VALUES (stamp, waiter_since, holder_since, waiter_job, holder_job, waiter, holder,
		left(process, 64), left(relation, 1000), left(key, 1000), left(statement, 1000))
	ON CONFLICT DO NOTHING;
	created := FOUND;
	lasted := interval '0';
	IF created THEN
		PERFORM pawl.silent_wait_log(waiter_job, format('silent wait: session %s of this '
			'job waits for session %s%s of the same process, which is idle in transaction%s',
			waiter, holder, ' of job ' || holder_job, ', on ' || relation));
		PERFORM pawl.silent_wait_log(holder_job, format('silent wait: session %s of this '
			'job is idle in transaction, and session %s%s of the same process waits for it%s',
			holder, waiter, ' of job ' || waiter_job, ', on ' || relation));
		PERFORM pawl.silent_wait_forget(stamp - interval '30 days');
	END IF;
	RETURN NEXT;
END
$$;
