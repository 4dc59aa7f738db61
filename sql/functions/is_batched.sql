-- is_batched(traits): the job counts in a batch
--
-- Returns: NULL for a live row without traits (see ready in the tables).  Written so that
-- it becomes a part of the statement that calls it.  Internal.
-- Locks: none.
-- Index: none.
CREATE OR REPLACE FUNCTION pawl.is_batched(traits smallint)
RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $$
	SELECT traits & 2 > 0
$$;
