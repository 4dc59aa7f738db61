-- scoped_key(group_key, key): the row's key in unique_key for a job's unique key
--
-- That of a grouped job is one of its group; U+001F is in neither.  NULL without a key.  A
-- plain expression, which a statement takes in.  Internal.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.scoped_key(group_key text, key text)
RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
	SELECT coalesce(group_key || chr(31), '') || key
$$;
