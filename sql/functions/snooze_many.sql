-- snooze_many: not now; many jobs come back, each after its delay
--
-- Returns: (job, answer) in the order of the input: won, busy, stale (see complete_many).
-- Errors: 22023 when the arrays differ in length or a delay is NULL.
-- Locks: rows of running in the order of job ids, SKIP LOCKED.
CREATE OR REPLACE FUNCTION pawl.snooze_many(jobs bigint[], fences bigint[],
	delays interval[])
RETURNS TABLE (job bigint, answer text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	won_jobs bigint[];
	won_fences bigint[];
BEGIN
	PERFORM pawl.check_pairs(jobs, fences, 'fences'),
		pawl.check_pairs(jobs, delays, 'delays');
	IF delays IS NULL
		OR EXISTS (SELECT FROM unnest(delays) d (delay) WHERE d.delay IS NULL) THEN
		RAISE EXCEPTION 'delay of a snooze must not be NULL' USING ERRCODE = '22023';
	END IF;
	SELECT array_agg(s.job), array_agg(s.fence) INTO won_jobs, won_fences
	FROM pawl.settle('snooze', jobs, fences, delays => delays) s;
	RETURN QUERY
	SELECT a.job, a.answer FROM pawl.answers(jobs, fences, won_jobs, won_fences) a;
END
$$;
