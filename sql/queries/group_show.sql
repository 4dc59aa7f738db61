-- group_show: one group
--
-- Parameters: $1 text: its key.
-- Columns: those of group_list; one row, also for a group that has no jobs.
-- Index: see pawl.group_show.
SELECT g.group_key, g.state, g.worker_name, NULL AS held_for,
	ceil(extract(epoch FROM g.lease_left))::bigint AS lease_left_s, g.waiting,
	NULL AS age, g.blocked_by, g.head,
	to_char(g.head_due AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS head_due,
	floor(extract(epoch FROM g.oldest))::bigint AS age_s,
	floor(extract(epoch FROM clock_timestamp() - g.since))::bigint AS held_s,
	to_char(g.since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS since,
	g.worker, g.tenant
FROM pawl.group_show($1::text) g
