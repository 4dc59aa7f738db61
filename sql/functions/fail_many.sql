-- fail_many: many attempts failed; their jobs are tried again, or end
--
-- Parameters: as fail's, in arrays that belong together; those after errors may be NULL.
-- Returns: (job, answer, state) in the order of the input: won with the state that the job
-- went to (scheduled, grouped: waiting, or failed); busy (fenced by an open transaction: try
-- later); stale.
-- Errors: 22023 when the arrays differ in length, or a category is unknown.
-- Locks: rows of running in the order of job ids, SKIP LOCKED.
CREATE OR REPLACE FUNCTION pawl.fail_many(jobs bigint[], fences bigint[], errors text[],
	details jsonb[] DEFAULT NULL, retries boolean[] DEFAULT NULL,
	retry_ins interval[] DEFAULT NULL, categories text[] DEFAULT NULL)
RETURNS TABLE (job bigint, answer text, state text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	won_jobs bigint[];
	won_fences bigint[];
	states text[];
	finals boolean[];
BEGIN
	PERFORM pawl.check_pairs(jobs, fences, 'fences'),
		pawl.check_pairs(jobs, errors, 'errors'), pawl.check_pairs(jobs, details, 'details'),
		pawl.check_pairs(jobs, retries, 'retries'),
		pawl.check_pairs(jobs, retry_ins, 'retry_ins'),
		pawl.check_pairs(jobs, categories, 'categories');
	IF NOT coalesce(categories, '{}') <@ ARRAY['error', 'timeout'] THEN
		RAISE EXCEPTION 'category of a failure must be error or timeout'
			USING ERRCODE = '22023';
	END IF;
	SELECT array_agg(NOT r ORDER BY o) INTO finals
	FROM unnest(retries) WITH ORDINALITY u (r, o);
	SELECT array_agg(s.job), array_agg(s.fence), array_agg(s.state)
	INTO won_jobs, won_fences, states
	FROM pawl.settle('fail', jobs, fences, errors => errors, details => details,
		categories => categories, delays => retry_ins, finals => finals) s;
	RETURN QUERY
	SELECT a.job, a.answer, CASE a.answer WHEN 'won' THEN s.state END
	FROM ROWS FROM (pawl.answers(jobs, fences, won_jobs, won_fences), unnest(fences))
		WITH ORDINALITY a (job, answer, fence, o)
	LEFT JOIN unnest(won_fences, states) s (fence, state) ON s.fence = a.fence
	ORDER BY a.o;
END
$$;
