-- recover: take back what lost workers were running
--
-- Deletes the rows of workers whose lease is over, and the flags of those that are gone;
-- and then, in a new statement (or it would miss a claim in flight), moves what no worker
-- holds: back to ready (grouped: to waiting) as a crash, or to failed at the third.
-- Parameters: n: at most so many jobs, 1 to 10000.
-- Returns: how many were moved; call again while it is n.
-- Errors: 22023; 25001 outside READ COMMITTED.
-- Locks: rows of worker in the order of ids, then of sleeper in the order of its key, then
-- of running in the order of job ids, all SKIP LOCKED: a worker whose claim is in flight,
-- and a claim that is fenced, are looked at again in the next round.
-- Index: none; worker, sleeper and running hold what is alive alone.
CREATE OR REPLACE FUNCTION pawl.recover(n int DEFAULT 1000)
RETURNS int
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
SET jit = off
AS $$
#variable_conflict use_variable
DECLARE
	jobs bigint[];
	fences bigint[];
BEGIN
	IF n IS NULL OR n NOT BETWEEN 1 AND 10000 THEN
		RAISE EXCEPTION 'n of a recovery must be 1 to 10000, not %',
			coalesce(n::text, 'NULL') USING ERRCODE = '22023';
	END IF;
	PERFORM pawl.check_isolation('recover');
	DELETE FROM pawl.worker w
	WHERE w.shard = 0 AND w.id = ANY (ARRAY(
		SELECT e.id FROM pawl.worker e
		WHERE e.shard = 0 AND e.expires_at <= statement_timestamp()
		ORDER BY e.id FOR UPDATE SKIP LOCKED));
	DELETE FROM pawl.sleeper s
	WHERE s.ctid = ANY (ARRAY(
		SELECT c.ctid FROM pawl.sleeper c
		WHERE c.shard = 0 AND NOT EXISTS (SELECT FROM pawl.worker w
			WHERE w.id = c.worker AND w.shard = 0)
		ORDER BY c.queue, c.worker FOR UPDATE OF c SKIP LOCKED));
	SELECT array_agg(o.job_id), array_agg(o.fence) INTO jobs, fences
	FROM (SELECT r.job_id, r.fence FROM pawl.running r
		WHERE r.shard = 0 AND NOT EXISTS (SELECT FROM pawl.worker w
			WHERE w.id = r.worker AND w.shard = 0)
		ORDER BY r.job_id LIMIT n FOR UPDATE OF r SKIP LOCKED) o;
	RETURN (SELECT count(*) FROM pawl.settle('crash', jobs, fences));
END
$$;
