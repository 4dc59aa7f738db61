-- ready_since(lane): since when the first job of a lane is ready, as well as is known
--
-- ready has no times, or each claim would pay for them.  A job that was never claimed is
-- ready since it was pushed or was due; one that has failed, since that attempt ended (its
-- backoff counts, an hour at most).  Of one that was snoozed, given back or retried by an
-- operator nothing is written: what stands behind it in the lane became ready later, so the
-- first that was never claimed, of the next fifty, tells a time that is no earlier; for
-- one that has crashed a worker those of its priority that have not.
-- Parameters: lane: the row of ready.
-- Returns: never a time that is still to come.  Internal.
-- Locks: none.
-- Index: job and attempt by primary key, planned with the value, so that one partition is
-- looked at; ready_walk.
CREATE OR REPLACE FUNCTION pawl.ready_since(lane pawl.ready)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $$
DECLARE
	since timestamptz;
	last record;
	behind pawl.ready;
BEGIN
	EXECUTE 'SELECT greatest(j.pushed_at,
			CASE WHEN j.run_at <= statement_timestamp() THEN j.run_at END)
		FROM pawl.job j WHERE j.shard = 0 AND j.id = $1'
	INTO since USING lane.job_id;
	SELECT a.ended_at, a.attempt, a.category INTO last FROM pawl.attempt a
	WHERE a.shard = 0 AND a.job_id = lane.job_id ORDER BY a.id DESC LIMIT 1;
	IF FOUND AND last.ended_at > since THEN
		since := last.ended_at;
	END IF;
	IF (lane.tries).attempt > 0 AND (last.category IS NULL
			OR last.attempt < (lane.tries).attempt
			OR last.category NOT IN ('error', 'timeout', 'crash')) THEN
		SELECT n.* INTO behind FROM (SELECT r.* FROM pawl.ready r
			WHERE r.shard = 0 AND r.queue = lane.queue AND r.priority = lane.priority % 10
				AND r.pos > lane.pos
			ORDER BY r.pos LIMIT 50) n
		WHERE n.tries IS NULL ORDER BY n.pos LIMIT 1;
		IF FOUND THEN
			RETURN pawl.ready_since(behind);
		END IF;
	END IF;
	RETURN since;
END
$$;
