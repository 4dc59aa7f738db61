-- claim: take jobs for execution
--
-- Parameters: worker, whose lease must be in force; n: at most so many, 1 to 10000;
-- queues in order of preference; kinds: only these (NULL: all); starts and stops: of each
-- lane, ten (priorities 0 to 9) for each queue in turn, only positions above its start and
-- up to its stop (NULL: from the lane's floor, without an end); suspects: whether to hand
-- out a job that has crashed a worker, which is handed out alone so that no other is
-- charged with its next crash: false: none; true: one such job and nothing else; NULL:
-- only to a claim with n = 1 and without starts.
-- Returns: a row for each job, in the order of claiming: queue, priority, position.
-- fence is the token that every later write presents; attempt counts from 1; deadline_at
-- is NULL and timeout_ms 0 for a job without a timeout; kind, args and queue are NULL when
-- the job's description is missing; lane is that of starts, from 0.  A job whose batch is
-- being cancelled is not handed out: it has ended with the claim, which may answer fewer
-- than n jobs though there are more.  With starts given, such a job has a row without a
-- fence, and rows without a job follow: one for each queue that is paused and was passed
-- over, and last one with the snapshot of the statement that looked.
-- Errors: PW002 when the lease is over; 22023.
-- Locks: the worker's row FOR KEY SHARE with its lease checked; then up to n rows of
-- ready, SKIP LOCKED; deletes the unique keys of those that are free from the start on;
-- with jobs of batches then as end_cancelled.
-- Index: ready_walk; unique_key by job; job by primary key in the partitions between the
-- smallest and the largest id: all that lies between them, when that is not much more than
-- what was claimed (a fifth of the cost of a claim is saved), else a lookup for each job.
-- What the description tells (kind, queue) does not travel through the first statement:
-- each column of a row costs a hundredth of the claim there.  OFFSET 0 and the settings
-- pin these plans, whatever the statistics say, and keep the first statement planned.  A
-- few are claimed by claim_few, in a third of the time.
-- Rows are deleted by ctid: they are locked, and are never updated.
CREATE OR REPLACE FUNCTION pawl.claim(
	worker uuid,
	n int DEFAULT 1,
	queues text[] DEFAULT '{default}',
	kinds text[] DEFAULT NULL,
	starts bigint[] DEFAULT NULL,
	stops bigint[] DEFAULT NULL,
	suspects boolean DEFAULT NULL)
RETURNS TABLE (job bigint, fence bigint, kind text, args jsonb, queue text, attempt int,
	deadline_at timestamptz, batch bigint, stage text, meta jsonb, timeout_ms bigint,
	lane int, pos bigint, crashes int, snapshot text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_indexscan = on
SET enable_nestloop = off
SET enable_hashjoin = on
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
	few constant int := 4;
	default_timeout constant interval := '15 min';
	leased boolean;
	stamp timestamptz := clock_timestamp();
	described constant text := '(SELECT d.id, d.kind, d.args, d.queue, d.timeout, d.batch,
			d.stage, d.meta
		FROM pawl.job d
		WHERE d.shard = 0 AND d.id BETWEEN $6 AND $7';
	in_range constant text := described || ' OFFSET 0) j ON j.id = c.job';
	one_by_one constant text := 'LATERAL ' || described
		|| ' AND d.id = c.job OFFSET 0) j ON true';
	above constant int := CASE WHEN suspects THEN 10 ELSE 0 END;	-- the suspects' lanes
	one_queue boolean;
	ids bigint[];
	lowest bigint;
	highest bigint;
	fences bigint[];
	attempts int[];
	lanes int[];
	positions bigint[];
	most_crashes int;
	seen text;
	paused text[];
	batched boolean;
	from_floors constant boolean := starts IS NULL;
BEGIN
	queues := coalesce(queues, '{default}');
	IF n IS NULL OR n NOT BETWEEN 1 AND 10000 THEN
		RAISE EXCEPTION 'n of a claim must be 1 to 10000, not %', coalesce(n::text, 'NULL')
			USING ERRCODE = '22023';
	END IF;
	IF array_lower(queues, 1) <> 1 OR array_lower(starts, 1) <> 1
		OR array_lower(stops, 1) <> 1 THEN
		queues := ARRAY(SELECT unnest(queues));
		starts := ARRAY(SELECT unnest(starts));
		stops := ARRAY(SELECT unnest(stops));
	END IF;
	IF suspects THEN
		n := 1;
		starts := NULL;
		stops := NULL;
	ELSIF from_floors THEN
		IF array_dims(queues) <> '[1:1]' THEN	-- as of a worker: none twice
			queues := ARRAY(SELECT q.name FROM unnest(queues) WITH ORDINALITY q (name, o)
				GROUP BY q.name ORDER BY min(q.o));
		END IF;
		starts := pawl.floors(queues, kinds);
	END IF;
	IF n <= few AND suspects IS NOT TRUE THEN
		RETURN QUERY SELECT f.*
		FROM pawl.claim_few(worker, n, queues, kinds, starts, stops,
			n = 1 AND suspects IS NULL AND from_floors) f
		WHERE f.fence IS NOT NULL OR NOT from_floors;
		RETURN;
	END IF;
	one_queue := cardinality(queues) = 1;
	WITH leased AS MATERIALIZED (
		SELECT FROM pawl.worker w
		WHERE w.id = claim.worker AND w.shard = 0
			AND w.expires_at > statement_timestamp()
		FOR KEY SHARE
	), lane AS MATERIALIZED (
		SELECT q.name AS queue, p.priority + above AS priority,
			coalesce(starts[(q.o - 1) * 10 + p.priority + 1], 0) AS start,
			coalesce(stops[(q.o - 1) * 10 + p.priority + 1], 9223372036854775807) AS stop
		FROM unnest(queues) WITH ORDINALITY q (name, o), generate_series(0, 9) p (priority)
		WHERE NOT EXISTS (SELECT FROM pawl.queue s
			WHERE s.shard = 0 AND s.name = q.name AND s.paused)
		ORDER BY q.o, p.priority
	), taken AS MATERIALIZED (
		SELECT r.ctid FROM leased, lane l, LATERAL (
			SELECT r.ctid FROM pawl.ready r
			WHERE r.shard = 0 AND r.queue = l.queue AND r.priority = l.priority
				AND r.pos > l.start AND r.pos <= l.stop
				AND (kinds IS NULL OR r.kind = ANY (kinds))
			ORDER BY r.pos LIMIT n
			FOR UPDATE SKIP LOCKED) r
		LIMIT n
	), gone AS (
		DELETE FROM pawl.ready r
		WHERE r.ctid = ANY (ARRAY(SELECT t.ctid FROM taken t))
		RETURNING r.job_id, r.queue, r.priority, r.pos, r.tries, r.traits
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
		FROM (SELECT *, priority % 10 + CASE WHEN one_queue THEN 0
				ELSE 10 * array_position(queues, queue) - 10 END AS lane
			FROM gone ORDER BY lane, gone.pos) g
	), claimed AS (
		INSERT INTO pawl.running (job_id, fence, started_at, worker, tries, traits)
		SELECT c.job_id, c.fence, stamp, claim.worker, c.tries, c.traits
		FROM numbered c
	)
	SELECT EXISTS (SELECT FROM leased), array_agg(c.job_id), min(c.job_id), max(c.job_id),
		array_agg(c.fence), array_agg(coalesce((c.tries).attempt, 0) + 1), array_agg(c.lane),
		array_agg(c.pos), max(coalesce((c.tries).crashes, 0)), pg_current_snapshot(),
		ARRAY(SELECT s.name FROM pawl.queue s
			WHERE s.shard = 0 AND s.name = ANY (queues) AND s.paused),
		bool_or(pawl.is_batched(c.traits))
	INTO leased, ids, lowest, highest, fences, attempts, lanes, positions, most_crashes,
		seen, paused, batched
	FROM numbered c;
	IF NOT leased THEN
		RAISE EXCEPTION 'lease of worker % is over', coalesce(worker::text, 'NULL')
			USING ERRCODE = 'PW002', HINT = 'Start anew with pawl.worker_start().';
	END IF;
	IF batched THEN
		fences := pawl.end_cancelled(ids, fences);
	END IF;
	IF ids IS NOT NULL THEN
		RETURN QUERY EXECUTE
			'SELECT c.job, c.fence, j.kind, j.args, j.queue, c.attempt,
				CASE WHEN j.timeout IS NULL THEN $8 + $9
					WHEN j.timeout > interval ''0'' THEN $8 + j.timeout END,
				j.batch, j.stage, j.meta,
				CASE WHEN j.timeout IS NULL THEN $10
					ELSE (extract(epoch FROM j.timeout) * 1000)::bigint END,
				c.lane, c.pos, $11, NULL::text
			FROM (SELECT unnest($1) AS job, unnest($2) AS fence, unnest($3) AS attempt,
				unnest($4) AS lane, unnest($5) AS pos,
				generate_series(1, cardinality($1)) AS o) c
			LEFT JOIN ' || CASE WHEN highest - lowest < 2 * cardinality(ids) THEN in_range
				ELSE one_by_one END || ' WHERE c.fence IS NOT NULL OR NOT $12 ORDER BY c.o'
		USING ids, fences, attempts, lanes, positions, lowest, highest, stamp,
			default_timeout, (extract(epoch FROM default_timeout) * 1000)::bigint,
			most_crashes, from_floors;
	END IF;
	IF NOT from_floors THEN
		FOREACH queue IN ARRAY paused LOOP
			RETURN NEXT;
		END LOOP;
		queue := NULL;
		snapshot := seen;
		RETURN NEXT;
	END IF;
END
$$;
