-- release: give the job back as it was; nothing is counted
--
-- Errors: PW001 when the fence is stale; 55P03 when another transaction has fenced the
-- claim.
-- Locks: the row of running, SKIP LOCKED.
CREATE OR REPLACE FUNCTION pawl.release(job bigint, fence bigint)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
AS $$
BEGIN
	PERFORM FROM pawl.settle('release', ARRAY[job], ARRAY[fence]);
	IF NOT FOUND THEN
		PERFORM pawl.refuse(job, fence);
	END IF;
END
$$;
