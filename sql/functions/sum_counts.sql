-- sum_counts(counts): objects of named counters, added up
--
-- Internal.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.sum_counts(counts jsonb[])
RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
	RETURN (SELECT coalesce(jsonb_object_agg(s.name, s.sum), '{}')
		FROM (SELECT e.key AS name, sum(e.value::numeric) AS sum
			FROM unnest(counts) c (names), jsonb_each_text(c.names) e
			GROUP BY e.key) s);
END
$$;
