-- check_keys(keys, jobs, until): refuse unique keys that do not belong to so many jobs,
-- or that no job may have, with 22023
--
-- Internal.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.check_keys(keys text[], jobs int, until text)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
	wrong record;
BEGIN
	IF cardinality(keys) IS DISTINCT FROM jobs THEN
		RAISE EXCEPTION 'args and unique_keys must have the same length'
			USING ERRCODE = '22023', DETAIL = format('They have %s and %s elements.',
				coalesce(jobs, 0), cardinality(keys));
	END IF;
	SELECT k.* INTO wrong FROM unnest(keys) WITH ORDINALITY k (key, o)
	WHERE octet_length(k.key) NOT BETWEEN 1 AND 255 OR strpos(k.key, chr(31)) > 0
	ORDER BY k.o LIMIT 1;
	IF strpos(wrong.key, chr(31)) > 0 THEN
		RAISE EXCEPTION 'unique key of a job must not contain the character U+001F'
			USING ERRCODE = '22023', DETAIL = format('It is job %s of the call.', wrong.o);
	ELSIF wrong.key IS NOT NULL THEN
		RAISE EXCEPTION 'unique key of a job must have 1 to 255 bytes'
			USING ERRCODE = '22023', DETAIL = format('Job %s of the call has %s.', wrong.o,
				octet_length(wrong.key));
	END IF;
	PERFORM pawl.check_key(NULL, until);
END
$$;
