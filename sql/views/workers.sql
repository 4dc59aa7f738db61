-- workers: each worker with its lease; alive tells whether the lease is in force
--
-- stalled: why it makes no progress although there is work, as a word; NULL: it does, or
-- there is none.  stalled_detail: the same as a sentence.
CREATE OR REPLACE VIEW pawl.workers AS
SELECT w.id, w.name, w.queues, w.kinds, w.started_at, w.expires_at,
	w.expires_at > clock_timestamp() AS alive, w.lease, s.reason AS stalled,
	s.since AS stalled_since, s.detail AS stalled_detail
FROM pawl.worker w
LEFT JOIN pawl.stall s ON s.worker = w.id AND s.shard = w.shard
WHERE w.shard = 0;
