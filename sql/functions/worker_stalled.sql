-- worker_stalled: a worker tells that it makes no progress, and why; or that it does again
--
-- Written when it begins, changes and ends, never in between.  It stands apart from the
-- worker's lease, so that this write can keep no heartbeat waiting.
-- Parameters: worker; reason: a word (NULL: it goes on): handler, results, claims, groups,
-- executors, runners, paused, kinds, locked; detail: a sentence; since: it has been so long.
-- Locks: the worker's own row of stall, and those of workers that are gone, SKIP LOCKED,
-- deleted; then inserts into stall.
-- Index: stall_pkey, worker_pkey; stall holds stalled workers alone.
CREATE OR REPLACE FUNCTION pawl.worker_stalled(
	worker uuid,
	reason text DEFAULT NULL,
	detail text DEFAULT NULL,
	since interval DEFAULT '0')
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '1s'
AS $$
#variable_conflict use_column
BEGIN
	DELETE FROM pawl.stall s
	WHERE s.ctid = ANY (ARRAY(
		SELECT c.ctid FROM pawl.stall c
		WHERE c.shard = 0 AND (c.worker = worker_stalled.worker
			OR NOT EXISTS (SELECT FROM pawl.worker w WHERE w.id = c.worker AND w.shard = 0))
		ORDER BY c.worker FOR UPDATE OF c SKIP LOCKED));
	IF worker_stalled.reason IS NOT NULL THEN
		INSERT INTO pawl.stall (worker, since, reason, detail)
		VALUES (worker_stalled.worker, clock_timestamp() - worker_stalled.since,
			worker_stalled.reason, pawl.cut(worker_stalled.detail, 1000))
		ON CONFLICT DO NOTHING;
	END IF;
END
$$;
