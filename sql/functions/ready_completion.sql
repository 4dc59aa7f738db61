-- ready_completion(job): move the completion job of a batch that is done to ready
--
-- Returns: false when somebody is moving it just now (cancelling it): the end of the batch
-- waits for the next round.  A completion job that has been cancelled, or that there is
-- none (NULL), ends the batch without it.  Internal.
-- Locks: the job's row of scheduled, SKIP LOCKED; inserts into ready.
-- Index: scheduled_pkey.
CREATE OR REPLACE FUNCTION pawl.ready_completion(job bigint)
RETURNS boolean
LANGUAGE plpgsql
AS $$
DECLARE
	queues text[];
BEGIN
	IF job IS NULL THEN
		RETURN true;
	END IF;
	WITH gone AS (
		DELETE FROM pawl.scheduled s
		WHERE s.ctid = (SELECT c.ctid FROM pawl.scheduled c
			WHERE c.shard = 0 AND c.job_id = ready_completion.job FOR UPDATE SKIP LOCKED)
		RETURNING s.*
	), back AS (
		INSERT INTO pawl.ready (job_id, tries, priority, traits, queue, kind)
		SELECT g.job_id, g.tries, g.priority, g.traits, g.queue, g.kind
		FROM gone g
	)
	SELECT array_agg(g.queue) INTO queues FROM gone g;
	PERFORM pawl.ring(queues);
	RETURN queues IS NOT NULL OR pawl.state_of(job) IS DISTINCT FROM 'scheduled';
END
$$;
