-- check_batch(name, stages, threshold, expected): refuse a batch that must not be opened,
-- with 22023 and the reason
--
-- Internal.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.check_batch(name text, stages text[], threshold numeric,
	expected bigint[])
RETURNS void
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
	most constant int := 64;
	most_expected constant bigint := 1000000000000;
BEGIN
	IF name IS NULL OR octet_length(name) NOT BETWEEN 1 AND 255 THEN
		RAISE EXCEPTION 'name of a batch must have 1 to 255 bytes' USING ERRCODE = '22023',
			DETAIL = format('It has %s.', coalesce(octet_length(name)::text, 'none (NULL)'));
	ELSIF cardinality(stages) NOT BETWEEN 1 AND most THEN
		RAISE EXCEPTION 'a batch must have 1 to % stages, not %', most, cardinality(stages)
			USING ERRCODE = '22023';
	ELSIF EXISTS (SELECT FROM unnest(stages) s (stage)
		WHERE s.stage IS NULL OR octet_length(s.stage) NOT BETWEEN 1 AND 255) THEN
		RAISE EXCEPTION 'stage of a batch must have 1 to 255 bytes' USING ERRCODE = '22023';
	ELSIF (SELECT count(DISTINCT s.stage COLLATE "C") FROM unnest(stages) s (stage))
		< cardinality(stages) THEN
		RAISE EXCEPTION 'stages of a batch must differ' USING ERRCODE = '22023';
	ELSIF threshold NOT BETWEEN 0 AND 1 THEN
		RAISE EXCEPTION 'threshold of a batch must be 0 to 1, not %', threshold
			USING ERRCODE = '22023',
			HINT = 'It is the part of the jobs that may fail: 0.05 for five percent.';
	ELSIF cardinality(expected) <> cardinality(stages) THEN
		RAISE EXCEPTION 'stages and expected must have the same length'
			USING ERRCODE = '22023', DETAIL = format('They have %s and %s elements.',
				cardinality(stages), cardinality(expected));
	ELSIF EXISTS (SELECT FROM unnest(expected) e (jobs)
		WHERE e.jobs NOT BETWEEN 0 AND most_expected) THEN
		RAISE EXCEPTION 'expected jobs of a stage must be 0 to %', most_expected
			USING ERRCODE = '22023';
	END IF;
END
$$;
