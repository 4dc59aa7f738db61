-- work_waiting: what waits in a worker's queues although the worker makes no progress
--
-- For a worker that has neither begun nor ended a job for a while, to learn why.  Of each
-- of its queues the first fifty jobs are looked at, and two hundred rows of waiting.
-- Parameters: worker.
-- Returns: one row.  job: the first that it could take, as far as is seen; head: the first
-- head of a group, likewise; paused: those of its queues that are paused and have a job
-- which could run; kinds: those that no worker handles of those that take from the queue;
-- took: the time of looking, which grows with what was deleted while somebody holds a
-- snapshot.  A table that somebody has locked is not waited for longer than 50 ms: all but
-- took are NULL.
-- Locks: none.
-- Index: worker_pkey, queue_pkey, ready_walk, and as due_heads; workers are few.
CREATE OR REPLACE FUNCTION pawl.work_waiting(worker uuid,
	OUT job bigint, OUT head bigint, OUT paused text[], OUT kinds text[], OUT took interval)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '50ms'
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
	began constant timestamptz := clock_timestamp();
BEGIN
	WITH own AS MATERIALIZED (
		SELECT w.queues, w.kinds FROM pawl.worker w
		WHERE w.id = work_waiting.worker AND w.shard = 0
	), work AS MATERIALIZED (
		SELECT q.name AS queue, r.kind, r.job_id AS job, false AS grouped
		FROM own, unnest(own.queues) q (name), LATERAL (
			SELECT r.kind, r.job_id FROM pawl.ready r
			WHERE r.shard = 0 AND r.queue = q.name
			ORDER BY r.priority, r.pos LIMIT 50) r
		UNION ALL
		SELECT h.queue, h.kind, h.job, true
		FROM own, pawl.due_heads(NULL, 200) h WHERE h.queue = ANY (own.queues)
	), found AS (
		SELECT k.job, k.grouped, k.kind, k.queue,
			EXISTS (SELECT FROM pawl.queue s
				WHERE s.shard = 0 AND s.name = k.queue AND s.paused) AS paused,
			coalesce(k.kind = ANY (own.kinds), true) AS mine
		FROM work k, own
	)
	SELECT min(f.job) FILTER (WHERE f.mine AND NOT f.paused AND NOT f.grouped),
		min(f.job) FILTER (WHERE f.mine AND NOT f.paused AND f.grouped),
		array_agg(DISTINCT f.queue) FILTER (WHERE f.paused),
		array_agg(DISTINCT f.kind) FILTER (WHERE NOT f.paused AND NOT f.mine
			AND NOT EXISTS (SELECT FROM pawl.worker w
				WHERE w.shard = 0 AND w.expires_at > statement_timestamp()
					AND (w.queues IS NULL OR f.queue = ANY (w.queues))
					AND (w.kinds IS NULL OR f.kind = ANY (w.kinds))))
	INTO job, head, paused, kinds FROM found f;
	took := clock_timestamp() - began;
EXCEPTION WHEN lock_not_available THEN
	took := clock_timestamp() - began;
END
$$;
