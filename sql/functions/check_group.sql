-- check_group(group_key, run_key): refuse what is no group, or a run of none, with 22023
--
-- The limit is that of src/base/limits.h.  U+001F parts the group of a unique key from
-- the key.  Internal.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.check_group(group_key text, run_key bigint)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
	IF octet_length(group_key) NOT BETWEEN 1 AND 255 THEN
		RAISE EXCEPTION 'group key of a job must have 1 to 255 bytes'
			USING ERRCODE = '22023', DETAIL = format('It has %s.', octet_length(group_key));
	ELSIF strpos(group_key, chr(31)) > 0 THEN
		RAISE EXCEPTION 'group key of a job must not contain the character U+001F'
			USING ERRCODE = '22023';
	ELSIF group_key IS NULL AND run_key IS NOT NULL THEN
		RAISE EXCEPTION 'run_key of a job needs a group_key' USING ERRCODE = '22023';
	END IF;
END
$$;
