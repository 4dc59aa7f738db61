-- retry_round(jobs, run_at, patience): take failed and cancelled jobs back to ready, to
-- scheduled when run_at is to come, or to waiting when they are grouped
--
-- The one statement that makes a terminal job live again.  What the outcome said is kept
-- in attempt; failures and crashes begin at 0; attempt counts on.  A unique key is taken
-- anew before, and given back if its job was not won after all; a job whose key has
-- another live job, or whose batch is done or being cancelled, is left out.  A group that
-- the job has stopped goes on with it.
-- Returns: (job, was) of each job that was won; was is refused for one whose batch is done
-- or being cancelled; or one job that was "busy": another transaction did not let go of
-- its key or batch within patience, and nothing was done.  Internal.
-- Locks: as hold_batches; as retake_keys; rows of outcome in the order of job ids, SKIP
-- LOCKED; inserts into attempt, ready, scheduled, waiting and batch_delta; deletes rows of
-- group_stop, SKIP LOCKED: one that is skipped is void; deletes what was inserted into
-- unique_key.
-- Index: primary keys, in the partitions between the smallest and the largest id alone.  The
-- settings keep the cost from following the square of the jobs where statistics tell of few.
CREATE OR REPLACE FUNCTION pawl.retry_round(jobs bigint[], run_at timestamptz,
	patience interval)
RETURNS TABLE (job bigint, was text)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_nestloop = off
SET jit = off
AS $$
DECLARE
	keys record;
	won bigint[];
	batches record;
BEGIN
	SELECT * INTO batches FROM pawl.hold_batches(jobs, patience);
	IF batches.busy IS NOT NULL THEN
		RETURN QUERY SELECT batches.busy, 'busy';
		RETURN;
	ELSIF batches.refused IS NOT NULL THEN
		RETURN QUERY SELECT u.id, 'refused' FROM unnest(batches.refused) u (id);
		jobs := ARRAY(SELECT u.id FROM unnest(jobs) u (id)
			WHERE u.id <> ALL (batches.refused));
	END IF;
	SELECT * INTO keys FROM pawl.retake_keys(jobs, patience);
	IF keys.busy IS NOT NULL THEN
		RETURN QUERY SELECT keys.busy, 'busy';
		RETURN;
	END IF;
	FOR job, was IN EXECUTE
		'WITH held AS MATERIALIZED (
			SELECT o.job_id FROM pawl.outcome o
			WHERE o.shard = 0 AND o.job_id = ANY ($1) AND o.job_id BETWEEN $2 AND $3
				AND o.state <> ''succeeded''
				AND EXISTS (SELECT FROM pawl.job j
					WHERE j.shard = 0 AND j.id = o.job_id AND j.id BETWEEN $2 AND $3
						AND (j.unique_key IS NULL OR j.id = ANY ($6)))
			ORDER BY o.job_id FOR UPDATE OF o SKIP LOCKED
		), gone AS (
			DELETE FROM pawl.outcome o USING held h
			WHERE o.shard = 0 AND o.job_id = h.job_id AND o.job_id BETWEEN $2 AND $3
			RETURNING o.*
		), back AS MATERIALIZED (
			SELECT g.*, (g.attempt, 0, 0)::pawl.tries AS tries, j.queue, j.kind, j.priority,
				j.traits, j.batch, j.epoch, j.stage, j.group_key, j.run_key
			FROM gone g, LATERAL (SELECT d.queue, d.kind, d.priority,
					pawl.traits(d.unique_key IS NOT NULL, d.stage IS NOT NULL) AS traits,
					d.batch, d.epoch, d.stage, d.group_key, d.run_key
				FROM pawl.job d
				WHERE d.shard = 0 AND d.id = g.job_id AND d.id BETWEEN $2 AND $3 OFFSET 0) j
		), kept AS (
			INSERT INTO pawl.attempt (job_id, fence, started_at, ended_at, worker, attempt,
				category, error, detail)
			SELECT b.job_id, b.fence, b.started_at, b.finished_at, b.worker, b.attempt,
				''operator'', b.error, jsonb_build_object(''was'', b.state, ''at'', $5)
			FROM back b
		), due_now AS (
			INSERT INTO pawl.ready (job_id, tries, priority, traits, queue, kind)
			SELECT b.job_id, b.tries, b.priority, b.traits, b.queue, b.kind
			FROM back b
			WHERE ($4 > $5) IS NOT TRUE AND b.group_key IS NULL
		), due_later AS (
			INSERT INTO pawl.scheduled (job_id, due, tries, priority, traits, queue, kind)
			SELECT b.job_id, $4, b.tries, b.priority, b.traits, b.queue, b.kind
			FROM back b
			WHERE $4 > $5 AND b.group_key IS NULL
		), in_group AS (
			INSERT INTO pawl.waiting (job_id, due, run_key, tries, traits, retried, tenant,
				group_key, queue, kind)
			SELECT b.job_id, greatest($4, $5), b.run_key, b.tries, b.traits, true,
				pawl.tenant_of(b.group_key), b.group_key, b.queue, b.kind
			FROM back b
			WHERE b.group_key IS NOT NULL
		), lifted AS (
			DELETE FROM pawl.group_stop s
			WHERE s.ctid = ANY (ARRAY(
				SELECT c.row FROM back b, LATERAL (
					SELECT c.ctid AS row FROM pawl.group_stop c
					WHERE c.shard = 0 AND c.group_key = b.group_key AND c.job_id = b.job_id
					FOR UPDATE SKIP LOCKED) c))
		), counted_back AS (
			INSERT INTO pawl.batch_delta (batch, epoch, stage, failed, cancelled)
			SELECT b.batch, b.epoch, b.stage, -count(*) FILTER (WHERE b.state = ''failed''),
				-count(*) FILTER (WHERE b.state = ''cancelled'')
			FROM back b WHERE b.stage IS NOT NULL GROUP BY 1, 2, 3
		)
		SELECT b.job_id, b.state::text FROM back b'
	USING jobs, (SELECT min(i) FROM unnest(jobs) i), (SELECT max(i) FROM unnest(jobs) i),
		run_at, clock_timestamp(), keys.kept
	LOOP
		won := won || job;
		RETURN NEXT;
	END LOOP;
	IF won IS NOT NULL AND (run_at > clock_timestamp()) IS NOT TRUE THEN
		PERFORM pawl.ring(d.queues) FROM pawl.describe(won) d;
	END IF;
	IF keys.kept IS NOT NULL AND NOT keys.kept <@ coalesce(won, '{}') THEN
		-- one row for each that was taken in vain; nobody else has seen them
		DELETE FROM pawl.unique_key u
		WHERE u.shard = 0 AND u.job_id = ANY (ARRAY(
			SELECT k.id FROM unnest(keys.kept) k (id) WHERE k.id <> ALL (coalesce(won, '{}'))));
	END IF;
END
$$;
