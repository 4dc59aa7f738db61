-- retry_many: an operator's retry of many failed or cancelled jobs
--
-- Returns: (job, was, done) in the order of the input: the state that it was in and
-- whether this call took it back to ready; not done with was failed or cancelled: its
-- unique key has another live job, or its batch is done or being cancelled; was is busy
-- for one that somebody else is retrying, or whose key an open transaction is taking just
-- now, unknown for an id that was never pushed.
-- Errors: 25001 outside READ COMMITTED.
-- Locks: as retry_round: batches, unique keys ascending, then rows of outcome in the order
-- of job ids, SKIP LOCKED.  It waits at most 50 ms for a key, and then gives all of them back:
-- an operator gives way to a user's transaction.
CREATE OR REPLACE FUNCTION pawl.retry_many(jobs bigint[])
RETURNS TABLE (job bigint, was text, done boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	max_turns constant int := 3;
	max_waits constant int := 40;
	turns int := 0;
	waits int := 0;
	left_over bigint[] := ARRAY(SELECT DISTINCT u.id FROM unnest(jobs) u (id));
	later bigint[];
	won_jobs bigint[];
	won_states text[];
	refused bigint[] := '{}';
	busy bigint;
	r record;
BEGIN
	PERFORM pawl.check_isolation('retry_many');
	WHILE cardinality(left_over) > 0 AND turns < max_turns AND waits < max_waits LOOP
		busy := NULL;
		FOR r IN SELECT * FROM pawl.retry_round(left_over, NULL, interval '50 ms') LOOP
			IF r.was = 'busy' THEN
				busy := r.job;
			ELSIF r.was = 'refused' THEN
				refused := refused || r.job;
			ELSE
				won_jobs := won_jobs || r.job;
				won_states := won_states || r.was;
			END IF;
		END LOOP;
		IF busy IS NOT NULL THEN
			waits := waits + 1;
			later := later || busy;
			left_over := array_remove(left_over, busy);
		ELSE
			turns := turns + 1;
			left_over := later || ARRAY(SELECT u.id FROM unnest(left_over) u (id)
				LEFT JOIN unnest(won_jobs || refused) w (id) ON w.id = u.id
				WHERE CASE WHEN w.id IS NULL THEN
					pawl.state_of(u.id) IN ('failed', 'cancelled')
						AND pawl.rival_of(u.id) IS NULL END);
			later := NULL;
		END IF;
	END LOOP;
	RETURN QUERY
	SELECT g.id, coalesce(w.state, CASE
			WHEN s.state IN ('failed', 'cancelled') AND s.rival IS NULL
				AND g.id <> ALL (refused) THEN 'busy'
			ELSE coalesce(s.state, 'unknown') END),
		w.id IS NOT NULL
	FROM unnest(jobs) WITH ORDINALITY g (id, o)
	LEFT JOIN unnest(won_jobs, won_states) w (id, state) ON w.id = g.id,
		LATERAL (SELECT CASE WHEN w.id IS NULL THEN pawl.state_of(g.id) END AS state,
			CASE WHEN w.id IS NULL THEN pawl.rival_of(g.id) END AS rival) s
	ORDER BY g.o;
END
$$;
