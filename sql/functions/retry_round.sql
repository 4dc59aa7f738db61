-- retry_round(jobs, run_at): take failed and cancelled jobs back to ready, or to
-- scheduled when run_at is to come
--
-- The one statement that makes a terminal job live again.  What the outcome said is kept
-- in attempt; failures and crashes begin at 0; attempt counts on.
-- Returns: (job, was) of each job that was won.  Internal.
-- Locks: rows of outcome in the order of job ids, SKIP LOCKED.
-- Index: primary keys, in the partitions between the smallest and the largest id alone.
CREATE OR REPLACE FUNCTION pawl.retry_round(jobs bigint[], run_at timestamptz)
RETURNS TABLE (job bigint, was text)
LANGUAGE plpgsql
AS $$
BEGIN
	RETURN QUERY EXECUTE
		'WITH held AS MATERIALIZED (
			SELECT o.job_id FROM pawl.outcome o
			WHERE o.shard = 0 AND o.job_id = ANY ($1) AND o.job_id BETWEEN $2 AND $3
				AND o.state <> ''succeeded''
				AND EXISTS (SELECT FROM pawl.job j
					WHERE j.shard = 0 AND j.id = o.job_id AND j.id BETWEEN $2 AND $3)
			ORDER BY o.job_id FOR UPDATE OF o SKIP LOCKED
		), gone AS (
			DELETE FROM pawl.outcome o USING held h
			WHERE o.shard = 0 AND o.job_id = h.job_id AND o.job_id BETWEEN $2 AND $3
			RETURNING o.*
		), back AS MATERIALIZED (
			SELECT g.*, j.queue, j.kind, j.priority
			FROM gone g, LATERAL (SELECT d.queue, d.kind, d.priority FROM pawl.job d
				WHERE d.shard = 0 AND d.id = g.job_id AND d.id BETWEEN $2 AND $3 OFFSET 0) j
		), kept AS (
			INSERT INTO pawl.attempt (job_id, fence, started_at, ended_at, worker, attempt,
				category, error, detail)
			SELECT b.job_id, b.fence, b.started_at, b.finished_at, b.worker, b.attempt,
				''operator'', b.error, jsonb_build_object(''was'', b.state)
			FROM back b
		), due_now AS (
			INSERT INTO pawl.ready (job_id, attempt, priority, queue, kind)
			SELECT b.job_id, b.attempt, b.priority, b.queue, b.kind FROM back b
			WHERE ($4 > $5) IS NOT TRUE
		), due_later AS (
			INSERT INTO pawl.scheduled (job_id, due, attempt, priority, queue, kind)
			SELECT b.job_id, $4, b.attempt, b.priority, b.queue, b.kind FROM back b
			WHERE $4 > $5
		)
		SELECT b.job_id, b.state::text FROM back b'
	USING jobs, (SELECT min(i) FROM unnest(jobs) i), (SELECT max(i) FROM unnest(jobs) i),
		run_at, clock_timestamp();
END
$$;
