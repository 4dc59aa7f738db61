-- job_logs: the newest lines of a job's log, oldest first
--
-- Parameters: $1 bigint: the job; $2 text: this level and above, NULL: all; $3 int: at
-- most so many.
-- Columns: id, at (UTC), level, fence, message, context.
-- Index: log_pkey of each partition, backwards.
SELECT l.id, to_char(l.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at,
	l.level, l.fence, l.message, l.context
FROM (SELECT t.* FROM pawl.logs t
	WHERE t.job = $1::bigint
		AND ($2::text IS NULL OR t.level::text = ANY (CASE $2::text
			WHEN 'debug' THEN '{debug,info,warn,error}'::text[]
			WHEN 'info' THEN '{info,warn,error}'::text[]
			WHEN 'warn' THEN '{warn,error}'::text[]
			ELSE '{error}'::text[] END))
	ORDER BY t.id DESC LIMIT $3::int) l
ORDER BY l.id
