-- check_key(key, until): refuse what is no unique key, or not its end, with 22023
--
-- The limit is that of src/base/limits.h.  U+001F parts the group of a key from the key
-- (see scoped_key).  Internal.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.check_key(key text, until text)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
	IF octet_length(key) NOT BETWEEN 1 AND 255 THEN
		RAISE EXCEPTION 'unique key of a job must have 1 to 255 bytes'
			USING ERRCODE = '22023', DETAIL = format('It has %s.', octet_length(key));
	ELSIF strpos(key, chr(31)) > 0 THEN
		RAISE EXCEPTION 'unique key of a job must not contain the character U+001F'
			USING ERRCODE = '22023';
	ELSIF until NOT IN ('end', 'start') THEN
		RAISE EXCEPTION 'unique_until of a job must be end or start, not "%"', until
			USING ERRCODE = '22023';
	END IF;
END
$$;
