-- job_show: one job
--
-- Parameters: $1 bigint: its id.
-- Columns: those of `pawl job show`; times in UTC; none when there is no such job.
-- Index: the primary keys of job and of the tables of states.
SELECT j.id, j.state, j.kind, j.queue, j.priority, j.attempt, j.failures, j.crashes,
	j.unique_key, j.unique_until, j.group_key, j.run_key, j.batch, j.stage, j.epoch,
	j.max_attempts, (extract(epoch FROM j.timeout) * 1000)::bigint AS timeout_ms,
	to_char(j.pushed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS pushed_at,
	to_char(j.run_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS run_at,
	to_char(j.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS started_at,
	to_char(j.deadline_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS deadline_at,
	to_char(j.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS finished_at,
	j.worker, (SELECT w.name FROM pawl.workers w WHERE w.id = j.worker) AS worker_name,
	j.fence, j.args, j.meta, j.result, j.error
FROM pawl.jobs j
WHERE j.id = $1::bigint
