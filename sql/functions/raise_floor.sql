-- raise_floor: note that there is nothing in a lane up to a position, nor will be
--
-- Parameters: queue and priority: the lane; kinds: of these; floor; timeline: of the
-- server that it was found on; after a failover, on another, nothing is written, for
-- positions may be drawn anew below the floor.
-- Locks: rows of lane, by kind, FOR NO KEY UPDATE SKIP LOCKED; a floor that somebody else
-- is raising is left to him.  The insert of a kind's first floor waits for another's.
-- Index: lane_pkey.
CREATE OR REPLACE FUNCTION pawl.raise_floor(queue text, priority int, kinds text[],
	floor bigint, timeline text)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
AS $$
#variable_conflict use_column
BEGIN
	IF timeline IS DISTINCT FROM substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) THEN
		RETURN;
	END IF;
	INSERT INTO pawl.lane (queue, kind, priority)
	SELECT raise_floor.queue, k.kind, raise_floor.priority
	FROM (SELECT u.kind COLLATE "C" AS kind FROM unnest(kinds) u (kind)) k
	WHERE NOT EXISTS (SELECT FROM pawl.lane l
		WHERE l.shard = 0 AND l.queue = raise_floor.queue
			AND l.priority = raise_floor.priority AND l.kind = k.kind)
	ORDER BY k.kind
	ON CONFLICT DO NOTHING;
	UPDATE pawl.lane l SET floor = raise_floor.floor
	WHERE l.ctid = ANY (ARRAY(
		SELECT c.ctid FROM pawl.lane c
		WHERE c.shard = 0 AND c.queue = raise_floor.queue
			AND c.priority = raise_floor.priority AND c.kind = ANY (kinds)
			AND c.floor < raise_floor.floor
		ORDER BY c.kind
		FOR NO KEY UPDATE SKIP LOCKED));
END
$$;
