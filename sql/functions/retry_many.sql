-- retry_many: an operator's retry of many failed or cancelled jobs
--
-- Returns: (job, was, done) in the order of the input: the state that it was in and
-- whether this call took it back to ready; was is busy for one that somebody else is
-- retrying just now, unknown for an id that was never pushed.
-- Errors: 25001 outside READ COMMITTED.
-- Locks: rows of outcome in the order of job ids, SKIP LOCKED.
CREATE OR REPLACE FUNCTION pawl.retry_many(jobs bigint[])
RETURNS TABLE (job bigint, was text, done boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	left_over bigint[] := ARRAY(SELECT DISTINCT u.id FROM unnest(jobs) u (id));
	won_jobs bigint[];
	won_states text[];
BEGIN
	PERFORM pawl.check_isolation('retry_many');
	FOR round IN 1..3 LOOP
		SELECT won_jobs || array_agg(r.job), won_states || array_agg(r.was)
		INTO won_jobs, won_states
		FROM pawl.retry_round(left_over, NULL) r;
		SELECT array_agg(u.id) INTO left_over
		FROM unnest(left_over) u (id)
		LEFT JOIN unnest(won_jobs) w (id) ON w.id = u.id
		WHERE CASE WHEN w.id IS NULL THEN
			pawl.state_of(u.id) IN ('failed', 'cancelled') END;
		EXIT WHEN left_over IS NULL;
	END LOOP;
	RETURN QUERY
	SELECT g.id, coalesce(w.state, CASE
			WHEN s.state IN ('failed', 'cancelled') THEN 'busy'
			ELSE coalesce(s.state, 'unknown') END),
		w.id IS NOT NULL
	FROM unnest(jobs) WITH ORDINALITY g (id, o)
	LEFT JOIN unnest(won_jobs, won_states) w (id, state) ON w.id = g.id,
		LATERAL (SELECT CASE WHEN w.id IS NULL THEN pawl.state_of(g.id) END AS state) s
	ORDER BY g.o;
END
$$;
