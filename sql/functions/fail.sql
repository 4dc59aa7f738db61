-- fail: the attempt failed; the job is tried again, or ends
--
-- Parameters: job and fence of the claim; error text (cut at 64 KiB) and detail, kept in
-- pawl.attempts; retry => false ends the job at once; retry_in instead of the backoff of
-- min(1 h, 2 s * 2^(failures - 1)) +- 20 %; category: error or timeout.
-- Returns: the state that the job went to: scheduled (grouped: waiting) or failed.
-- Errors: PW001 when the fence is stale; 55P03 when another transaction has fenced the
-- claim; 22023.
-- Locks: the row of running, SKIP LOCKED.
CREATE OR REPLACE FUNCTION pawl.fail(job bigint, fence bigint, error text,
	detail jsonb DEFAULT NULL, retry boolean DEFAULT true, retry_in interval DEFAULT NULL,
	category text DEFAULT 'error')
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
AS $$
DECLARE
	went text;
BEGIN
	IF category NOT IN ('error', 'timeout') THEN
		RAISE EXCEPTION 'category of a failure must be error or timeout, not "%"', category
			USING ERRCODE = '22023';
	END IF;
	SELECT s.state INTO went
	FROM pawl.settle('fail', ARRAY[job], ARRAY[fence], errors => ARRAY[error],
		details => ARRAY[detail], categories => ARRAY[category],
		delays => ARRAY[retry_in], finals => ARRAY[NOT retry]) s;
	IF NOT FOUND THEN
		PERFORM pawl.refuse(job, fence);
	END IF;
	RETURN went;
END
$$;
