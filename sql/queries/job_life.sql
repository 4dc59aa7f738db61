-- job_life: the states that a job was in, and since when
--
-- Parameters: $1 bigint: its id; $2 int: of at most so many attempts, the newest.
-- Columns: at (UTC), state, attempt, worker (its name while it is alive, else its uuid),
-- error: why it left the state before.  at is NULL where the time is not kept: of the
-- state that it is in, when a promotion, a snooze or a release has brought it there, and
-- of attempts that were snoozed or released.  Those leave no row, for that would be one
-- more for each; but the numbers of those before and after show that they were.  A row of
-- consecutive ones has the number of the last.
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
), ran AS (
	SELECT DISTINCT ON (r.fence) r.started_at AS at, r.attempt, r.worker
	FROM (SELECT p.fence, p.started_at, p.attempt, p.worker FROM past p
		UNION ALL SELECT j.fence, j.started_at, j.attempt, j.worker FROM one j) r
	WHERE r.started_at IS NOT NULL ORDER BY r.fence
), bounds AS (
	-- up to these times so many attempts had begun
	SELECT r.at, r.attempt - 1 AS before, r.attempt AS upto FROM ran r
	UNION ALL SELECT p.ended_at, p.attempt, p.attempt FROM past p WHERE p.category = 'operator'
	UNION ALL SELECT coalesce(j.finished_at, 'infinity'), j.attempt, j.attempt FROM one j
), gaps AS (
	SELECT b.at, b.before, lag(b.upto) OVER (ORDER BY b.at, b.before) AS after FROM bounds b
), life AS (
	SELECT j.pushed_at AS at, true AS timed, 0 AS step,
		CASE WHEN j.group_key IS NOT NULL THEN 'waiting'
			WHEN j.batch IS NOT NULL AND j.stage IS NULL THEN 'scheduled'
			WHEN j.pushed_run_at > j.pushed_at THEN 'scheduled' ELSE 'ready' END AS state,
		NULL::int AS attempt, NULL::uuid AS worker, NULL AS error
	FROM one j
	UNION ALL
	SELECT g.at, false, -1, 'running', g.before, NULL, CASE
		WHEN g.after IS NULL AND (SELECT count(*) FROM past) = $2::int
			THEN format('attempts 1 to %s are older than what is shown', g.before)
		WHEN g.before = coalesce(g.after, 0) + 1 THEN 'snoozed or released, which is not recorded'
		ELSE format('attempts %s to %s were snoozed or released, which is not recorded',
			coalesce(g.after, 0) + 1, g.before) END
	FROM gaps g WHERE g.before > coalesce(g.after, 0)
	UNION ALL
	SELECT r.at, true, 1, 'running', r.attempt, r.worker, NULL FROM ran r
	UNION ALL
	SELECT p.ended_at, true, 2, CASE WHEN p.category = 'cancelled' THEN 'cancelled'
		WHEN j.group_key IS NOT NULL THEN 'waiting'
		WHEN p.category = 'crash' THEN 'ready' ELSE 'scheduled' END, p.attempt, NULL,
		CASE p.category WHEN 'crash' THEN 'its worker was lost' ELSE p.error END
	FROM past p, one j
	WHERE p.category <> 'operator'
		AND NOT EXISTS (SELECT 1 FROM ended e WHERE e.fence = p.fence)
	UNION ALL
	SELECT e.at, true, 2, e.state, e.attempt, NULL, e.error FROM ended e
	UNION ALL
	SELECT (p.detail ->> 'at')::timestamptz, true, 3,
		CASE WHEN j.group_key IS NOT NULL THEN 'waiting' ELSE 'ready' END, NULL, NULL,
		'retried by an operator'
	FROM past p, one j WHERE p.category = 'operator'
), told AS (
	SELECT * FROM life
	UNION ALL
	SELECT 'infinity', false, 4, j.state, NULL, NULL, NULL
	FROM one j
	WHERE j.state <>
		(SELECT l.state FROM life l ORDER BY l.at DESC, l.step DESC LIMIT 1)
)
SELECT CASE WHEN l.timed THEN
		to_char(l.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') END AS at, l.state,
	l.attempt, coalesce((SELECT w.name FROM pawl.workers w WHERE w.id = l.worker),
		l.worker::text) AS worker, l.error
FROM told l
ORDER BY l.at, l.step
