-- state_unless_busy(batch): the state of a batch that is done; busy: it is not
--
-- Raises P0002 for an unknown batch.  Internal.
-- Locks: none.
-- Index: batch_pkey.
CREATE OR REPLACE FUNCTION pawl.state_unless_busy(batch bigint)
RETURNS text
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	state text;
BEGIN
	SELECT coalesce(b.state::text, 'busy') INTO state FROM pawl.batch b
	WHERE b.shard = 0 AND b.id = state_unless_busy.batch
	ORDER BY b.epoch DESC LIMIT 1;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'batch % does not exist', coalesce(batch::text, 'NULL')
			USING ERRCODE = 'P0002';
	END IF;
	RETURN state;
END
$$;
