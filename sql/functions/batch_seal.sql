-- batch_seal: no more jobs are to come, but those that its running jobs push
--
-- From now on the batch is done as soon as all of its jobs have ended; one without jobs
-- at once.  A batch that is sealed already stays as it is.
-- Parameters: batch.
-- Returns: the state that it is in now: sealed, cancelling, succeeded, failed or
-- cancelled.
-- Errors: P0002 for an unknown batch; 55P03 when a transaction that has pushed into it
-- stays open for three seconds; 25001 outside READ COMMITTED.
-- Locks: the batch's row, as lock_batch; then as fold.
-- Index: batch_pkey.
CREATE OR REPLACE FUNCTION pawl.batch_seal(batch bigint)
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
	PERFORM pawl.check_isolation('batch_seal');
	held := pawl.lock_batch(batch);
	IF held.sealed_at IS NULL THEN
		UPDATE pawl.batch b SET sealed_at = stamp
		WHERE b.id = held.id AND b.epoch = held.epoch AND b.shard = 0;
	END IF;
	RETURN pawl.fold(batch);
END
$$;
