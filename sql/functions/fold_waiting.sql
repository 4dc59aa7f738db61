-- fold_waiting(): is there a batch in which something has happened since its last fold?
--
-- It looks at the first hundred that are not done; when there are more it says yes, and
-- fold_batches looks at all of them in turn.  Internal.
-- Locks: none.
-- Index: batch_unfinished; batch_delta_pkey.
CREATE OR REPLACE FUNCTION pawl.fold_waiting()
RETURNS boolean
LANGUAGE plpgsql
SET enable_seqscan = off
SET jit = off
AS $$
DECLARE
	most constant int := 100;
	seen int;
	moved boolean;
BEGIN
	SELECT count(*), bool_or(b.cancelled_at IS NOT NULL
		OR b.folded > pg_snapshot_xmax(pg_current_snapshot())
		OR EXISTS (SELECT FROM pawl.batch_delta d
			WHERE d.shard = 0 AND d.batch = b.id AND d.epoch = b.epoch
				AND d.xid >= b.folded)
		OR (b.sealed_at IS NOT NULL AND pawl.has_ended(b)))
	INTO seen, moved
	FROM (SELECT t.* FROM pawl.batch t
		WHERE t.shard = 0 AND t.done_at IS NULL ORDER BY t.id LIMIT most) b;
	RETURN seen = most OR coalesce(moved, false);
END
$$;
