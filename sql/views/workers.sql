-- workers: each worker with its lease; alive tells whether the lease is in force
CREATE OR REPLACE VIEW pawl.workers AS
SELECT w.id, w.name, w.queues, w.kinds, w.started_at, w.expires_at,
	w.expires_at > clock_timestamp() AS alive, w.lease
FROM pawl.worker w
WHERE w.shard = 0;
