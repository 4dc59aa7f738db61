-- lost_waiting(orphans): is there something for recover to do?
--
-- Parameters: orphans: look also for rows of running without a worker, which walks over
-- all of running; such rows are rare: recover left them because they were fenced.
-- Returns: whether the lease of a worker is over, or an orphan is there.  Internal.
-- Locks: none.
-- Index: none; worker and running hold what is alive alone.
CREATE OR REPLACE FUNCTION pawl.lost_waiting(orphans boolean)
RETURNS boolean
LANGUAGE plpgsql
SET jit = off
AS $$
BEGIN
	IF EXISTS (SELECT FROM pawl.worker w
		WHERE w.shard = 0 AND w.expires_at <= statement_timestamp()) THEN
		RETURN true;
	END IF;
	IF NOT orphans THEN
		RETURN false;
	END IF;
	RETURN EXISTS (SELECT FROM pawl.running r
		WHERE r.shard = 0 AND NOT EXISTS (SELECT FROM pawl.worker w
			WHERE w.id = r.worker AND w.shard = 0));
END
$$;
