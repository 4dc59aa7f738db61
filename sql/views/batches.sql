-- batches: each batch in its last epoch, with its counters of all stages
--
-- Exact at this moment: what its row has, and the deltas that have not been folded yet; of
-- one snapshot.  batch_progress has the stages apart, and what their handlers have counted.
-- percent is NULL of an open batch into which more was pushed than was expected.
-- By id: indexes batch_pkey and batch_delta_pkey.
CREATE OR REPLACE VIEW pawl.batches AS
SELECT b.id, b.name, b.epoch,
	CASE WHEN b.done_at IS NOT NULL THEN b.state::text
		WHEN b.cancelled_at IS NOT NULL THEN 'cancelling'
		WHEN b.sealed_at IS NOT NULL THEN 'sealed'
		ELSE 'open' END AS state,
	s.total, s.succeeded, s.failed, s.cancelled,
	CASE WHEN b.sealed_at IS NOT NULL THEN round(100.0 * s.ended / nullif(s.total, 0), 1)
		WHEN s.expected >= s.total THEN
			round(100.0 * s.ended / nullif(s.expected, 0), 1) END AS percent,
	b.threshold, b.stages, b.completion, b.opened_at, b.sealed_at, b.cancelled_at, b.done_at,
	b.reason
FROM pawl.batch b
CROSS JOIN LATERAL (
	SELECT r.total + d.total AS total, r.succeeded + d.succeeded AS succeeded,
		r.failed + d.failed AS failed, r.cancelled + d.cancelled AS cancelled,
		r.succeeded + r.failed + r.cancelled + d.succeeded + d.failed + d.cancelled AS ended,
		r.expected
	FROM (SELECT sum(r.total)::bigint AS total, sum(r.succeeded)::bigint AS succeeded,
			sum(r.failed)::bigint AS failed, sum(r.cancelled)::bigint AS cancelled,
			sum(r.expected)::bigint AS expected
		FROM unnest(b.total, b.succeeded, b.failed, b.cancelled, b.expected)
			r (total, succeeded, failed, cancelled, expected)) r,
		(SELECT coalesce(sum(d.total), 0) AS total,
			coalesce(sum(d.succeeded), 0) AS succeeded, coalesce(sum(d.failed), 0) AS failed,
			coalesce(sum(d.cancelled), 0) AS cancelled
		FROM pawl.batch_delta d
		WHERE d.shard = 0 AND d.batch = b.id AND d.epoch = b.epoch
			AND d.xid >= b.folded) d
) s
WHERE b.shard = 0 AND NOT EXISTS (SELECT FROM pawl.batch n
	WHERE n.shard = 0 AND n.id = b.id AND n.epoch > b.epoch);
