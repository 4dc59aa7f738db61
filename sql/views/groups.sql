-- groups: each group that has an owner, or jobs that wait, or is stopped
--
-- Columns as group_show's, which shows one group, and group_list's, which shows a page.
-- Groups are found by steps through the index waiting_walk, so the cost follows their
-- number and not the number of jobs.
CREATE OR REPLACE VIEW pawl.groups AS
WITH RECURSIVE step AS (
	(SELECT w.tenant, w.group_key FROM pawl.waiting w
	WHERE w.shard = 0 ORDER BY w.tenant, w.group_key LIMIT 1)
	UNION ALL
	SELECT n.* FROM step, LATERAL (
		SELECT w.tenant, w.group_key FROM pawl.waiting w
		WHERE w.shard = 0 AND (w.tenant, w.group_key) > (step.tenant, step.group_key)
		ORDER BY w.tenant, w.group_key LIMIT 1) n
), name AS (
	SELECT step.tenant, step.group_key FROM step
	UNION
	SELECT l.tenant, l.group_key FROM pawl.group_lease l WHERE l.shard = 0
	UNION
	SELECT s.tenant, s.group_key FROM pawl.group_stop s WHERE s.shard = 0
)
SELECT n.group_key,
	n.tenant,
	CASE
		WHEN o.worker IS NOT NULL THEN 'running'
		WHEN s.blocked_by IS NOT NULL THEN 'blocked'
		WHEN h.due <= clock_timestamp() OR (h.job_id IS NOT NULL
			AND (s.to_end OR h.run_key < r.newest)) THEN 'ready'
		WHEN EXISTS (SELECT FROM pawl.group_lease l, unnest(l.jobs, l.fences) g (job, fence),
				pawl.running x
			WHERE l.shard = 0 AND l.group_key = n.group_key AND x.shard = 0
				AND x.job_id = g.job AND x.fence = g.fence) THEN 'ready'
		WHEN h.job_id IS NOT NULL THEN 'later'
		ELSE 'free'
	END AS state,
	o.worker,
	o.worker_name,
	o.since,
	o.lease_left,
	h.job_id AS head,
	h.due AS head_due,
	c.waiting,
	clock_timestamp() - (SELECT j.pushed_at FROM pawl.job j
		WHERE j.shard = 0 AND j.id = h.job_id) AS oldest,
	s.blocked_by
FROM name n
LEFT JOIN LATERAL (
	SELECT l.worker, w.name AS worker_name, l.taken_at AS since,
		l.expires_at - clock_timestamp() AS lease_left
	FROM pawl.group_lease l JOIN pawl.worker w ON w.id = l.worker AND w.shard = 0
	WHERE l.shard = 0 AND l.group_key = n.group_key AND l.expires_at > clock_timestamp()
		AND w.expires_at > clock_timestamp()
) o ON true
LEFT JOIN LATERAL (
	SELECT w.job_id, w.due, w.run_key FROM pawl.waiting w
	WHERE w.shard = 0 AND w.tenant = n.tenant AND w.group_key = n.group_key
	ORDER BY w.job_id LIMIT 1
) h ON true
LEFT JOIN LATERAL (
	SELECT w.run_key AS newest FROM pawl.waiting w
	WHERE w.shard = 0 AND w.tenant = n.tenant AND w.group_key = n.group_key
		AND w.run_key IS NOT NULL
	ORDER BY w.run_key DESC LIMIT 1
) r ON true
LEFT JOIN LATERAL (
	SELECT min(t.job_id) FILTER (WHERE t.policy = 'block'
			AND (t.run_key < r.newest) IS NOT TRUE AND NOT EXISTS (SELECT FROM pawl.waiting w
				WHERE w.shard = 0 AND w.job_id = t.job_id)) AS blocked_by,
		coalesce(bool_or(t.policy = 'fail'), false) AS to_end
	FROM pawl.group_stop t WHERE t.shard = 0 AND t.group_key = n.group_key
) s ON true
LEFT JOIN LATERAL (
	SELECT CASE WHEN count(*) <= 1000 THEN count(*)::int END AS waiting
	FROM (SELECT FROM pawl.waiting w
		WHERE w.shard = 0 AND w.tenant = n.tenant AND w.group_key = n.group_key
		LIMIT 1001) f
) c ON true;
