-- batch_cancel: end a batch, and with it all of its jobs that have not ended
--
-- The batch is marked and sealed; up to 1,000 of its jobs are cancelled at once, the rest
-- by the fleet's upkeep in chunks.  Then it is done, as cancelled, and its completion job
-- runs.
-- Parameters: batch; reason, kept as the outcomes' error.
-- Returns: the state that it is in now: cancelling, or cancelled when all has ended; that
-- of a batch that was done already, and nothing is changed.
-- Errors: P0002 for an unknown batch; 55P03 when a transaction that has pushed into it
-- stays open for three seconds; 25001 outside READ COMMITTED.
-- Locks: the batch's row, as lock_batch; then as fold.
-- Index: batch_pkey.
CREATE OR REPLACE FUNCTION pawl.batch_cancel(batch bigint, reason text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
AS $$
#variable_conflict use_column
DECLARE
	held pawl.batch;
	stamp timestamptz := clock_timestamp();
BEGIN
	PERFORM pawl.check_isolation('batch_cancel');
	held := pawl.lock_batch(batch);
	IF held.done_at IS NULL AND held.cancelled_at IS NULL THEN
		UPDATE pawl.batch b
		SET cancelled_at = stamp, sealed_at = coalesce(b.sealed_at, stamp),
			reason = batch_cancel.reason
		WHERE b.id = held.id AND b.epoch = held.epoch AND b.shard = 0;
	END IF;
	RETURN pawl.fold(batch);
END
$$;
