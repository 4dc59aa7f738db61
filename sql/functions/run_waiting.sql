-- run_waiting(worker, head, size): move the head of a group, and what its handler takes
-- with it, from waiting to running
--
-- What goes with the head are up to size jobs without a gap: of its kind, queue and run,
-- due, and such that have neither failed nor crashed a worker.  When one is locked, those before it go.
-- Returns: arrays that belong together, ascending by job; NULLs when the head itself is
-- locked or gone: never the next one instead.  Internal.
-- Locks: rows of waiting in the order of job ids, SKIP LOCKED; deletes the unique keys of
-- those that are free from the start on.
-- Index: waiting_walk, waiting_pkey; unique_key by job.
CREATE OR REPLACE FUNCTION pawl.run_waiting(worker uuid, head pawl.waiting, size int,
	OUT jobs bigint[], OUT fences bigint[], OUT attempts int[], OUT started_at timestamptz)
LANGUAGE plpgsql
SET enable_seqscan = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_variable
DECLARE
	held bigint[];
BEGIN
	jobs := ARRAY[head.job_id];
	IF size > 1 THEN
		jobs := ARRAY(
			SELECT f.job_id
			FROM (SELECT n.job_id, bool_and(n.kind = head.kind AND n.queue = head.queue
					AND n.run_key IS NOT DISTINCT FROM head.run_key
					AND n.due <= clock_timestamp()
					AND coalesce((n.tries).crashes + (n.tries).failures, 0) = 0)
					OVER (ORDER BY n.job_id) AS goes
				FROM (SELECT w.* FROM pawl.waiting w
					WHERE w.shard = 0 AND w.tenant = head.tenant
						AND w.group_key = head.group_key AND w.job_id >= head.job_id
					ORDER BY w.job_id LIMIT size) n) f
			WHERE f.goes ORDER BY f.job_id);
		held := ARRAY(SELECT c.job_id FROM pawl.waiting c
			WHERE c.shard = 0 AND c.job_id = ANY (jobs)
			ORDER BY c.job_id FOR UPDATE SKIP LOCKED);
		jobs := jobs[1:(SELECT coalesce(min(u.o) - 1, cardinality(jobs))
			FROM unnest(jobs) WITH ORDINALITY u (id, o) WHERE u.id <> ALL (held))];
	END IF;
	started_at := clock_timestamp();
	WITH gone AS (
		DELETE FROM pawl.waiting w
		WHERE w.ctid = ANY (ARRAY(
			SELECT c.ctid FROM pawl.waiting c
			WHERE c.shard = 0 AND c.job_id = ANY (jobs)
			ORDER BY c.job_id FOR UPDATE SKIP LOCKED))
		RETURNING w.*
	), freed AS (
		-- one row for each job that was taken
		DELETE FROM pawl.unique_key u
		WHERE u.ctid = ANY (ARRAY(
			SELECT k.ctid FROM gone g, LATERAL (
				SELECT u.ctid FROM pawl.unique_key u
				WHERE u.shard = 0 AND u.job_id = g.job_id AND u.until_start OFFSET 0) k
			WHERE pawl.is_keyed(g.traits)))
	), numbered AS MATERIALIZED (
		SELECT g.*, nextval('pawl.fence') AS fence
		FROM (SELECT * FROM gone ORDER BY gone.job_id) g
	), claimed AS (
		INSERT INTO pawl.running (job_id, fence, started_at, worker, tries, traits)
		SELECT c.job_id, c.fence, started_at, worker, c.tries, coalesce(c.traits, 0) | 4
		FROM numbered c
	)
	SELECT array_agg(c.job_id), array_agg(c.fence), array_agg(coalesce((c.tries).attempt, 0) + 1)
	INTO jobs, fences, attempts
	FROM numbered c;
END
$$;
