-- queue_list: queues by name, with their workers and their oldest job
--
-- Parameters: $1 text: this queue alone, NULL: all; $2 text: names behind it alone (the
-- cursor), NULL: from the first; $3 int: how many.
-- Columns: those of `pawl queue list`; times in UTC; worker_names: of those that take from
-- it, at most twenty.
-- Index: see pawl.queue_list; workers are few.
SELECT q.name, CASE WHEN q.paused THEN 'paused' ELSE 'active' END AS state, q.workers,
	q.job, NULL AS age, floor(extract(epoch FROM q.age))::bigint AS age_s,
	to_char(q.since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS since,
	q.place, q.kind, q.group_key, q.on_group_failure,
	array_to_string(ARRAY(SELECT w.name FROM pawl.workers w
		WHERE w.alive AND q.name = ANY (w.queues) ORDER BY w.name LIMIT 20), ', ')
		AS worker_names
FROM pawl.queue_list(queue => $1::text, after => $2::text, n => $3::int) q
ORDER BY q.name COLLATE "C"
