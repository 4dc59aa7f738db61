-- complete: the attempt succeeded; the job ends
--
-- Parameters: job and fence of the claim; result, at most 1 MiB;
-- counts: an object of numbers, which are added to the named counters of the job's stage
-- in its batch.
-- Errors: PW001 when the fence is stale; 55P03 when another transaction has fenced the
-- claim; 22023 when the result is too large, counts is not an object of numbers, or it has
-- a new name for a stage that has 256 of them.
-- Locks: the row of running, SKIP LOCKED.
CREATE OR REPLACE FUNCTION pawl.complete(job bigint, fence bigint, result jsonb DEFAULT NULL,
	counts jsonb DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
AS $$
DECLARE
	wrong text;
BEGIN
	IF octet_length(result::text) > 1048576 THEN
		RAISE EXCEPTION 'result of job % has % bytes, more than the limit of 1048576', job,
			octet_length(result::text) USING ERRCODE = '22023',
			HINT = 'Store the data elsewhere and report a reference to it.';
	END IF;
	IF counts IS NOT NULL THEN
		wrong := coalesce(pawl.bad_counts(counts),
			(pawl.full_counts(ARRAY[job], ARRAY[counts]))[1]);
		IF wrong IS NOT NULL THEN
			RAISE EXCEPTION '%', wrong USING ERRCODE = '22023';
		END IF;
	END IF;
	IF (pawl.settle_complete(ARRAY[job], ARRAY[fence], CASE WHEN result IS NOT NULL
			THEN ARRAY[result] END, CASE WHEN counts IS NOT NULL THEN ARRAY[counts] END)
		).won_jobs IS NULL THEN
		PERFORM pawl.refuse(job, fence);
	END IF;
END
$$;
