-- settle: take jobs out of their live table and put them where their verb says
--
-- This function, settle_complete and complete, which is that of one job, end an attempt or a
-- job; fail, snooze, release, cancel, worker_stop and recover are thin callers of this one.
-- Internal.
-- Parameters: verb: fail, snooze, release, crash or cancel; jobs and fences, in
-- pairs (cancel: fences NULL, a job in any live table); finals: settle this failure for
-- good; the other arrays belong to the pairs or are NULL.
-- Returns: a row for each job that was won, in no order; of the rest nothing is changed.
--   verb      goes to                                       failures crashes attempt row
--   fail      scheduled with backoff, or failed                 + 1           category
--   snooze    scheduled
--   release   ready
--   crash     ready, or failed at three                                 + 1   crash
--   cancel    cancelled                                                       cancelled,
--                                                                      if it was running
-- A grouped job goes to waiting instead of scheduled and ready, with its own id, so that it
-- holds its group.  When it fails for good it leaves a row in group_stop, unless the
-- policy of its queue is to skip it.
-- Locks: rows of ready, scheduled, waiting and running in the order of job ids, all SKIP
-- LOCKED: it waits for nobody.  The unique key of a job that ends is deleted by the same statement;
-- whoever has the live row is alone with it.  What ends in a batch adds to its counters by
-- one row of batch_delta for each batch, epoch and stage.
-- Index: primary keys; unique_key by job.  Written with LATERAL, so that the plan is a loop
-- over the given pairs whatever the statistics say; to plan it anew would cost five times
-- what it takes to settle one job.  What is cancelled is looked for as a range of one id, in
-- its order: when a table had one row at the last ANALYZE, every index of it seems as good
-- for an equality, and only the primary key has the order.
-- The description of a job is immutable, so it is read before the rows are locked.
CREATE OR REPLACE FUNCTION pawl.settle(
	verb text,
	jobs bigint[],
	fences bigint[],
	errors text[] DEFAULT NULL,
	details jsonb[] DEFAULT NULL,
	categories text[] DEFAULT NULL,
	delays interval[] DEFAULT NULL,
	finals boolean[] DEFAULT NULL)
RETURNS TABLE (job bigint, fence bigint, was text, state text, due timestamptz, worker uuid)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_indexscan = on
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
	max_crashes constant int := 3;
	default_attempts constant int := 20;
	longest constant float8 := 100 * 365.25 * 86400;	-- s; beyond the calendar raises
	stamp timestamptz := clock_timestamp();
	kinds text[];
	queues text[];
	priorities smallint[];
	attempt_limits int[];
	group_keys text[];
	run_keys bigint[];
