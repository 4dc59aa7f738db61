-- id_partitions: the partitions of job and outcome, by the ids that they hold
--
-- Returns: (part, low, high, age), oldest first; part is the end of the name that the
-- partitions of job and outcome have in common (outcome's is dropped last); age: 0 for the
-- one that the next id falls into, 1 for the one before it; partitions ahead are left
-- out.  Internal.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.id_partitions()
RETURNS TABLE (part text, low bigint, high bigint, age bigint)
LANGUAGE sql
AS $$
	SELECT substr(c.relname, length('outcome_p') + 1), b.low, b.high,
		row_number() OVER (ORDER BY b.low DESC) - 1
	FROM pg_inherits i
	JOIN pg_class c ON c.oid = i.inhrelid
	CROSS JOIN LATERAL (SELECT m[1]::bigint, m[2]::bigint FROM regexp_match(
		pg_get_expr(c.relpartbound, c.oid), '\(''?(\d+)''?\) TO \(''?(\d+)''?\)') m)
		b (low, high)
	WHERE i.inhparent = 'pawl.outcome'::regclass AND c.relname LIKE 'outcome\_p%'
		AND b.low <= (SELECT s.last_value FROM pawl.job_id s)
	ORDER BY b.low
$$;
