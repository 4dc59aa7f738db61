-- bad_counts(counts): why named counters cannot be added; NULL: they can
--
-- An object of at most 64 numbers with names of 1 to 255 bytes.  A number is smaller
-- than 10^19, which has room for each bigint, and has 30 digits behind its point at the
-- most: a sum that numeric cannot hold would end no batch, and no fold of the next ones.
-- Internal.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.bad_counts(counts jsonb)
RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
	names int;
	short int;
	long int;
	wrong text;
	large text;
BEGIN
	IF counts IS NULL OR counts = 'null' THEN
		RETURN NULL;
	ELSIF jsonb_typeof(counts) <> 'object' THEN
		RETURN 'counts is not a JSON object';
	END IF;
	SELECT count(*), min(octet_length(e.key)), max(octet_length(e.key)), min(e.key) FILTER (WHERE n.n IS NULL),
		min(e.key) FILTER (WHERE abs(n.n) >= 1e19 OR scale(n.n) > 30)
	INTO names, short, long, wrong, large
	FROM jsonb_each(counts) e, LATERAL (
		SELECT CASE jsonb_typeof(e.value) WHEN 'number' THEN e.value::numeric END) n (n);
	RETURN CASE WHEN wrong IS NOT NULL THEN
			format('counts has "%s", which is not a number', left(wrong, 100))
		WHEN large IS NOT NULL THEN format('counts has "%s", which is out of range or has '
			'more than 30 digits behind its point', left(large, 100))
		WHEN names > 64 THEN format('counts has %s names, more than the limit of 64', names)
		WHEN short < 1 OR long > 255 THEN
			'a counter''s name must have 1 to 255 bytes of UTF-8' END;
END
$$;
