-- job_list: jobs, newest first
--
-- Parameters: $1 text: state; $2 text: queue; $3 text: kind; $4 bigint: ids below it
-- alone (the cursor); $5 int: how many; $6 bigint: pushed since then, microseconds since
-- 1970; $7 text: group.  All but $5 may be NULL.
-- Columns: those of `pawl job list`; times in UTC.
-- Index: see pawl.job_list.
SELECT j.id, j.state, j.kind, j.queue, j.priority, j.attempt, j.failures, j.crashes,
	j.max_attempts,
	to_char(j.pushed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS pushed_at,
	to_char(j.run_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS run_at,
	to_char(j.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS started_at,
	to_char(j.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS finished_at,
	j.worker, j.fence, j.group_key, j.run_key, j.args, j.meta, j.result, j.error
FROM pawl.job_list(state => $1::text, queue => $2::text, kind => $3::text,
	before => $4::bigint, n => $5::int, group_key => $7::text) j
WHERE $6::bigint IS NULL
	OR j.pushed_at >= to_timestamp(0) + $6::bigint * interval '1 microsecond'
ORDER BY j.id DESC
