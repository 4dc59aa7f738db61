-- snooze: not now; the job comes back after a delay, and nothing is counted
--
-- Returns: when it is due.
-- Errors: PW001 when the fence is stale; 55P03 when another transaction has fenced the
-- claim; 22023 without a delay.
-- Locks: the row of running, SKIP LOCKED.
CREATE OR REPLACE FUNCTION pawl.snooze(job bigint, fence bigint, delay interval)
RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
AS $$
DECLARE
	due timestamptz;
BEGIN
	IF delay IS NULL THEN
		RAISE EXCEPTION 'delay of a snooze must not be NULL' USING ERRCODE = '22023';
	END IF;
	SELECT s.due INTO due
	FROM pawl.settle('snooze', ARRAY[job], ARRAY[fence], delays => ARRAY[delay]) s;
	IF NOT FOUND THEN
		PERFORM pawl.refuse(job, fence);
	END IF;
	RETURN due;
END
$$;
