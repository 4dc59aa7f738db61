-- complete_many: many attempts succeeded; their jobs end
--
-- Parameters: jobs and fences, in pairs; results, or NULL.  A result over 1 MiB is a
-- failure of its attempt.
-- Returns: (job, answer) in the order of the input: won; busy (fenced by an open
-- transaction: try later); stale.  Never raises for one row.
-- Errors: 22023 when the arrays differ in length.
-- Locks: rows of running in the order of job ids, SKIP LOCKED.
CREATE OR REPLACE FUNCTION pawl.complete_many(jobs bigint[], fences bigint[],
	results jsonb[] DEFAULT NULL)
RETURNS TABLE (job bigint, answer text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	won_jobs bigint[];
	won_fences bigint[];
	fit_jobs bigint[] := jobs;
	fit_fences bigint[] := fences;
	fit_results jsonb[] := results;
	large_jobs bigint[];
	large_fences bigint[];
	texts text[];
BEGIN
	PERFORM pawl.check_pairs(jobs, fences, 'fences');
	PERFORM pawl.check_pairs(jobs, results, 'results');
	IF results IS NOT NULL THEN
		SELECT array_agg(g.id), array_agg(g.fence), array_agg(
			format('result has %s bytes, more than the limit of 1048576', g.bytes))
		INTO large_jobs, large_fences, texts
		FROM (SELECT g.id, g.fence, octet_length(g.result::text) AS bytes
			FROM unnest(jobs, fences, results) g (id, fence, result)) g
		WHERE g.bytes > 1048576;
	END IF;
	IF large_jobs IS NOT NULL THEN
		SELECT array_agg(s.job), array_agg(s.fence) INTO won_jobs, won_fences
		FROM pawl.settle('fail', large_jobs, large_fences, errors => texts) s;
		SELECT array_agg(g.id), array_agg(g.fence), array_agg(g.result)
		INTO fit_jobs, fit_fences, fit_results
		FROM unnest(jobs, fences, results) g (id, fence, result)
		WHERE (octet_length(g.result::text) > 1048576) IS NOT TRUE;
	END IF;
	SELECT won_jobs || s.won_jobs, won_fences || s.won_fences INTO won_jobs, won_fences
	FROM pawl.settle_complete(fit_jobs, fit_fences, fit_results) s;
	RETURN QUERY
	SELECT a.job, a.answer FROM pawl.answers(jobs, fences, won_jobs, won_fences) a;
END
$$;
