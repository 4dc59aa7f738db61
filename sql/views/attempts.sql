-- attempts: each unsuccessful attempt of a job, and what an operator's retry replaced
--
-- By job: index attempt_pkey.
CREATE OR REPLACE VIEW pawl.attempts AS
SELECT a.job_id AS job, a.id, a.fence, a.worker, a.attempt, a.category, a.started_at,
	a.ended_at, a.error, a.detail
FROM pawl.attempt a
WHERE a.shard = 0;
