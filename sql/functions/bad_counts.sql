-- bad_counts(counts): why named counters cannot be added; NULL: they can
--
-- An object of at most 64 numbers with names of at most 255 bytes.  Internal.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.bad_counts(counts jsonb)
RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
	names int;
	long int;
	wrong text;
BEGIN
	IF counts IS NULL OR counts = 'null' THEN
		RETURN NULL;
	ELSIF jsonb_typeof(counts) <> 'object' THEN
		RETURN 'counts is not a JSON object';
	END IF;
	SELECT count(*), max(octet_length(e.key)),
		min(e.key) FILTER (WHERE jsonb_typeof(e.value) <> 'number')
	INTO names, long, wrong
	FROM jsonb_each(counts) e;
	RETURN CASE WHEN wrong IS NOT NULL THEN
			format('counts has "%s", which is not a number', left(wrong, 100))
		WHEN names > 64 THEN format('counts has %s names, more than the limit of 64', names)
		WHEN long > 255 THEN format('counts has a name of %s bytes, more than the limit of '
			'255', long) END;
END
$$;
