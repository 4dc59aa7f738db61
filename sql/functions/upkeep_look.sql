-- upkeep_look: take some of the fleet's duties, or go on with them, and tell what is to do
--
-- All that a worker without work asks for a tick: it writes only when less than half of
-- the lease of a duty is left, and what it names in todo is done by calls of its own, so
-- that a duty that fails takes no other with it.  A table that somebody has locked is not
-- waited for longer than 50 ms: its duty is told as one to do, and learns more.
-- Parameters: worker; duties: of recover, promote, fold, partitions, watch and retain;
-- lease of a duty, 1 ms to 1 day; since: a mark, nothing before it is looked for (NULL: everything
-- is looked at, orphans too): see first_due.
-- Returns: one row.  todo: which of these duties the worker has, and has something to do
-- for (partitions and retain are always told); suspects: as suspects_waiting for the
-- worker's queues and kinds; groups: as groups_waiting.  Of promote, and NULL when it is another's: looked_at; due:
-- the earliest due time since the mark that is over; next_due: the first that comes
-- within the lease (NULL: none).
-- Errors: 22023.
-- Locks: the duties' rows, by duty, SKIP LOCKED.
-- Index: upkeep_pkey, worker_pkey; and as first_due, lost_waiting, fold_waiting,
-- suspects_waiting and groups_waiting.
CREATE OR REPLACE FUNCTION pawl.upkeep_look(
	worker uuid,
	duties text[],
	lease interval,
	since timestamptz DEFAULT NULL)
RETURNS TABLE (todo text[], suspects boolean, looked_at timestamptz, due timestamptz,
	next_due timestamptz, groups boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '50ms'
AS $$
#variable_conflict use_variable
DECLARE
	stamp timestamptz := statement_timestamp();
	mine text[];
BEGIN
	IF worker IS NULL OR duties IS NULL OR lease IS NULL
		OR lease NOT BETWEEN interval '1 ms' AND interval '1 day' THEN
		RAISE EXCEPTION 'duties need a worker and a lease of 1 ms to 1 day'
			USING ERRCODE = '22023';
	END IF;
	UPDATE pawl.upkeep u
	SET worker = upkeep_look.worker, expires_at = clock_timestamp() + lease
	WHERE u.ctid = ANY (ARRAY(SELECT c.ctid FROM pawl.upkeep c
		WHERE c.duty = ANY (duties) AND c.shard = 0
			AND (c.expires_at <= stamp
				OR c.worker = worker AND c.expires_at <= clock_timestamp() + lease / 2)
		ORDER BY c.duty FOR NO KEY UPDATE SKIP LOCKED));
	mine := ARRAY(SELECT u.duty FROM pawl.upkeep u
		WHERE u.duty = ANY (duties) AND u.shard = 0 AND u.worker = worker
			AND u.expires_at > stamp ORDER BY u.duty);
	todo := mine;
	BEGIN
		IF 'recover' = ANY (mine) AND NOT pawl.lost_waiting(since IS NULL) THEN
			todo := array_remove(todo, 'recover');
		END IF;
	EXCEPTION WHEN lock_not_available THEN
	END;
	BEGIN
		IF 'promote' = ANY (mine) THEN
			due := pawl.first_due(since, stamp);
			next_due := pawl.first_due(stamp, stamp + lease);
			IF due IS NULL THEN
				todo := array_remove(todo, 'promote');
			END IF;
			looked_at := stamp;
		END IF;
	EXCEPTION WHEN lock_not_available THEN
	END;
	BEGIN
		IF 'fold' = ANY (mine) AND NOT pawl.fold_waiting() THEN
			todo := array_remove(todo, 'fold');
		END IF;
	EXCEPTION WHEN lock_not_available THEN
	END;
	-- whom a silent wait is made of can be seen by few, that somebody waits by all
	IF 'watch' = ANY (mine)
		AND NOT EXISTS (SELECT FROM pg_locks l WHERE NOT l.granted) THEN
		todo := array_remove(todo, 'watch');
	END IF;
	BEGIN
		suspects := (SELECT pawl.suspects_waiting(w.queues, w.kinds) FROM pawl.worker w
			WHERE w.id = worker AND w.shard = 0);
	EXCEPTION WHEN lock_not_available THEN
	END;
	suspects := coalesce(suspects, false);
	BEGIN
		groups := pawl.groups_waiting();
	EXCEPTION WHEN lock_not_available THEN
		groups := false;	-- the next tick tells it
	END;
	RETURN NEXT;
END
$$;
