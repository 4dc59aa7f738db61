-- fold_ended(batches): fold those of some batches whose jobs have all ended
--
-- For who has just settled, after his commit: so that a batch is done at once, and not at
-- the upkeep's next turn.  Batches that are open, done, or have jobs left cost a look.
-- Returns: those that are sealed and all of whose jobs have ended, but that are not done
-- yet, for somebody else holds them: try again, or leave them to fold_batches.
-- Errors: 25001 outside READ COMMITTED.
-- Locks: as fold, for each in turn, by id.
-- Index: batch_pkey; batch_delta_pkey.  OFFSET 0 makes it a lookup for each batch.
CREATE OR REPLACE FUNCTION pawl.fold_ended(batches bigint[])
RETURNS bigint[]
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
SET enable_seqscan = off
SET jit = off
AS $$
#variable_conflict use_variable
DECLARE
	ended bigint[];
	held bigint[];
	batch bigint;
BEGIN
	PERFORM pawl.check_isolation('fold_ended');
	SELECT array_agg(v.id ORDER BY v.id) INTO ended
	FROM (SELECT DISTINCT u.id FROM unnest(batches) u (id)) g,
		LATERAL (SELECT b.id, b.sealed_at, b.done_at,
				b.total <= b.succeeded + b.failed + b.cancelled AS is_ended
			FROM pawl.batches b WHERE b.id = g.id OFFSET 0) v
	WHERE v.sealed_at IS NOT NULL AND v.done_at IS NULL AND v.is_ended;
	IF ended IS NULL THEN
		RETURN '{}';
	END IF;
	FOREACH batch IN ARRAY ended LOOP
		IF pawl.fold(batch) IN ('busy', 'more', 'sealed', 'cancelling') THEN
			held := held || batch;
		END IF;
	END LOOP;
	RETURN coalesce(held, '{}');
END
$$;
