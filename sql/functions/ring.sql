-- ring(queues): tell the workers that sleep on these queues that there is something new
--
-- Called after the transaction has its xid, in a statement that begins later (push: the one
-- that inserts into ready, after that into job): a worker that has set its flag
-- (worker_sleep) before this statement looks is rung for, and one that sets it later finds
-- the inserting transaction in progress, and waits for its end before it trusts the bell.
-- Outside READ COMMITTED the snapshot may be older than the flag, so it rings always.
-- NOTIFY takes a lock on the whole database at commit: hence not for nobody.  A session
-- that listens and never reads fills the server's queue of notifications, and would then
-- fail whoever notifies: from half of it on nothing rings, and polling does the work.
-- Parameters: queues: any, NULLs among them are left out.  Internal.
-- Locks: none; at commit that of NOTIFY.
-- Index: sleeper_pkey.
CREATE OR REPLACE FUNCTION pawl.ring(queues text[])
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
	IF current_setting('transaction_isolation') <> 'read committed' THEN
		PERFORM pg_notify(pawl.bell(q.name), '')
		FROM (SELECT DISTINCT u.name FROM unnest(queues) u (name)) q
		WHERE q.name IS NOT NULL AND pg_notification_queue_usage() < 0.5;
	ELSE
		PERFORM pg_notify(pawl.bell(q.name), '')
		FROM (SELECT DISTINCT s.queue AS name FROM pawl.sleeper s
			WHERE s.shard = 0 AND s.queue = ANY (queues)) q
		WHERE pg_notification_queue_usage() < 0.5;
	END IF;
END
$$;
