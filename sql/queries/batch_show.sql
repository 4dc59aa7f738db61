-- batch_show: one batch, a row for each of its stages, of one snapshot
--
-- Parameters: $1 bigint: its id.
-- Columns: those of batch_list; then those of a stage: stage, total, succeeded, failed,
-- cancelled, percent, rate, eta_s, counts.  None when there is no such batch.
-- Index: batch_pkey, batch_delta_pkey.
SELECT b.id, b.name, b.state, b.total, b.succeeded, b.failed, b.cancelled, b.percent,
	b.epoch, b.threshold, b.completion,
	to_char(b.opened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS opened_at,
	to_char(b.sealed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS sealed_at,
	to_char(b.cancelled_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
		AS cancelled_at,
	to_char(b.done_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS done_at,
	b.reason,
	s.stage, s.total, s.succeeded, s.failed, s.cancelled, s.percent, s.rate,
	ceil(extract(epoch FROM s.eta))::bigint AS eta_s, s.counts
FROM pawl.batches b
JOIN pawl.batch_stages s ON s.batch = b.id
WHERE b.id = $1::bigint
ORDER BY s.position
