-- claim_few: claim for a few jobs, of which none has crashed a worker
--
-- What claim does, in a third of its time, for whoever was rung for a job and wants it soon:
-- a statement without what a few do not need, and descriptions that are looked up one by
-- one.  claim comes here by itself when n is small.
-- Parameters: as of claim, none NULL but kinds and stops; alone: it may also be a job that
-- has crashed a worker, as n is 1.
-- Returns: as claim with starts.
-- Errors: PW002 when the lease is over.
-- Locks: the worker's row FOR KEY SHARE with its lease checked; then up to n rows of
-- ready, SKIP LOCKED; deletes the unique keys of those that are free from the start on;
-- with jobs of batches then as end_cancelled.
-- Index: ready_walk; unique_key by job; job by primary key, in one partition (see
-- description_text).  The settings pin these plans, and keep the statements planned.  Rows
-- are deleted by ctid: they are locked, and are never updated.
CREATE OR REPLACE FUNCTION pawl.claim_few(
	worker uuid,
	n int,
	queues text[],
	kinds text[],
	starts bigint[],
	stops bigint[],
	alone boolean DEFAULT false)
RETURNS TABLE (job bigint, fence bigint, kind text, args jsonb, queue text, attempt int,
	deadline_at timestamptz, batch bigint, stage text, meta jsonb, timeout_ms bigint,
	lane int, pos bigint, crashes int, snapshot text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_indexscan = on
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
	stamp timestamptz := clock_timestamp();
	leased boolean;
	paused text[];
	seen text;
	batched boolean;
	described record;
	patience interval;
BEGIN
	FOR leased, paused, seen, batched, job, fence, kind, queue, attempt, lane, pos,
		crashes IN
		WITH leased AS MATERIALIZED (
			SELECT FROM pawl.worker w
			WHERE w.id = claim_few.worker AND w.shard = 0
				AND w.expires_at > statement_timestamp()
			FOR KEY SHARE
		), paused AS MATERIALIZED (
			SELECT ARRAY(SELECT s.name FROM pawl.queue s
				WHERE s.shard = 0 AND s.name = ANY (queues) AND s.paused) AS names
		), taken AS MATERIALIZED (
			SELECT r.ctid
			FROM leased, paused p, generate_series((NOT alone)::int,
					20 * cardinality(queues) - 1, 2 - alone::int) l (o),
				LATERAL (
				SELECT r.ctid FROM pawl.ready r
				WHERE r.shard = 0 AND r.queue = queues[l.o / 20 + 1]
					AND r.priority = l.o % 20 / 2 + CASE l.o % 2 WHEN 0 THEN 10 ELSE 0 END
					AND r.pos > CASE l.o % 2 WHEN 0 THEN 0 ELSE coalesce(starts[l.o / 2 + 1], 0) END
					AND r.pos <= coalesce(stops[l.o / 2 + 1], 9223372036854775807)
					AND (kinds IS NULL OR r.kind = ANY (kinds))
				ORDER BY r.pos LIMIT n
				FOR UPDATE SKIP LOCKED) r
			WHERE queues[l.o / 20 + 1] <> ALL (p.names)
			LIMIT n
		), gone AS (
			DELETE FROM pawl.ready r
			WHERE r.ctid = ANY (ARRAY(SELECT t.ctid FROM taken t))
			RETURNING r.*
		), freed AS (
			-- one row for each job that was taken
			DELETE FROM pawl.unique_key u
			WHERE u.ctid = ANY (ARRAY(
				SELECT k.ctid FROM gone g, LATERAL (
					SELECT u.ctid FROM pawl.unique_key u
					WHERE u.shard = 0 AND u.job_id = g.job_id AND u.until_start OFFSET 0) k
				WHERE g.traits & 1 > 0))
		), numbered AS MATERIALIZED (
			SELECT g.*, nextval('pawl.fence') AS fence
			FROM (SELECT * FROM gone
				ORDER BY array_position(queues, gone.queue), gone.priority, gone.pos) g
		), claimed AS (
			INSERT INTO pawl.running (job_id, fence, started_at, worker, tries, traits)
			SELECT c.job_id, c.fence, stamp, claim_few.worker, c.tries, c.traits
			FROM numbered c
		)
		SELECT EXISTS (SELECT FROM leased), p.names, pg_current_snapshot(), c.traits & 2 > 0,
			c.job_id, c.fence, c.kind, c.queue, coalesce((c.tries).attempt, 0) + 1,
			10 * array_position(queues, c.queue) - 10 + c.priority % 10, c.pos,
			coalesce((c.tries).crashes, 0)
		FROM paused p LEFT JOIN numbered c ON true
	LOOP
		IF job IS NOT NULL THEN
			IF batched THEN
				fence := (pawl.end_cancelled(ARRAY[job], ARRAY[fence]))[1];
			END IF;
			described := pawl.description(job);
			args := described.args;
			batch := described.batch;
			stage := described.stage;
			meta := described.meta;
			patience := coalesce(described.timeout, interval '15 min');
			deadline_at := CASE WHEN patience > interval '0' THEN stamp + patience END;
			timeout_ms := extract(epoch FROM patience) * 1000;
			RETURN NEXT;
		END IF;
	END LOOP;
	IF NOT leased THEN
		RAISE EXCEPTION 'lease of worker % is over', coalesce(worker::text, 'NULL')
			USING ERRCODE = 'PW002', HINT = 'Start anew with pawl.worker_start().';
	END IF;
	-- One row for each queue that is paused, and the last one for the snapshot.
	job := NULL; fence := NULL; kind := NULL; args := NULL; attempt := NULL;
	deadline_at := NULL; batch := NULL; stage := NULL; meta := NULL; timeout_ms := NULL;
	lane := NULL; pos := NULL; crashes := NULL;
	FOREACH queue IN ARRAY paused || NULL::text LOOP
		snapshot := CASE WHEN queue IS NULL THEN seen END;
		RETURN NEXT;
	END LOOP;
END
$$;
