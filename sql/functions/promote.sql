-- promote: move jobs that have become due from scheduled to ready, in the order of due
--
-- Parameters: n: at most so many, 1 to 10000; since: those that were due before are left
-- alone (NULL: none): see first_due.
-- Returns: how many were moved; call again while it is n.
-- Errors: 22023.
-- Locks: rows of scheduled, SKIP LOCKED.
-- Index: scheduled_due; the settings pin it.
CREATE OR REPLACE FUNCTION pawl.promote(n int DEFAULT 1000, since timestamptz DEFAULT NULL)
RETURNS int
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_indexscan = on
SET jit = off
AS $$
DECLARE
	moved int;
	queues text[];
BEGIN
	IF n IS NULL OR n NOT BETWEEN 1 AND 10000 THEN
		RAISE EXCEPTION 'n of a promotion must be 1 to 10000, not %',
			coalesce(n::text, 'NULL') USING ERRCODE = '22023';
	END IF;
	WITH gone AS (
		DELETE FROM pawl.scheduled s
		WHERE s.ctid = ANY (ARRAY(
			SELECT c.ctid FROM pawl.scheduled c
			WHERE c.shard = 0 AND c.due <= statement_timestamp()
				AND c.due >= coalesce(since, '-infinity')
			ORDER BY c.due LIMIT n
			FOR UPDATE SKIP LOCKED))
		RETURNING s.*
	), back AS (
		INSERT INTO pawl.ready (job_id, tries, priority, traits, queue, kind)
		SELECT g.job_id, g.tries, g.priority, g.traits, g.queue, g.kind
		FROM (SELECT * FROM gone ORDER BY gone.due, gone.job_id) g
	)
	SELECT count(*), array_agg(DISTINCT g.queue) INTO moved, queues FROM gone g;
	PERFORM pawl.ring(queues);
	RETURN moved;
END
$$;
