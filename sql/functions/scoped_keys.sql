-- scoped_keys(group_keys, keys): scoped_key for many jobs, in arrays that belong together
--
-- keys itself without groups.  Internal.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.scoped_keys(group_keys text[], keys text[])
RETURNS text[]
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
	IF group_keys IS NULL THEN
		RETURN keys;
	END IF;
	RETURN ARRAY(SELECT pawl.scoped_key(u.group_key, u.key)
		FROM unnest(group_keys, keys) WITH ORDINALITY u (group_key, key, o) ORDER BY u.o);
END
$$;
