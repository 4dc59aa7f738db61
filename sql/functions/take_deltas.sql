-- take_deltas(held): delete what has happened in a batch since the last fold, and add it up
--
-- Returns: the new counters of each stage, marks (how many jobs have ended), folded, and
-- of all stages jobs, ended and failures; crowded: a stage has as many names of counters as
-- it may have; taken: how many rows; more: there are further ones; whole: all of them are
-- in the counters.  Internal.
-- Locks: rows of batch_delta, by key, SKIP LOCKED; the caller holds the batch's row, so
-- only an outsider can have one, and then folded stays where it is.
-- Index: batch_delta_pkey.
CREATE OR REPLACE FUNCTION pawl.take_deltas(held pawl.batch,
	OUT total bigint[], OUT succeeded bigint[], OUT failed bigint[], OUT cancelled bigint[],
	OUT counts jsonb[], OUT crowded boolean, OUT marks bigint[], OUT folded xid8, OUT jobs bigint,
	OUT ended bigint, OUT failures bigint, OUT taken int, OUT more boolean, OUT whole boolean)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	most constant int := 20000;
	most_names constant int := 256;	-- as in bound_counts
	seen int;
	horizon xid8;
	last xid8;
BEGIN
	WITH locked AS MATERIALIZED (
		SELECT d.ctid AS row, d.xid FROM pawl.batch_delta d
		WHERE d.shard = 0 AND d.batch = held.id AND d.epoch = held.epoch
			AND d.xid >= held.folded
		ORDER BY d.xid, d.id LIMIT most FOR UPDATE SKIP LOCKED
	), gone AS MATERIALIZED (
		DELETE FROM pawl.batch_delta d WHERE d.ctid = ANY (ARRAY(SELECT l.row FROM locked l))
		RETURNING d.*
	), stage AS (
		SELECT g.stage, sum(g.total) AS total, sum(g.succeeded) AS succeeded,
			sum(g.failed) AS failed, sum(g.cancelled) AS cancelled,
			array_agg(g.counts) FILTER (WHERE g.counts IS NOT NULL) AS counts
		FROM gone g GROUP BY g.stage
	), per AS (
		SELECT s.i, held.total[s.i] + coalesce(g.total, 0) AS total,
			held.succeeded[s.i] + coalesce(g.succeeded, 0) AS succeeded,
			held.failed[s.i] + coalesce(g.failed, 0) AS failed,
			held.cancelled[s.i] + coalesce(g.cancelled, 0) AS cancelled,
			CASE WHEN g.counts IS NULL THEN held.counts[s.i]
				ELSE pawl.bound_counts(pawl.sum_counts(held.counts[s.i] || g.counts),
					held.counts[s.i]) END AS counts
		FROM generate_subscripts(held.stages, 1) s (i)
		LEFT JOIN stage g ON g.stage = held.stages[s.i]
	)
	SELECT array_agg(p.total ORDER BY p.i), array_agg(p.succeeded ORDER BY p.i),
		array_agg(p.failed ORDER BY p.i), array_agg(p.cancelled ORDER BY p.i),
		array_agg(p.counts ORDER BY p.i),
		bool_or((SELECT count(*) FROM jsonb_object_keys(p.counts)) >= most_names),
		array_agg(p.succeeded + p.failed + p.cancelled ORDER BY p.i),
		sum(p.total), sum(p.succeeded + p.failed + p.cancelled), sum(p.failed),
		(SELECT count(*) FROM gone),
		(SELECT l.xid FROM locked l ORDER BY l.xid DESC LIMIT 1),
		(SELECT count(*) FROM (SELECT FROM pawl.batch_delta d
			WHERE d.shard = 0 AND d.batch = held.id AND d.epoch = held.epoch
				AND d.xid >= held.folded LIMIT most) c),
		pg_snapshot_xmin(pg_current_snapshot())
	INTO total, succeeded, failed, cancelled, counts, crowded, marks, jobs, ended, failures, taken,
		last, seen, horizon
	FROM per p;
	more := seen = most;
	whole := taken = seen AND NOT more;
	folded := CASE WHEN taken < seen THEN held.folded WHEN more THEN last ELSE horizon END;
END
$$;
