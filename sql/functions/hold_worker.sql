-- hold_worker(worker): keep a worker's row until the transaction ends, its lease checked
--
-- Returns: the worker's lease, queues and kinds (NULL: any).  Raises PW002 when the lease
-- is over.  Internal.
-- Locks: the worker's row FOR KEY SHARE.
-- Index: worker_pkey.
CREATE OR REPLACE FUNCTION pawl.hold_worker(worker uuid, OUT lease interval,
	OUT queues text[], OUT kinds text[])
LANGUAGE plpgsql
AS $$
#variable_conflict use_variable
BEGIN
	SELECT w.lease, w.queues, w.kinds INTO lease, queues, kinds FROM pawl.worker w
	WHERE w.id = worker AND w.shard = 0 AND w.expires_at > statement_timestamp()
	FOR KEY SHARE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'lease of worker % is over', coalesce(worker::text, 'NULL')
			USING ERRCODE = 'PW002', HINT = 'Start anew with pawl.worker_start().';
	END IF;
END
$$;
