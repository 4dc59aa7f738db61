-- next_batch: the first batch after a cursor that is not done
--
-- For whoever folds them one at a time, after fold_batches has raised: the cursor is this
-- one, whether its fold raises or not, so that newer ones do not wait for it.
-- Parameters: after: the cursor (0 or NULL: from the first).
-- Returns: its id; 0: there is none.
-- Locks: none.
-- Index: batch_unfinished.
CREATE OR REPLACE FUNCTION pawl.next_batch(after bigint DEFAULT 0)
RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pawl, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
	SELECT coalesce((SELECT t.id FROM pawl.batch t
		WHERE t.shard = 0 AND t.done_at IS NULL AND t.id > coalesce(after, 0)
		ORDER BY t.id LIMIT 1), 0)
$$;
