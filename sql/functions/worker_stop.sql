-- worker_stop: end a worker; what it still holds goes back to ready, or to waiting
--
-- Returns: how many jobs went back.  A claim that is fenced by an open transaction is
-- left to recovery.  Its leases of groups are over.  An unknown worker is no error: its lease was over.
-- Errors: 25001 outside READ COMMITTED.
-- Locks: the worker's row (waits for its claims in flight), then its rows of sleeper, then
-- rows of running in the order of job ids, SKIP LOCKED.
-- Index: worker_pkey; none of running, which holds claimed jobs alone.
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
	SELECT array_agg(r.job_id), array_agg(r.fence) INTO jobs, fences
	FROM pawl.running r WHERE r.shard = 0 AND r.worker = worker_stop.worker;
	RETURN (SELECT count(*) FROM pawl.settle('release', jobs, fences));
END
$$;
