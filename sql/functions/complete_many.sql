-- complete_many: many attempts succeeded; their jobs end
--
-- Parameters: jobs and fences, in pairs; results, or NULL; counts, as
-- complete's, or NULL.  A result over 1 MiB, or counts that are refused, are a failure of
-- the attempt.
-- Returns: (job, answer) in the order of the input: won; busy (fenced by an open
-- transaction: try later); stale.  Never raises for one row.
-- Errors: 22023 when the arrays differ in length.
-- Locks: rows of running in the order of job ids, SKIP LOCKED.
CREATE OR REPLACE FUNCTION pawl.complete_many(jobs bigint[], fences bigint[],
	results jsonb[] DEFAULT NULL, counts jsonb[] DEFAULT NULL)
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
	fit_counts jsonb[] := counts;
	bad bigint[];
	full_stages text[];
	bad_jobs bigint[];
	bad_fences bigint[];
	texts text[];
BEGIN
	PERFORM pawl.check_pairs(jobs, fences, 'fences');
	PERFORM pawl.check_pairs(jobs, results, 'results'),
		pawl.check_pairs(jobs, counts, 'counts');
	IF counts IS NOT NULL THEN
		full_stages := pawl.full_counts(jobs, counts);
	END IF;
	IF results IS NOT NULL OR counts IS NOT NULL THEN
		SELECT array_agg(g.id), array_agg(g.fence), array_agg(g.wrong), array_agg(g.o)
		INTO bad_jobs, bad_fences, texts, bad
		FROM (SELECT g.id, g.fence, g.o, CASE
				WHEN octet_length(g.result::text) > 1048576 THEN format('result has %s '
					'bytes, more than the limit of 1048576', octet_length(g.result::text))
				WHEN g.counts IS NOT NULL THEN
					coalesce(pawl.bad_counts(g.counts), g.full_stage) END AS wrong
			FROM unnest(jobs, fences, results, counts, full_stages) WITH ORDINALITY
				g (id, fence, result, counts, full_stage, o)) g
		WHERE g.wrong IS NOT NULL;
	END IF;
	IF bad_jobs IS NOT NULL THEN
		SELECT array_agg(s.job), array_agg(s.fence) INTO won_jobs, won_fences
		FROM pawl.settle('fail', bad_jobs, bad_fences, errors => texts) s;
		SELECT array_agg(g.id), array_agg(g.fence), array_agg(g.result), array_agg(g.counts)
		INTO fit_jobs, fit_fences, fit_results, fit_counts
		FROM unnest(jobs, fences, results, counts) WITH ORDINALITY
			g (id, fence, result, counts, o)
		WHERE g.o <> ALL (bad);
	END IF;
	SELECT won_jobs || s.won_jobs, won_fences || s.won_fences INTO won_jobs, won_fences
	FROM pawl.settle_complete(fit_jobs, fit_fences, fit_results, fit_counts) s;
	RETURN QUERY
	SELECT a.job, a.answer FROM pawl.answers(jobs, fences, won_jobs, won_fences) a;
END
$$;
