-- is_grouped(traits): the job is of a group; of a row of running
--
-- Returns: NULL for a live row without traits (see ready in the tables).  Written so that
-- it becomes a part of the statement that calls it.  Internal.
-- Locks: none.
-- Index: none.
CREATE OR REPLACE FUNCTION pawl.is_grouped(traits smallint)
RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $$
	SELECT traits & 4 > 0
$$;
