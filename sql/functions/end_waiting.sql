-- end_waiting(jobs, state, reason): end jobs that wait in their groups
--
-- For what was never claimed, or not since it went back: what a newer run supersedes, the
-- rest of a run of which a job has failed, what an operator gives up.  It leaves no row of
-- group_stop.
-- Parameters: state: failed or cancelled; reason: the outcomes' error.
-- Returns: how many were ended; what is locked is left alone.  Internal.
-- Locks: rows of waiting in the order of job ids, SKIP LOCKED: it waits for nobody.  The
-- unique key of a job that ends is deleted by the same statement.
-- Index: waiting_pkey; unique_key by job.
CREATE OR REPLACE FUNCTION pawl.end_waiting(jobs bigint[], state text, reason text)
RETURNS int
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_indexscan = on
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
	ended int;
BEGIN
	IF cardinality(jobs) = 0 THEN
		RETURN 0;
	END IF;
	WITH gone AS (
		DELETE FROM pawl.waiting w
		WHERE w.ctid = ANY (ARRAY(
			SELECT c.ctid FROM pawl.waiting c
			WHERE c.shard = 0 AND c.job_id = ANY (jobs)
			ORDER BY c.job_id FOR UPDATE SKIP LOCKED))
		RETURNING w.job_id, w.tries, w.traits
	), freed AS (
		-- one row for each job that ends
		DELETE FROM pawl.unique_key u
		WHERE u.ctid = ANY (ARRAY(
			SELECT k.ctid FROM gone g, LATERAL (
				SELECT u.ctid FROM pawl.unique_key u
				WHERE u.shard = 0 AND u.job_id = g.job_id OFFSET 0) k
			WHERE pawl.is_keyed(g.traits)))
	), counted AS (
		INSERT INTO pawl.batch_delta (batch, epoch, stage, failed, cancelled)
		SELECT t.batch, t.epoch, t.stage, t.failed, t.cancelled
		FROM (SELECT array_agg(g.job_id) AS jobs, array_agg(state) AS states
			FROM gone g WHERE pawl.is_batched(g.traits)) e,
			LATERAL pawl.tally(e.jobs, e.states, NULL) t
		WHERE e.jobs IS NOT NULL
	), noted AS (
		-- What follows the end of a job belongs here, and where settle says.
		INSERT INTO pawl.outcome (job_id, finished_at, attempt, state, error)
		SELECT g.job_id, clock_timestamp(), coalesce((g.tries).attempt, 0),
			state::pawl.terminal_state, pawl.cut(reason, 65536)
		FROM gone g
	)
	SELECT count(*) INTO ended FROM gone;
	RETURN ended;
END
$$;
