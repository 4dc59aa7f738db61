-- batch_list: batches, newest first
--
-- Parameters: $1 text: state, NULL: any; $2 bigint: ids below it alone (the cursor), NULL:
-- from the newest; $3 int: how many.
-- Columns: those of `pawl batch list`; times in UTC.
-- Index: batch_pkey, backwards; batch_delta_pkey.
SELECT b.id, b.name, b.state, b.total, b.succeeded, b.failed, b.cancelled, b.percent,
	b.epoch, b.threshold, b.completion,
	to_char(b.opened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS opened_at,
	to_char(b.sealed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS sealed_at,
	to_char(b.cancelled_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
		AS cancelled_at,
	to_char(b.done_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS done_at,
	b.reason
FROM pawl.batches b
WHERE ($1::text IS NULL OR b.state = $1::text)
	AND b.id < coalesce($2::bigint, 9223372036854775807)
ORDER BY b.id DESC LIMIT $3::int
