-- job_life: the states that a job was in, and since when
--
-- Parameters: $1 bigint: its id; $2 int: of at most so many attempts, the newest.
-- Columns: at (UTC), state, attempt, worker (its name while it is alive, else its uuid),
-- error: why it left the state before.  Attempts that were snoozed or released leave
-- nothing behind, but that the next one has a greater number.
-- Index: the primary keys of job and of the tables of states; attempt_pkey.
WITH one AS MATERIALIZED (
	SELECT * FROM pawl.jobs j WHERE j.id = $1::bigint
), past AS MATERIALIZED (
	SELECT * FROM pawl.attempts t WHERE t.job = $1::bigint ORDER BY t.id DESC LIMIT $2::int
), ended AS (
	SELECT p.fence, p.ended_at AS at, p.detail ->> 'was' AS state, p.attempt, p.error
	FROM past p WHERE p.category = 'operator'
	UNION ALL
	SELECT j.fence, j.finished_at, j.state, j.attempt, j.error
	FROM one j WHERE j.finished_at IS NOT NULL
), life AS (
	SELECT j.pushed_at AS at, 0 AS step, CASE WHEN j.group_key IS NOT NULL THEN 'waiting'
			WHEN j.batch IS NOT NULL AND j.stage IS NULL THEN 'scheduled'
			WHEN j.run_at > j.pushed_at AND (j.attempt = 0 OR j.state <> 'scheduled')
				THEN 'scheduled' ELSE 'ready' END AS state, NULL::int AS attempt, NULL::uuid AS worker, NULL AS error
	FROM one j
	UNION ALL
	(SELECT DISTINCT ON (r.fence) r.started_at, 1, 'running', r.attempt, r.worker, NULL
	FROM (SELECT p.fence, p.started_at, p.attempt, p.worker FROM past p
		UNION ALL SELECT j.fence, j.started_at, j.attempt, j.worker FROM one j) r
	WHERE r.started_at IS NOT NULL ORDER BY r.fence)
	UNION ALL
	SELECT p.ended_at, 2, CASE WHEN p.category = 'cancelled' THEN 'cancelled'
		WHEN j.group_key IS NOT NULL THEN 'waiting'
		WHEN p.category = 'crash' THEN 'ready' ELSE 'scheduled' END, p.attempt, NULL,
		CASE p.category WHEN 'crash' THEN 'its worker was lost' ELSE p.error END
	FROM past p, one j
	WHERE p.category <> 'operator'
		AND NOT EXISTS (SELECT 1 FROM ended e WHERE e.fence = p.fence)
	UNION ALL
	SELECT e.at, 2, e.state, e.attempt, NULL, e.error FROM ended e
	UNION ALL
	SELECT (p.detail ->> 'at')::timestamptz, 3,
		CASE WHEN j.group_key IS NOT NULL THEN 'waiting' ELSE 'ready' END, NULL, NULL,
		'retried by an operator'
	FROM past p, one j WHERE p.category = 'operator'
)
SELECT to_char(l.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at, l.state,
	l.attempt, coalesce((SELECT w.name FROM pawl.workers w WHERE w.id = l.worker),
		l.worker::text) AS worker, l.error
FROM life l
ORDER BY l.at, l.step