BEGIN
	IF verb IN ('fail', 'release', 'snooze', 'crash') THEN
		SELECT d.kinds, d.queues, d.priorities, d.attempt_limits, d.group_keys, d.run_keys
		INTO kinds, queues, priorities, attempt_limits, group_keys, run_keys
		FROM pawl.describe(jobs) d;
	END IF;
	RETURN QUERY
	WITH given AS MATERIALIZED (
		SELECT DISTINCT ON (g.job_id, g.fence) g.*
		FROM unnest(jobs, fences, errors, details, categories, delays, finals,
			kinds, queues, priorities, attempt_limits, group_keys, run_keys)
			g (job_id, fence, error, detail, category, delay, final,
			kind, queue, priority, max_attempts, group_key, run_key)
		ORDER BY g.job_id, g.fence
	), held AS MATERIALIZED (
		SELECT r.ctid AS row, g.*
		FROM given g, LATERAL (
			SELECT r.ctid FROM pawl.running r
			WHERE r.shard = 0 AND r.job_id = g.job_id
				AND (r.fence = g.fence OR verb = 'cancel')
			FOR UPDATE SKIP LOCKED) r
	), gone AS (
		DELETE FROM pawl.running r USING held h
		WHERE r.ctid = h.row
		RETURNING r.job_id, 'running' AS was, r.fence, r.worker, r.started_at,
			coalesce((r.tries).attempt, 0) + 1 AS attempt,
			coalesce((r.tries).failures, 0) AS failures,
			coalesce((r.tries).crashes, 0) AS crashes, r.traits, h.error, h.detail,
			h.category, h.delay, h.final, h.kind, h.queue, h.priority, h.max_attempts,
			h.group_key, h.run_key
	), gone_ready AS (
		DELETE FROM pawl.ready r
		WHERE r.ctid = ANY (ARRAY(
			SELECT c.ctid FROM given g, LATERAL (
				SELECT c.ctid FROM pawl.ready c
				WHERE c.shard = 0 AND c.job_id BETWEEN g.job_id AND g.job_id
				ORDER BY c.job_id FOR UPDATE SKIP LOCKED) c
			WHERE verb = 'cancel'))
		RETURNING r.job_id, r.tries, r.traits
	), gone_scheduled AS (
		DELETE FROM pawl.scheduled r
		WHERE r.ctid = ANY (ARRAY(
			SELECT c.ctid FROM given g, LATERAL (
				SELECT c.ctid FROM pawl.scheduled c
				WHERE c.shard = 0 AND c.job_id BETWEEN g.job_id AND g.job_id
				ORDER BY c.job_id FOR UPDATE SKIP LOCKED) c
			WHERE verb = 'cancel'))
		RETURNING r.job_id, r.tries, r.traits
	), gone_waiting AS (
		DELETE FROM pawl.waiting r
		WHERE r.ctid = ANY (ARRAY(
			SELECT c.ctid FROM given g, LATERAL (
				SELECT c.ctid FROM pawl.waiting c
				WHERE c.shard = 0 AND c.job_id BETWEEN g.job_id AND g.job_id
				ORDER BY c.job_id FOR UPDATE SKIP LOCKED) c
			WHERE verb = 'cancel'))
		RETURNING r.job_id, r.tries, r.traits
	), won AS MATERIALIZED (
		SELECT g.*, CASE
			WHEN verb = 'cancel' THEN 'cancelled'
			WHEN g.kind IS NULL THEN 'failed'
			WHEN verb = 'crash' AND g.crashes + 1 >= max_crashes THEN 'failed'
			WHEN verb = 'fail' AND (g.final
				OR g.failures + 1 >= coalesce(g.max_attempts, default_attempts)) THEN 'failed'
			WHEN pawl.is_grouped(g.traits) THEN 'waiting'
			WHEN verb IN ('fail', 'snooze') THEN 'scheduled'
			ELSE 'ready' END AS state,
			CASE WHEN verb IN ('fail', 'snooze') THEN
				stamp + make_interval(secs => least(greatest(extract(epoch FROM
					coalesce(g.delay, pawl.backoff(g.failures)))::float8, 0), longest))
				ELSE stamp END AS due,
			(g.attempt, g.failures + (verb = 'fail')::int,
				g.crashes + (verb = 'crash')::int)::pawl.tries AS tries
		FROM gone g
		UNION ALL
		SELECT r.job_id, r.was, NULL, NULL, NULL, coalesce((r.tries).attempt, 0), 0, 0,
			r.traits, errors[1], NULL, NULL, NULL, NULL, NULL, NULL, NULL,
			NULL, NULL, NULL, 'cancelled', NULL, NULL
		FROM (SELECT *, 'ready' AS was FROM gone_ready
			UNION ALL SELECT *, 'scheduled' FROM gone_scheduled
			UNION ALL SELECT *, 'waiting' FROM gone_waiting) r
	), freed AS (
		-- one row for each job that ends
		DELETE FROM pawl.unique_key u
		WHERE u.ctid = ANY (ARRAY(
			SELECT k.ctid FROM won w, LATERAL (
				SELECT u.ctid FROM pawl.unique_key u
				WHERE u.shard = 0 AND u.job_id = w.job_id OFFSET 0) k
			WHERE pawl.is_keyed(w.traits) AND w.state IN ('failed', 'cancelled')))
	), counted AS (
		INSERT INTO pawl.batch_delta (batch, epoch, stage, failed, cancelled)
		SELECT t.batch, t.epoch, t.stage, t.failed, t.cancelled
		FROM (SELECT array_agg(w.job_id) AS jobs, array_agg(w.state) AS states
			FROM won w
			WHERE pawl.is_batched(w.traits) AND w.state IN ('failed', 'cancelled')) e,
			LATERAL pawl.tally(e.jobs, e.states, NULL) t
		WHERE e.jobs IS NOT NULL
	), attempted AS (
		INSERT INTO pawl.attempt
			(job_id, fence, started_at, ended_at, worker, attempt, category, error, detail)
		SELECT w.job_id, w.fence, w.started_at, stamp, w.worker, w.attempt,
			CASE verb WHEN 'fail' THEN coalesce(w.category, 'error')
				WHEN 'crash' THEN 'crash' ELSE 'cancelled' END,
			pawl.cut(w.error, 65536), w.detail
		FROM won w
		WHERE verb IN ('fail', 'crash', 'cancel') AND w.was = 'running'
	), back AS (
		INSERT INTO pawl.ready (job_id, tries, priority, traits, queue, kind)
		SELECT w.job_id, w.tries, pawl.lane_priority(w.priority, (w.tries).crashes), w.traits,
			w.queue, w.kind
		FROM won w WHERE w.state = 'ready'
	), later AS (
		INSERT INTO pawl.scheduled (job_id, due, tries, priority, traits, queue, kind)
		SELECT w.job_id, w.due, w.tries, pawl.lane_priority(w.priority, (w.tries).crashes),
			w.traits, w.queue, w.kind
		FROM won w WHERE w.state = 'scheduled'
	), held_back AS (
		INSERT INTO pawl.waiting (job_id, due, run_key, tries, traits, tenant, group_key,
			queue, kind)
		SELECT w.job_id, w.due, w.run_key, w.tries, w.traits, pawl.tenant_of(w.group_key),
			w.group_key, w.queue, w.kind
		FROM won w WHERE w.state = 'waiting'
	), stopped AS (
		INSERT INTO pawl.group_stop
			(job_id, stopped_at, run_key, policy, tenant, group_key, queue)
		SELECT w.job_id, stamp, w.run_key, p.policy, pawl.tenant_of(w.group_key),
			w.group_key, w.queue
		FROM won w, LATERAL (SELECT coalesce((SELECT q.on_group_failure FROM pawl.queue q
			WHERE q.shard = 0 AND q.name = w.queue), 'block') AS policy OFFSET 0) p
		WHERE w.group_key IS NOT NULL AND w.state = 'failed' AND p.policy <> 'skip'
	), ended AS (
		-- What follows the end of a job belongs here, in settle_complete and in complete.
		INSERT INTO pawl.outcome
			(job_id, fence, started_at, finished_at, worker, attempt, state, error)
		SELECT w.job_id, w.fence, w.started_at, stamp, w.worker, w.attempt,
			w.state::pawl.terminal_state,
			CASE verb WHEN 'crash' THEN format('worker lost %s times', w.crashes + 1)
				ELSE pawl.cut(w.error, 65536) END
		FROM won w WHERE w.state IN ('failed', 'cancelled')
	)
	SELECT w.job_id, w.fence, w.was, w.state,
		CASE WHEN w.state IN ('scheduled', 'waiting') THEN w.due END, w.worker
	FROM won w;
	IF verb IN ('release', 'crash') THEN
		PERFORM pawl.ring(queues);
	END IF;
END
$$;
