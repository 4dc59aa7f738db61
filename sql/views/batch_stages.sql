-- batch_stages: each stage of each batch in its last epoch, exact at this moment
--
-- What the batch's row has, and the deltas that have not been folded yet; of one snapshot.
-- percent and eta are of the jobs that will have come: as many as are expected, or that
-- have come, if that is more; NULL of an open batch's stage into which more was pushed than
-- was expected, for how many will come is not known.  percent is cut, so that it is 100
-- when all have ended, and not before.  rate is that since the mark before the last, ten to
-- twenty seconds ago; when that is much older, because the batch has rested, and work goes
-- on since the last one, it is that since the last.
-- By batch: indexes batch_pkey and batch_delta_pkey.
CREATE OR REPLACE VIEW pawl.batch_stages AS
SELECT c.id AS batch, c.epoch, c.position, c.stage, c.total, c.succeeded, c.failed,
	c.cancelled, c.expected,
	CASE WHEN c.done THEN 100.0
		ELSE trunc(100.0 * c.ended / nullif(c.whole, 0), 1) END AS percent,
	round(c.rate, 3) AS rate,
	CASE WHEN c.done THEN interval '0'
		WHEN c.rate > 0 AND c.whole IS NOT NULL THEN make_interval(secs =>
			least((c.whole - c.ended) / c.rate, 100 * 365.25 * 86400)::float8) END AS eta,
	c.counts
FROM (
	SELECT b.id, b.epoch, s.position, b.stages[s.position] AS stage,
		b.done_at IS NOT NULL AS done, e.total,
		b.succeeded[s.position] + d.succeeded AS succeeded,
		b.failed[s.position] + d.failed AS failed,
		b.cancelled[s.position] + d.cancelled AS cancelled,
		b.expected[s.position] AS expected, e.ended,
		CASE WHEN b.sealed_at IS NOT NULL THEN greatest(e.total, b.expected[s.position])
			WHEN b.expected[s.position] >= e.total THEN b.expected[s.position] END AS whole,
		CASE WHEN b.done_at IS NOT NULL THEN
				e.ended / nullif(extract(epoch FROM b.done_at - b.opened_at)::numeric, 0)
			WHEN b.marks_at - b.marks_before_at > interval '30 s'
				AND clock_timestamp() - b.marks_at BETWEEN interval '1 s' AND interval '30 s'
				AND e.ended > b.marks[s.position] THEN
				(e.ended - b.marks[s.position])
				/ extract(epoch FROM clock_timestamp() - b.marks_at)::numeric
			ELSE (e.ended - b.marks_before[s.position])
				/ nullif(extract(epoch FROM clock_timestamp() - b.marks_before_at)::numeric, 0)
			END AS rate,
		CASE WHEN d.counts IS NULL THEN b.counts[s.position]
			ELSE (SELECT jsonb_object_agg(n.name, n.sum)
				FROM (SELECT p.key AS name, sum(p.value::numeric) AS sum
					FROM unnest(b.counts[s.position] || d.counts) o (names),
						jsonb_each_text(o.names) p
					GROUP BY p.key) n) END AS counts
	FROM pawl.batch b
	CROSS JOIN LATERAL generate_subscripts(b.stages, 1) s (position)
	CROSS JOIN LATERAL (
		SELECT coalesce(sum(d.total), 0) AS total,
			coalesce(sum(d.succeeded), 0) AS succeeded, coalesce(sum(d.failed), 0) AS failed,
			coalesce(sum(d.cancelled), 0) AS cancelled,
			array_agg(d.counts) FILTER (WHERE d.counts IS NOT NULL) AS counts
		FROM pawl.batch_delta d
		WHERE d.shard = 0 AND d.batch = b.id AND d.epoch = b.epoch AND d.xid >= b.folded
			AND d.stage = b.stages[s.position]
	) d
	CROSS JOIN LATERAL (SELECT b.total[s.position] + d.total AS total,
		b.succeeded[s.position] + b.failed[s.position] + b.cancelled[s.position]
			+ d.succeeded + d.failed + d.cancelled AS ended) e
	WHERE b.shard = 0 AND NOT EXISTS (SELECT FROM pawl.batch n
		WHERE n.shard = 0 AND n.id = b.id AND n.epoch > b.epoch)
) c;
