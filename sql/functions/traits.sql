-- traits(keyed, batched): the bits of a live row that say so; NULL when there is none
--
-- Returns: 1 for a job with a unique key, 2 for one that counts in a batch (see ready in the
-- tables); is_keyed, is_batched and is_grouped read them.  Written so that it becomes a
-- part of the statement that calls it.  Internal.
-- Locks: none.
-- Index: none.
CREATE OR REPLACE FUNCTION pawl.traits(keyed boolean, batched boolean)
RETURNS smallint
LANGUAGE sql IMMUTABLE
AS $$
	SELECT CASE WHEN keyed OR batched THEN (keyed::int + 2 * batched::int)::smallint END
$$;
