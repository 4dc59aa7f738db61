-- fold: add what has happened in a batch to its row, and end it when all has
--
-- The one place where a batch becomes done: sealed, and as many jobs ended as were
-- pushed; its completion job becomes ready in the same transaction.  The deltas are read
-- by a statement that is younger than the lock, so of the last results, the seal and any
-- number of folds exactly one sees all of it.  Of a batch that is being cancelled it ends
-- the next 1,000 jobs.
-- Parameters: batch.
-- Returns: the state that it is in now: open, sealed, cancelling, succeeded, failed or
-- cancelled; busy: somebody else has it, and nothing was done; more: call again.
-- Errors: P0002 for an unknown batch; 25001 outside READ COMMITTED.
-- Locks: the batch's row FOR NO KEY UPDATE SKIP LOCKED, which lets pushes go on; then as
-- settle; rows of batch_delta and the completion job's row of scheduled, SKIP LOCKED: it
-- waits for nobody.
-- Index: batch_pkey; batch_delta_pkey from the first transaction that has not been folded.
CREATE OR REPLACE FUNCTION pawl.fold(batch bigint)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
SET enable_seqscan = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
	held pawl.batch;
	sums record;
	walk record;
	walked boolean := false;
	more boolean := false;
	done boolean := false;
	stamp timestamptz;
BEGIN
	PERFORM pawl.check_isolation('fold');
	SELECT b.* INTO held FROM pawl.batch b
	WHERE b.shard = 0 AND b.id = fold.batch AND b.done_at IS NULL
	ORDER BY b.epoch DESC LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN pawl.state_unless_busy(batch);
	END IF;
	IF held.folded > pg_snapshot_xmax(pg_current_snapshot()) THEN
		held.folded := '0';	-- restored from a server whose transactions were further on
		walked := true;
	END IF;
	IF held.cancelled_at IS NOT NULL THEN
		SELECT * INTO walk FROM pawl.cancel_chunk(held);
		walked := walked
			OR (walk.swept, walk.busy) IS DISTINCT FROM (held.swept, held.busy);
		held.swept := walk.swept;
		held.busy := walk.busy;
		more := walk.more;
	END IF;
	SELECT * INTO sums FROM pawl.take_deltas(held);
	more := more OR sums.more;
	IF held.sealed_at IS NOT NULL AND sums.whole AND sums.ended >= sums.jobs THEN
		done := pawl.ready_completion(held.completion);
	END IF;
	IF NOT (done OR sums.taken > 0 OR walked) THEN
		RETURN CASE WHEN more THEN 'more' WHEN held.cancelled_at IS NOT NULL THEN 'cancelling'
			WHEN held.sealed_at IS NULL THEN 'open' ELSE 'sealed' END;
	END IF;
	stamp := clock_timestamp();
	IF done THEN
		held.done_at := stamp;
		held.state := CASE WHEN held.cancelled_at IS NOT NULL THEN 'cancelled'
			WHEN sums.failures > held.threshold * sums.jobs THEN 'failed'
			ELSE 'succeeded' END;
	END IF;
	IF stamp > held.marks_at + interval '10 s' THEN
		held.marks_before := held.marks;
		held.marks_before_at := held.marks_at;
		held.marks := sums.marks;
		held.marks_at := stamp;
	END IF;
	UPDATE pawl.batch b
	SET total = sums.total, succeeded = sums.succeeded, failed = sums.failed,
		cancelled = sums.cancelled, counts = sums.counts, crowded = sums.crowded,
		folded = sums.folded, swept = held.swept, busy = held.busy, marks = held.marks,
		marks_at = held.marks_at, marks_before = held.marks_before,
		marks_before_at = held.marks_before_at, done_at = held.done_at, state = held.state
	WHERE b.id = held.id AND b.epoch = held.epoch AND b.shard = 0;
	RETURN CASE WHEN done THEN held.state::text WHEN more THEN 'more'
		WHEN held.cancelled_at IS NOT NULL THEN 'cancelling'
		WHEN held.sealed_at IS NULL THEN 'open' ELSE 'sealed' END;
END
$$;
