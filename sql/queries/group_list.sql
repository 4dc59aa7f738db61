-- group_list: groups by tenant and key
--
-- Parameters: $1 text: state, NULL: any; $2 text: tenant, NULL: all; $3 text: groups behind
-- it alone (the cursor), NULL: from the first; $4 int: how many.
-- Columns: those of `pawl group list`; times in UTC.
-- Index: see pawl.group_list.
SELECT g.group_key, g.state, g.worker_name, NULL AS held_for,
	ceil(extract(epoch FROM g.lease_left))::bigint AS lease_left_s, g.waiting,
	NULL AS age, g.blocked_by, g.head,
	to_char(g.head_due AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS head_due,
	floor(extract(epoch FROM g.oldest))::bigint AS age_s,
	floor(extract(epoch FROM clock_timestamp() - g.since))::bigint AS held_s,
	to_char(g.since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS since,
	g.worker, g.tenant
FROM pawl.group_list(state => $1::text, tenant => $2::text, after => $3::text,
	n => $4::int) g
