-- worker_wake: ring no more for this worker
--
-- For a worker that is busy, and looks for jobs of its own accord.  No error for a worker
-- that does not sleep.
-- Locks: the worker's rows of sleeper, in the order of queues, SKIP LOCKED: recovery may
-- be deleting them.
-- Index: none; sleeper holds what is alive alone.
CREATE OR REPLACE FUNCTION pawl.worker_wake(worker uuid)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
AS $$
#variable_conflict use_column
BEGIN
	DELETE FROM pawl.sleeper s
	WHERE s.ctid = ANY (ARRAY(
		SELECT c.ctid FROM pawl.sleeper c
		WHERE c.shard = 0 AND c.worker = worker_wake.worker
		ORDER BY c.queue FOR UPDATE SKIP LOCKED));
END
$$;
