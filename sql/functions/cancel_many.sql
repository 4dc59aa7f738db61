-- cancel_many: end many jobs, in whatever live state they are
--
-- A job that moves between two tables is in neither of them for the one statement that
-- looks meanwhile, so the look is repeated with a new snapshot until each job was won or
-- is seen terminal or unknown, with a short growing pause.
-- Parameters: jobs; reason, kept as the outcome's error.
-- Returns: (job, was, done) in the order of the input: the state that it was in and
-- whether this call cancelled it; was is busy for one that stayed locked (fenced by an
-- open transaction, or in an uncommitted claim), unknown for an id that was never pushed.
-- Errors: 25001 outside READ COMMITTED.
-- Locks: rows of ready, scheduled, waiting and running in the order of job ids, all SKIP
-- LOCKED.
CREATE OR REPLACE FUNCTION pawl.cancel_many(jobs bigint[], reason text DEFAULT NULL)
RETURNS TABLE (job bigint, was text, done boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	live constant text[] := '{ready,scheduled,waiting,running,missing}';
	left_over bigint[] := ARRAY(SELECT DISTINCT u.id FROM unnest(jobs) u (id));
	won_jobs bigint[] := '{}';
	won_states text[] := '{}';
	seen_jobs bigint[] := '{}';
	seen_states text[] := '{}';
	r record;
BEGIN
	PERFORM pawl.check_isolation('cancel_many');
	FOR round IN 1..60 LOOP
		FOR r IN SELECT c.job, c.was FROM pawl.cancel_round(left_over, reason) c LOOP
			won_jobs := won_jobs || r.job;
			won_states := won_states || r.was;
		END LOOP;
		SELECT array_agg(g.id) FILTER (WHERE g.state = ANY (live)),
			seen_jobs || array_agg(g.id) FILTER (WHERE g.state <> ALL (live)),
			seen_states || array_agg(g.state) FILTER (WHERE g.state <> ALL (live))
		INTO left_over, seen_jobs, seen_states
		FROM (SELECT u.id, coalesce(pawl.state_of(u.id), 'unknown') AS state
			FROM unnest(left_over) u (id)
			LEFT JOIN unnest(won_jobs) w (id) ON w.id = u.id
			WHERE w.id IS NULL) g;
		EXIT WHEN left_over IS NULL;
		PERFORM pg_sleep(least(0.001 * round, 0.02));
	END LOOP;
	RETURN QUERY
	SELECT g.id, coalesce(w.state, s.state, CASE WHEN g.id IS NULL THEN 'unknown'
			ELSE 'busy' END), w.id IS NOT NULL
	FROM unnest(jobs) WITH ORDINALITY g (id, o)
	LEFT JOIN unnest(won_jobs, won_states) w (id, state) ON w.id = g.id
	LEFT JOIN unnest(seen_jobs, seen_states) s (id, state) ON s.id = g.id
	ORDER BY g.o;
END
$$;
