-- heartbeat: renew a worker's lease, and learn which of its claims have ended
--
-- Parameters: worker; jobs and fences: the claims that it holds, in pairs (NULL: unknown).
-- Returns: the fences that have ended without its doing (cancelled, recovered): stop
-- them.  With pairs given, those that no longer stand in running; without, those that
-- were recorded as ended during the last hour.  Telling a fence again does no harm.
-- Errors: PW002 when the lease is over: everything was lost; start anew.  22023 when
-- fences and jobs differ in length: what has no partner would be told as ended.
-- Locks: the worker's own row, FOR NO KEY UPDATE.  The answer is read under a lock_timeout
-- of 100 ms, and left out if that passes: an outsider's lock on another table costs no
-- lease.
-- Index: worker_pkey, attempt_worker, running_pkey.
-- statement_timestamp() is when the message arrived; a wait does not age it.
CREATE OR REPLACE FUNCTION pawl.heartbeat(
	worker uuid,
	jobs bigint[] DEFAULT NULL,
	fences bigint[] DEFAULT NULL)
RETURNS SETOF bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
SET enable_seqscan = off
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
	IF fences IS NOT NULL THEN
		PERFORM pawl.check_pairs(coalesce(jobs, '{}'), fences, 'fences');
	END IF;
	UPDATE pawl.worker w SET expires_at = clock_timestamp() + w.lease
	WHERE w.id = heartbeat.worker AND w.shard = 0
		AND w.expires_at > statement_timestamp();
	IF NOT FOUND THEN
		RAISE EXCEPTION 'lease of worker % is over', coalesce(worker::text, 'NULL')
			USING ERRCODE = 'PW002', HINT = 'Start anew with pawl.worker_start().';
	END IF;
	BEGIN
		SET LOCAL lock_timeout = '100ms';
		IF fences IS NULL THEN
			RETURN QUERY SELECT a.fence FROM pawl.attempt a
				WHERE a.worker = heartbeat.worker AND a.category IN ('crash', 'cancelled')
					AND a.ended_at > clock_timestamp() - interval '1 hour';
		ELSE
			RETURN QUERY SELECT g.fence FROM unnest(jobs, fences) g (job, fence)
				WHERE NOT EXISTS (SELECT FROM pawl.running r
					WHERE r.shard = 0 AND r.job_id = g.job AND r.fence = g.fence);
		END IF;
	EXCEPTION WHEN lock_not_available THEN
		NULL;			-- the next heartbeat tells it
	END;
END
$$;
