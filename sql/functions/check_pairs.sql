-- check_pairs(jobs, others, name): refuse arrays that do not belong together, with 22023
--
-- Internal.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.check_pairs(jobs bigint[], others anyarray, name text)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
	IF cardinality(jobs) <> cardinality(others) THEN
		RAISE EXCEPTION 'jobs and % must have the same length', name
			USING ERRCODE = '22023', DETAIL = format('They have %s and %s elements.',
				cardinality(jobs), cardinality(others));
	END IF;
END
$$;
