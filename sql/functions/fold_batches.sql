-- fold_batches: fold those batches in which something has happened
--
-- Of the batches that are not done the next ones after a cursor, so that none starves
-- others, however many there are.
-- Parameters: after: the cursor (0 or NULL: from the first); n: look at most at so many, 1
-- to 10000.
-- Returns: next: the cursor for the next call; 0: that was the last of them; more: of one
-- of those looked at there is more to do, so begin anew after the last.
-- Errors: 22023; 25001 outside READ COMMITTED; what a batch's fold raises, and then
-- nothing was folded: a subtransaction for each would be too many for a snapshot.  Try
-- one at a time, until next_batch(after) is 0: fold it, and go on after it when that
-- raises, too.
-- Locks: as fold, for each in turn.
-- Index: batch_unfinished; batch_delta_pkey.
CREATE OR REPLACE FUNCTION pawl.fold_batches(after bigint DEFAULT 0, n int DEFAULT 100,
	OUT next bigint, OUT more boolean)
RETURNS record
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
SET enable_seqscan = off
SET jit = off
AS $$
#variable_conflict use_variable
DECLARE
	seen int := 0;
	b record;
BEGIN
	IF n IS NULL OR n NOT BETWEEN 1 AND 10000 THEN
		RAISE EXCEPTION 'n of a fold must be 1 to 10000, not %', coalesce(n::text, 'NULL')
			USING ERRCODE = '22023';
	END IF;
	PERFORM pawl.check_isolation('fold_batches');
	more := false;
	FOR b IN
		SELECT t.id, t.cancelled_at IS NOT NULL
			OR t.folded > pg_snapshot_xmax(pg_current_snapshot())	-- see fold
			OR EXISTS (SELECT FROM pawl.batch_delta d
				WHERE d.shard = 0 AND d.batch = t.id AND d.epoch = t.epoch
					AND d.xid >= t.folded)
			OR (t.sealed_at IS NOT NULL AND pawl.has_ended(t)) AS moved
		FROM pawl.batch t
		WHERE t.shard = 0 AND t.done_at IS NULL AND t.id > coalesce(after, 0)
		ORDER BY t.id LIMIT n
	LOOP
		seen := seen + 1;
		next := b.id;
		CONTINUE WHEN NOT b.moved;
		more := pawl.fold(b.id) = 'more' OR more;
	END LOOP;
	IF seen < n THEN
		next := 0;
	END IF;
END
$$;
