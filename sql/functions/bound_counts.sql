-- bound_counts(counts, known): named counters of a stage, 256 at the most
--
-- full_counts refuses new names of a stage that has so many; what has come since the last
-- fold is counted all the same, and what is too much of it under the name "(other)".
-- Parameters: counts, the counters now; known: what they were before, which stays.
-- Internal.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.bound_counts(counts jsonb, known jsonb)
RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
	most constant int := 256;
	other constant text := '(other)';
BEGIN
	IF (SELECT count(*) FROM jsonb_object_keys(counts)) <= most THEN
		RETURN counts;
	END IF;
	RETURN (SELECT jsonb_object_agg(s.name, s.sum)
		FROM (SELECT CASE WHEN c.rank <= most THEN c.name ELSE other END AS name,
				sum(c.value) AS sum
			FROM (SELECT e.key AS name, e.value::numeric AS value,
					row_number() OVER (ORDER BY e.key = other, NOT known ? e.key,
						e.key COLLATE "C") AS rank
				FROM jsonb_each_text(counts) e) c
			GROUP BY 1) s);
END
$$;
