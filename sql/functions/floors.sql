-- floors(queues, kinds): below which position there is nothing in each lane
--
-- Returns: ten (priorities 0 to 9) for each queue in turn; 0 where nothing is known, and
-- everywhere when kinds is NULL: a floor is per kind, or kinds that nobody handles would
-- hold it for ever.
-- Locks: none.
-- Index: lane_pkey.
CREATE OR REPLACE FUNCTION pawl.floors(queues text[], kinds text[])
RETURNS bigint[]
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pawl, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
	SELECT array_agg(coalesce(f.floor, 0) ORDER BY q.o, p.priority)
	FROM unnest(queues) WITH ORDINALITY q (name, o)
	CROSS JOIN generate_series(0, 9) p (priority)
	LEFT JOIN LATERAL (
		SELECT CASE count(*) WHEN cardinality(kinds) THEN min(l.floor) END AS floor
		FROM pawl.lane l
		WHERE l.shard = 0 AND l.queue = q.name AND l.priority = p.priority
			AND l.kind = ANY (kinds)) f ON true
$$;
