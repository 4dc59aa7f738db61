-- sweep: look for a job that the claims from a mark have passed over
--
-- A row that was locked when a claim looked, and whose locker rolled back, lies behind
-- the mark.
-- Parameters: queue and priority: the lane; kinds as in claim; positions above after and
-- up to upto, a bounded number of them.
-- Returns: pos: the lowest position at which there is a row, locked or not; NULL: there
-- is none.  oldest: transactions below it had ended when it looked.
-- Locks: none.
-- Index: ready_walk.
CREATE OR REPLACE FUNCTION pawl.sweep(queue text, priority int, kinds text[], after bigint,
	upto bigint, OUT pos bigint, OUT oldest xid8)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pawl, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_indexscan = on
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
	oldest := pg_snapshot_xmin(pg_current_snapshot());
	SELECT r.pos INTO pos FROM pawl.ready r
	WHERE r.shard = 0 AND r.queue = sweep.queue AND r.priority = sweep.priority
		AND r.pos > after AND r.pos <= upto
		AND (kinds IS NULL OR r.kind = ANY (kinds))
	ORDER BY r.pos LIMIT 1;
END
$$;
