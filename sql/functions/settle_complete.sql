-- settle_complete(jobs, fences, results, counts): these attempts succeeded; their jobs end
--
-- settle for the one verb that nearly every job ends by: it needs no description, no row
-- of attempt, and no table but running and outcome, and takes half of what settle takes.
-- Internal.
-- Returns: jobs and fences that were won, in pairs, in no order; NULLs when none was.  Of
-- the rest nothing is changed.
-- Locks: rows of running in the order of job ids, SKIP LOCKED: it waits for nobody.  The
-- unique key of a job that ends is deleted by the same statement.  Then it inserts into
-- batch_delta what has ended in batches, a row for each batch, epoch and stage.
-- Index: primary keys; unique_key by job.  The settings pin the plan, whatever the
-- statistics say: rows are looked up one by one, deleted by ctid in one scan (they are
-- locked, and are never updated), and results joined by a hash, an empty one without
-- results.
CREATE OR REPLACE FUNCTION pawl.settle_complete(jobs bigint[], fences bigint[],
	results jsonb[], counts jsonb[], OUT won_jobs bigint[], OUT won_fences bigint[])
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_indexscan = on
SET enable_nestloop = off
SET enable_hashjoin = on
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
	stamp timestamptz := clock_timestamp();
	batched bigint[];
	batched_fences bigint[];
BEGIN
	WITH given AS MATERIALIZED (
		SELECT DISTINCT ON (g.job_id, g.fence) g.*
		FROM unnest(jobs, fences, results) g (job_id, fence, result)
		WHERE results IS NOT NULL
	), gone AS (
		DELETE FROM pawl.running r
		WHERE r.ctid = ANY (ARRAY(
			SELECT h.ctid
			FROM (SELECT g.* FROM unnest(jobs, fences) g (job_id, fence)
				ORDER BY g.job_id) g, LATERAL (
				SELECT r.ctid FROM pawl.running r
				WHERE r.shard = 0 AND r.job_id = g.job_id AND r.fence = g.fence
				FOR UPDATE SKIP LOCKED) h))
		RETURNING r.job_id, r.fence, r.started_at, r.worker, r.tries, r.traits
	), freed AS (
		-- one row for each job that ends
		DELETE FROM pawl.unique_key u
		WHERE u.ctid = ANY (ARRAY(
			SELECT k.ctid FROM gone w, LATERAL (
				SELECT u.ctid FROM pawl.unique_key u
				WHERE u.shard = 0 AND u.job_id = w.job_id OFFSET 0) k
			WHERE pawl.is_keyed(w.traits)))
	), ended AS (
		-- What follows the end of a job belongs here, in complete and in settle.
		INSERT INTO pawl.outcome
			(job_id, fence, started_at, finished_at, worker, attempt, state, result)
		SELECT w.job_id, w.fence, w.started_at, stamp, w.worker, (w.tries).attempt + 1,
			'succeeded', g.result
		FROM gone w LEFT JOIN given g USING (job_id, fence)
	)
	SELECT array_agg(w.job_id), array_agg(w.fence),
		array_agg(w.job_id) FILTER (WHERE pawl.is_batched(w.traits)),
		array_agg(w.fence) FILTER (WHERE pawl.is_batched(w.traits))
	INTO won_jobs, won_fences, batched, batched_fences
	FROM gone w;
	IF batched IS NOT NULL AND cardinality(jobs) = 1 THEN	-- half of the cost of many
		INSERT INTO pawl.batch_delta (batch, epoch, stage, succeeded, counts)
		SELECT t.batch, t.epoch, t.stage, t.succeeded, t.sums
		FROM pawl.tally(batched, '{succeeded}', ARRAY(SELECT unnest(counts))) t;
	ELSIF batched IS NOT NULL THEN
		INSERT INTO pawl.batch_delta (batch, epoch, stage, succeeded, counts)
		SELECT t.batch, t.epoch, t.stage, t.succeeded, t.sums
		FROM (SELECT array_agg(b.job_id) AS jobs, array_agg('succeeded'::text) AS states,
				array_agg(c.names) AS names
			FROM unnest(batched, batched_fences) b (job_id, fence)
			LEFT JOIN (SELECT DISTINCT ON (g.job_id, g.fence) g.*
				FROM unnest(jobs, fences, counts) g (job_id, fence, names)
				WHERE counts IS NOT NULL) c USING (job_id, fence)) e,
			LATERAL pawl.tally(e.jobs, e.states, e.names) t;
	END IF;
END
$$;
