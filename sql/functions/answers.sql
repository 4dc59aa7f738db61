-- answers(jobs, fences, won_jobs, won_fences): what became of each pair that was given
-- to settle
--
-- Returns: in the order of the input: won; busy: the claim stands, but is fenced by an
-- open transaction: try later; stale: it has been superseded.  Internal.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.answers(jobs bigint[], fences bigint[],
	won_jobs bigint[], won_fences bigint[])
RETURNS TABLE (job bigint, answer text)
LANGUAGE plpgsql STABLE
AS $$
#variable_conflict use_variable
BEGIN
	IF cardinality(won_jobs) = cardinality(jobs) THEN
		RETURN QUERY SELECT unnest(jobs), 'won'::text;
		RETURN;
	END IF;
	RETURN QUERY
	SELECT g.id, CASE
		WHEN (g.id, g.fence) IN (SELECT w.job, w.fence
			FROM unnest(won_jobs, won_fences) w (job, fence)) THEN 'won'
		WHEN EXISTS (SELECT FROM pawl.running r
			WHERE r.shard = 0 AND r.job_id = g.id AND r.fence = g.fence) THEN 'busy'
		ELSE 'stale' END
	FROM unnest(jobs, fences) WITH ORDINALITY g (id, fence, o)
	ORDER BY g.o;
END
$$;
