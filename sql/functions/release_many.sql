-- release_many: give many jobs back as they were
--
-- Returns: (job, answer) in the order of the input: won, busy, stale (see complete_many).
-- Errors: 22023 when the arrays differ in length.
-- Locks: rows of running in the order of job ids, SKIP LOCKED.
CREATE OR REPLACE FUNCTION pawl.release_many(jobs bigint[], fences bigint[])
RETURNS TABLE (job bigint, answer text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	won_jobs bigint[];
	won_fences bigint[];
BEGIN
	PERFORM pawl.check_pairs(jobs, fences, 'fences');
	SELECT array_agg(s.job), array_agg(s.fence) INTO won_jobs, won_fences
	FROM pawl.settle('release', jobs, fences) s;
	RETURN QUERY
	SELECT a.job, a.answer FROM pawl.answers(jobs, fences, won_jobs, won_fences) a;
END
$$;
