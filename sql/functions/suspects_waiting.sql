-- suspects_waiting: is a job ready that has crashed a worker before?
--
-- Such a job is handed out alone (see claim).
-- Parameters: queues and kinds as in claim.
-- Locks: none.
-- Index: ready_walk; the lanes of suspects are empty while nothing crashes.
CREATE OR REPLACE FUNCTION pawl.suspects_waiting(queues text[], kinds text[] DEFAULT NULL)
RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pawl, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
	SELECT EXISTS (
		SELECT FROM pawl.ready r
		WHERE r.shard = 0 AND r.queue = ANY (queues) AND r.priority >= 10
			AND (kinds IS NULL OR r.kind = ANY (kinds))
			AND NOT EXISTS (SELECT FROM pawl.queue q
				WHERE q.shard = 0 AND q.name = r.queue AND q.paused))
$$;
