-- named_key(key): a key of unique_key for people; of a grouped job with its group
--
-- See scoped_key.  Internal.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.named_key(key text)
RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT
AS $$
BEGIN
	IF strpos(key, chr(31)) = 0 THEN
		RETURN format('"%s"', key);
	END IF;
	RETURN format('"%s" of group "%s"', split_part(key, chr(31), 2),
		split_part(key, chr(31), 1));
END
$$;
