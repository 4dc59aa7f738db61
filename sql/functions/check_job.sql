-- check_job(...): refuse a job that must not be pushed, with 22023 and the reason
--
-- The limits are those of src/base/limits.h.  A deadline beyond the calendar would make
-- every claim of its job raise, and with it of all others behind it; years are looked at
-- apart, for days may hide them from the comparison.  Internal.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.check_job(kind text, args jsonb, queue text, priority int,
	max_attempts int, timeout interval, meta jsonb)
RETURNS void
LANGUAGE plpgsql STABLE
AS $$
DECLARE
	bytes int;
BEGIN
	IF kind IS NULL OR octet_length(kind) NOT BETWEEN 1 AND 255 THEN
		RAISE EXCEPTION 'kind of a job must have 1 to 255 bytes'
			USING ERRCODE = '22023', DETAIL = format('It has %s.',
				coalesce(octet_length(kind)::text, 'none (NULL)'));
	ELSIF queue IS NULL OR octet_length(queue) NOT BETWEEN 1 AND 255 THEN
		RAISE EXCEPTION 'queue of a job must have 1 to 255 bytes'
			USING ERRCODE = '22023', DETAIL = format('It has %s.',
				coalesce(octet_length(queue)::text, 'none (NULL)'));
	ELSIF priority IS NULL OR priority NOT BETWEEN 0 AND 9 THEN
		RAISE EXCEPTION 'priority of a job must be 0 to 9, not %',
			coalesce(priority::text, 'NULL') USING ERRCODE = '22023';
	ELSIF max_attempts < 1 THEN
		RAISE EXCEPTION 'max_attempts of a job must be at least 1, not %', max_attempts
			USING ERRCODE = '22023';
	ELSIF timeout <> interval '0' AND (abs(extract(year FROM timeout)) > 100
			OR timeout NOT BETWEEN interval '1 ms' AND interval '100 years') THEN
		RAISE EXCEPTION 'timeout of a job must be 0 or 1 ms to 100 years, not %', timeout
			USING ERRCODE = '22023', HINT = 'A timeout of 0 means none.';
	END IF;
	bytes := greatest(octet_length(args::text), octet_length(meta::text));
	IF bytes > 1048576 THEN
		RAISE EXCEPTION 'args or meta of a job has % bytes, more than the limit of 1048576',
			bytes USING ERRCODE = '22023',
			HINT = 'Store the data elsewhere and push a reference to it.';
	END IF;
END
$$;
