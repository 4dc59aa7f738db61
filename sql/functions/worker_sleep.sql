-- worker_sleep: from now on, ring when a job becomes ready in one of these queues
--
-- For a worker that has LISTENed to bell(queue) of each of them.  Who pushes looks for
-- the flag after its inserts; a push that looked before it was set does not ring.  So the
-- worker claims once more, and polls until every transaction has ended that was in
-- progress when the flag stood: take pg_current_xact_id() in a transaction begun after
-- this one's commit; the first claim whose snapshot's xmin has reached that may be
-- followed by sleep.  Calling it again changes nothing.
-- Parameters: worker, whose lease must be in force.
-- Errors: PW002 when the lease is over.
-- Locks: the worker's row FOR KEY SHARE, so that no flag outlives its worker; then
-- inserts into sleeper, in the order of queues.
-- Index: worker_pkey.
CREATE OR REPLACE FUNCTION pawl.worker_sleep(worker uuid, queues text[] DEFAULT '{default}')
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
AS $$
#variable_conflict use_variable
BEGIN
	PERFORM FROM pawl.worker w
	WHERE w.id = worker AND w.shard = 0 AND w.expires_at > statement_timestamp()
	FOR KEY SHARE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'lease of worker % is over', coalesce(worker::text, 'NULL')
			USING ERRCODE = 'PW002', HINT = 'Start anew with pawl.worker_start().';
	END IF;
	INSERT INTO pawl.sleeper (worker, queue)
	SELECT DISTINCT worker, q.name COLLATE "C"
	FROM unnest(queues) q (name) WHERE q.name IS NOT NULL
	ORDER BY 2
	ON CONFLICT DO NOTHING;
END
$$;
