-- logs: lines of jobs' logs, in the order of their ids
--
-- By job, newest first: index log_pkey of each partition.
CREATE OR REPLACE VIEW pawl.logs AS
SELECT l.id, l.job_id AS job, l.fence, l.at, l.level, l.message, l.context
FROM pawl.log l
WHERE l.shard = 0;
