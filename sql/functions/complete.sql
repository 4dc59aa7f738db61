-- complete: the attempt succeeded; the job ends
--
-- Parameters: job and fence of the claim; result, at most 1 MiB;
-- counts: an object of numbers, which are added to the named counters of the job's stage
-- in its batch.
-- Errors: PW001 when the fence is stale; 55P03 when another transaction has fenced the
-- claim; 22023 when the result is too large, counts is not an object of numbers, or it has
-- a new name for a stage that has 256 of them.
-- Locks: the row of running, SKIP LOCKED; the job's unique key is deleted by the same
-- statement.  Then it inserts into outcome, and into batch_delta when the job belongs to a
-- batch.
-- Index: running_pkey, unique_key by job; the setting pins them.  Written for the one job:
-- settle_complete's plan for many takes half as long again, in 64 sessions, of which none
-- finds its plan in the processor's cache, a fifth.
CREATE OR REPLACE FUNCTION pawl.complete(job bigint, fence bigint, result jsonb DEFAULT NULL,
	counts jsonb DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
#variable_conflict use_variable
DECLARE
	wrong text;
	gone pawl.running;
	described record;
BEGIN
	IF octet_length(result::text) > 1048576 THEN
		RAISE EXCEPTION 'result of job % has % bytes, more than the limit of 1048576', job,
			octet_length(result::text) USING ERRCODE = '22023',
			HINT = 'Store the data elsewhere and report a reference to it.';
	END IF;
	IF counts IS NOT NULL THEN
		wrong := coalesce(pawl.bad_counts(counts),
			(pawl.full_counts(ARRAY[job], ARRAY[counts]))[1]);
		IF wrong IS NOT NULL THEN
			RAISE EXCEPTION '%', wrong USING ERRCODE = '22023';
		END IF;
	END IF;
	WITH gone AS (
		DELETE FROM pawl.running r
		WHERE r.ctid = (SELECT h.ctid FROM pawl.running h
			WHERE h.shard = 0 AND h.job_id = job AND h.fence = fence FOR UPDATE SKIP LOCKED)
		RETURNING r.*
	), freed AS (
		-- one row
		DELETE FROM pawl.unique_key u
		WHERE u.ctid = (SELECT k.ctid FROM gone g, LATERAL (
				SELECT u.ctid FROM pawl.unique_key u
				WHERE u.shard = 0 AND u.job_id = g.job_id OFFSET 0) k
			WHERE pawl.is_keyed(g.traits))
	), ended AS (
		-- What follows the end of a job belongs here, in settle_complete and in settle.
		INSERT INTO pawl.outcome
			(job_id, fence, started_at, finished_at, worker, attempt, state, result)
		SELECT g.job_id, g.fence, g.started_at, clock_timestamp(), g.worker,
			(g.tries).attempt + 1, 'succeeded', result
		FROM gone g
	)
	SELECT g.* INTO gone FROM gone g;
	IF NOT FOUND THEN
		PERFORM pawl.refuse(job, fence);
	END IF;
	IF pawl.is_batched(gone.traits) THEN
		described := pawl.description(job);
		INSERT INTO pawl.batch_delta (batch, epoch, stage, succeeded, counts)
		SELECT described.batch, described.epoch, described.stage, 1, nullif(counts, 'null')
		WHERE described.batch IS NOT NULL;
	END IF;
END
$$;
