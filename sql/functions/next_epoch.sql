-- next_epoch(held, low, completion): the row of a batch's next epoch, sealed, and its
-- completion job
--
-- low: its jobs have greater ids; completion: the id of that job.  Internal.
-- Locks: inserts into batch, job, scheduled.
CREATE OR REPLACE FUNCTION pawl.next_epoch(held pawl.batch, low bigint,
	completion bigint)
RETURNS void
LANGUAGE plpgsql
AS $$
#variable_conflict use_variable
DECLARE
	stamp timestamptz := clock_timestamp();
	zeros bigint[] := array_fill(0::bigint, ARRAY[cardinality(held.stages)]);
BEGIN
	INSERT INTO pawl.batch (id, opened_at, sealed_at, folded, low, completion, marks_at,
		marks_before_at, epoch, threshold, name, stages, total, succeeded, failed, cancelled,
		marks, marks_before, counts, on_complete)
	VALUES (held.id, stamp, stamp, pg_current_xact_id(), low,
		CASE WHEN held.on_complete IS NOT NULL THEN completion END, stamp, stamp, held.epoch + 1,
		held.threshold, held.name, held.stages, zeros, zeros, zeros, zeros, zeros, zeros,
		array_fill('{}'::jsonb, ARRAY[cardinality(held.stages)]), held.on_complete);
	IF held.on_complete IS NOT NULL THEN
		PERFORM pawl.add_completion(completion, held.id, held.epoch + 1, held.on_complete);
	END IF;
END
$$;
