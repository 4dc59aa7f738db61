-- jobs: every job with its state, which is derived from the table that its row is in
--
-- run_at: when it is due next; pushed_run_at: what it was pushed with.  A lookup by id reads
-- each table by its primary key.  Never counts.
CREATE OR REPLACE VIEW pawl.jobs AS
SELECT j.id,
	CASE
		WHEN o.job_id IS NOT NULL THEN o.state::text
		WHEN x.job_id IS NOT NULL THEN 'running'
		WHEN r.job_id IS NOT NULL THEN 'ready'
		WHEN s.job_id IS NOT NULL THEN 'scheduled'
		WHEN w.job_id IS NOT NULL THEN 'waiting'
	END AS state,
	j.kind,
	j.queue,
	j.priority,
	j.args,
	j.meta,
	j.pushed_at,
	coalesce(s.due, w.due, j.run_at) AS run_at,
	CASE WHEN o.job_id IS NOT NULL THEN coalesce(o.attempt, 1)
		ELSE coalesce((coalesce(x.tries, r.tries, s.tries, w.tries)).attempt, 0)
			+ (x.job_id IS NOT NULL)::int END AS attempt,
	CASE WHEN o.job_id IS NULL THEN
		coalesce((coalesce(x.tries, r.tries, s.tries, w.tries)).failures, 0) END AS failures,
	CASE WHEN o.job_id IS NULL THEN
		coalesce((coalesce(x.tries, r.tries, s.tries, w.tries)).crashes, 0) END AS crashes,
	coalesce(j.max_attempts, 20) AS max_attempts,
	coalesce(j.timeout, interval '15 min') AS timeout,
	coalesce(o.worker, x.worker) AS worker,
	coalesce(o.fence, x.fence) AS fence,
	coalesce(o.started_at, x.started_at) AS started_at,
	o.finished_at,
	CASE WHEN coalesce(j.timeout, interval '15 min') > interval '0'
		THEN x.started_at + coalesce(j.timeout, interval '15 min') END AS deadline_at,
	o.result,
	o.error,
	j.unique_key,
	CASE j.until_start WHEN true THEN 'start' WHEN false THEN 'end' END AS unique_until,
	j.batch,
	j.stage,
	j.epoch,
	j.group_key,
	j.run_key,
	j.run_at AS pushed_run_at
FROM pawl.job j
LEFT JOIN pawl.ready r ON r.job_id = j.id AND r.shard = j.shard
LEFT JOIN pawl.scheduled s ON s.job_id = j.id AND s.shard = j.shard
LEFT JOIN pawl.waiting w ON w.job_id = j.id AND w.shard = j.shard
LEFT JOIN pawl.running x ON x.job_id = j.id AND x.shard = j.shard
LEFT JOIN pawl.outcome o ON o.job_id = j.id AND o.shard = j.shard
WHERE j.shard = 0;
