-- worker_list: workers by name
--
-- Parameters: $1 int: how many.
-- Columns: those of `pawl worker list`; times in UTC.
-- Index: none; workers are few.
SELECT w.name,
	CASE WHEN NOT w.alive THEN 'lost' WHEN w.stalled IS NOT NULL THEN 'stalled'
		ELSE 'alive' END AS state,
	array_to_string(w.queues, ', ') AS queues,
	greatest(floor(extract(epoch FROM w.expires_at - clock_timestamp())), 0)::bigint
		AS lease_left_s,
	NULL AS stalled_for, w.stalled_detail AS why, w.id,
	to_char(w.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS started_at,
	to_char(w.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS expires_at,
	to_json(w.kinds) AS kinds, w.stalled,
	floor(extract(epoch FROM clock_timestamp() - w.stalled_since))::bigint AS stalled_s,
	to_char(w.stalled_since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
		AS stalled_since
FROM pawl.workers w
ORDER BY w.name COLLATE "C", w.id LIMIT $1::int
