-- cut(value, bytes): value, or as much of it as fits into so many bytes, with a mark
--
-- Cuts at a character.  The mark tells how many bytes were left out.  Internal.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.cut(value text, bytes int)
RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
	raw bytea;
	keep int := bytes - 40;		-- room for the mark
BEGIN
	IF value IS NULL OR octet_length(value) <= bytes THEN
		RETURN value;
	END IF;
	raw := convert_to(value, 'UTF8');
	WHILE keep > 0 AND get_byte(raw, keep) & 192 = 128 LOOP
		keep := keep - 1;
	END LOOP;
	RETURN convert_from(substring(raw FROM 1 FOR keep), 'UTF8')
		|| format('... [%s bytes cut]', octet_length(raw) - keep);
END
$$;
