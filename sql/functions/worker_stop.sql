-- worker_stop: end a worker; what it still holds goes back to ready
--
-- Returns: how many jobs went back.  A claim that is fenced by an open transaction is
-- left to recovery.  An unknown worker is no error: its lease was over.
-- Errors: 25001 outside READ COMMITTED.
-- Locks: the worker's row (waits for its claims in flight), then its rows of sleeper, then
-- rows of running in the order of job ids, SKIP LOCKED.
-- Index: worker_pkey.
CREATE OR REPLACE FUNCTION pawl.worker_stop(worker uuid)
RETURNS int
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
AS $$
#variable_conflict use_column
DECLARE
	jobs bigint[];
	fences bigint[];
BEGIN
	PERFORM pawl.check_isolation('worker_stop');
	DELETE FROM pawl.worker w WHERE w.id = worker_stop.worker AND w.shard = 0;
	PERFORM pawl.worker_wake(worker);
	SELECT array_agg(h.job), array_agg(h.fence) INTO jobs, fences
	FROM pawl.held(worker) h;
	RETURN (SELECT count(*) FROM pawl.settle('release', jobs, fences));
END
$$;
