-- queues: each queue that has settings, ready or waiting jobs, with its oldest ready job
--
-- oldest_job and oldest_pushed_at are of the job that is claimed next.  Queues are found
-- by steps through the indexes ready_walk and waiting_queue, so the cost follows their
-- number and not the number of jobs.
CREATE OR REPLACE VIEW pawl.queues AS
WITH RECURSIVE step AS (
	(SELECT r.queue FROM pawl.ready r WHERE r.shard = 0 ORDER BY r.queue LIMIT 1)
	UNION ALL
	SELECT (SELECT r.queue FROM pawl.ready r
			WHERE r.shard = 0 AND r.queue > step.queue ORDER BY r.queue LIMIT 1)
	FROM step
	WHERE step.queue IS NOT NULL
), grouped AS (
	(SELECT w.queue FROM pawl.waiting w WHERE w.shard = 0 ORDER BY w.queue LIMIT 1)
	UNION ALL
	SELECT (SELECT w.queue FROM pawl.waiting w
			WHERE w.shard = 0 AND w.queue > grouped.queue ORDER BY w.queue LIMIT 1)
	FROM grouped
	WHERE grouped.queue IS NOT NULL
), name AS (
	SELECT step.queue AS name FROM step WHERE step.queue IS NOT NULL
	UNION
	SELECT grouped.queue FROM grouped WHERE grouped.queue IS NOT NULL
	UNION
	SELECT q.name FROM pawl.queue q WHERE q.shard = 0
)
SELECT n.name,
	coalesce(q.paused, false) AS paused,
	h.job_id AS oldest_job,
	(SELECT j.pushed_at FROM pawl.job j WHERE j.shard = 0 AND j.id = h.job_id)
		AS oldest_pushed_at,
	coalesce(q.on_group_failure, 'block') AS on_group_failure
FROM name n
LEFT JOIN pawl.queue q ON q.shard = 0 AND q.name = n.name
LEFT JOIN LATERAL (
	SELECT r.job_id FROM pawl.ready r
	WHERE r.shard = 0 AND r.queue = n.name
	ORDER BY r.priority, r.pos LIMIT 1
) h ON true;
