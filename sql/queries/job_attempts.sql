-- job_attempts: the unsuccessful attempts of a job, in their order
--
-- Parameters: $1 bigint: its id; $2 int: at most so many, the newest.
-- Columns: attempt, category, started_at, ended_at (UTC), fence, worker, error, detail.
-- Index: attempt_pkey.
SELECT a.attempt, a.category,
	to_char(a.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS started_at,
	to_char(a.ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS ended_at,
	a.fence, a.worker, a.error, a.detail
FROM (SELECT t.* FROM pawl.attempts t WHERE t.job = $1::bigint
	ORDER BY t.id DESC LIMIT $2::int) a
ORDER BY a.id
