-- batches: each batch in its last epoch, with its counters of all stages
--
-- Exact at this moment: what its row has, and the deltas that have not been folded yet; of
-- one snapshot.  batch_progress has the stages apart, and what their handlers have counted.
-- percent is that of the jobs that will have come into all stages, as in batch_stages: NULL
-- of an open batch when that is not known of one of them.  It has its own look at the
-- deltas, which who does not ask for it does not pay.
-- By id: indexes batch_pkey and batch_delta_pkey.
CREATE OR REPLACE VIEW pawl.batches AS
SELECT b.id, b.name, b.epoch,
	CASE WHEN b.done_at IS NOT NULL THEN b.state::text
		WHEN b.cancelled_at IS NOT NULL THEN 'cancelling'
		WHEN b.sealed_at IS NOT NULL THEN 'sealed'
		ELSE 'open' END AS state,
	s.total, s.succeeded, s.failed, s.cancelled,
	CASE WHEN b.done_at IS NOT NULL THEN 100.0
		ELSE trunc(100.0 * s.ended / nullif((
			SELECT CASE WHEN b.sealed_at IS NOT NULL
					OR bool_and(coalesce(w.expected >= w.total, false))
				THEN sum(greatest(w.total, w.expected)) END
			FROM (SELECT r.expected, r.total + coalesce(d.total, 0) AS total
				FROM unnest(b.stages, b.total, b.expected) r (stage, total, expected)
				LEFT JOIN (SELECT d.stage, sum(d.total) AS total
					FROM pawl.batch_delta d
					WHERE d.shard = 0 AND d.batch = b.id AND d.epoch = b.epoch
						AND d.xid >= b.folded
					GROUP BY d.stage) d ON d.stage = r.stage) w), 0), 1) END AS percent,
	b.threshold, b.stages, b.completion, b.opened_at, b.sealed_at, b.cancelled_at, b.done_at,
	b.reason
FROM pawl.batch b
CROSS JOIN LATERAL (
	SELECT r.total + d.total AS total, r.succeeded + d.succeeded AS succeeded,
		r.failed + d.failed AS failed, r.cancelled + d.cancelled AS cancelled,
		r.succeeded + r.failed + r.cancelled + d.succeeded + d.failed + d.cancelled AS ended
	FROM (SELECT sum(r.total)::bigint AS total, sum(r.succeeded)::bigint AS succeeded,
			sum(r.failed)::bigint AS failed, sum(r.cancelled)::bigint AS cancelled
		FROM unnest(b.total, b.succeeded, b.failed, b.cancelled)
			r (total, succeeded, failed, cancelled)) r,
		(SELECT coalesce(sum(d.total), 0) AS total,
			coalesce(sum(d.succeeded), 0) AS succeeded, coalesce(sum(d.failed), 0) AS failed,
			coalesce(sum(d.cancelled), 0) AS cancelled
		FROM pawl.batch_delta d
		WHERE d.shard = 0 AND d.batch = b.id AND d.epoch = b.epoch
			AND d.xid >= b.folded) d
) s
WHERE b.shard = 0 AND NOT EXISTS (SELECT FROM pawl.batch n
	WHERE n.shard = 0 AND n.id = b.id AND n.epoch > b.epoch);
