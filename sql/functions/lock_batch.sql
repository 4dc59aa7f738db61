-- lock_batch(batch): the last epoch of a batch, held alone
--
-- For those who seal, cancel and rerun it: they wait for the pushes into it that are in
-- flight, 40 times 50 ms with pauses, less than three seconds in all; an operator gives
-- way to a user's transaction.
-- Returns: the row.  Raises P0002 for an unknown batch, 55P03.  Internal.
-- Locks: the batch's row FOR UPDATE.
-- Index: batch_pkey.
CREATE OR REPLACE FUNCTION pawl.lock_batch(batch bigint)
RETURNS pawl.batch
LANGUAGE plpgsql
SET lock_timeout = '50ms'
AS $$
#variable_conflict use_column
DECLARE
	held pawl.batch;
	pause_s float8 := 0.001;
BEGIN
	FOR round IN 1..40 LOOP
		BEGIN
			SELECT b.* INTO held FROM pawl.batch b
			WHERE b.shard = 0 AND b.id = lock_batch.batch
			ORDER BY b.epoch DESC LIMIT 1 FOR UPDATE;
			IF NOT FOUND THEN
				RAISE EXCEPTION 'batch % does not exist', coalesce(batch::text, 'NULL')
					USING ERRCODE = 'P0002';
			ELSIF NOT EXISTS (SELECT FROM pawl.batch b
				WHERE b.shard = 0 AND b.id = held.id AND b.epoch > held.epoch) THEN
				RETURN held;
			END IF;
		EXCEPTION WHEN lock_not_available THEN
			PERFORM pg_sleep(pause_s);
			pause_s := least(pause_s * 1.5, 0.02);
		END;
	END LOOP;
	RAISE EXCEPTION 'batch % is held by an open transaction', batch
		USING ERRCODE = '55P03',
		DETAIL = 'A transaction that has pushed or retried a job of the batch, or sealed or '
			'cancelled it, has not ended.',
		HINT = 'Try again when that transaction has ended.';
END
$$;
