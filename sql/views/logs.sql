-- logs: lines of jobs' logs, in the order of their ids
--
-- superseded: a later attempt of the job counts than the one that wrote the line.  It
-- may have been written by a worker that had lost the job.
-- By job, newest first: index log_pkey of each partition; warn and above: log_level.
CREATE OR REPLACE VIEW pawl.logs AS
SELECT l.id, l.job_id AS job, l.fence, l.at, l.level, l.message, l.context,
	coalesce(l.fence < coalesce(x.fence, o.fence, (SELECT max(a.fence) FROM pawl.attempt a
		WHERE a.job_id = l.job_id AND a.shard = l.shard)), false) AS superseded
FROM pawl.log l
LEFT JOIN pawl.running x ON x.job_id = l.job_id AND x.shard = l.shard
LEFT JOIN pawl.outcome o ON o.job_id = l.job_id AND o.shard = l.shard
WHERE l.shard = 0;
