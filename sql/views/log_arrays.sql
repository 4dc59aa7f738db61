-- log_arrays: the newest lines of a job's log as two arrays, newest first
--
-- For clients that know a log as two lists: stdout has the last 1,000 lines of any level,
-- stderr the last 1,000 of level error.  Both are empty when nothing was logged.
-- By job: indexes log_pkey and log_level of each partition, backwards.
CREATE OR REPLACE VIEW pawl.log_arrays AS
SELECT j.id AS job,
	ARRAY(SELECT l.message FROM pawl.log l
		WHERE l.job_id = j.id AND l.shard = j.shard
		ORDER BY l.id DESC LIMIT 1000) AS stdout,
	ARRAY(SELECT l.message FROM pawl.log l
		WHERE l.job_id = j.id AND l.shard = j.shard AND l.level >= 'error'
		ORDER BY l.id DESC LIMIT 1000) AS stderr
FROM pawl.job j
WHERE j.shard = 0;
