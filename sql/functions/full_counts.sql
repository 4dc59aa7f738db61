-- full_counts(jobs, counts): why named counters of these jobs cannot be added; NULL: they
-- can
--
-- A stage has at most 256 names; what is counted under one of them is counted on, a new
-- one is refused.  The stages are looked at as their last fold has left them: without one
-- that has so many names this is one look at an empty index.
-- Parameters: jobs and their counts, in pairs.
-- Returns: a text or NULL for each of them; NULL when there is none.  VOLATILE, for the
-- reason that describe has.  Internal.
-- Locks: none.
-- Index: batch_crowded; then batch_pkey and job by primary key, in the partitions between
-- the smallest and the largest id alone.
CREATE OR REPLACE FUNCTION pawl.full_counts(jobs bigint[], counts jsonb[])
RETURNS text[]
LANGUAGE plpgsql
SET enable_seqscan = off
SET jit = off
AS $$
DECLARE
	most constant int := 256;
	texts text[];
BEGIN
	IF NOT EXISTS (SELECT FROM pawl.batch b
		WHERE b.shard = 0 AND b.crowded AND b.done_at IS NULL) THEN
		RETURN NULL;
	END IF;
	EXECUTE
		'SELECT array_agg(CASE WHEN s.known IS NOT NULL
				AND NOT s.known ?& ARRAY(SELECT jsonb_object_keys(g.names))
			THEN format(''stage "%s" of batch %s has %s names of counters, and takes no ''
				''other'', j.stage, j.batch, $5) END ORDER BY g.o)
		FROM (SELECT u.id, u.o, CASE jsonb_typeof(u.names) WHEN ''object'' THEN u.names
				ELSE ''{}'' END AS names
			FROM unnest($1, $2) WITH ORDINALITY u (id, names, o)) g
		LEFT JOIN LATERAL (
			SELECT d.batch, d.epoch, d.stage FROM pawl.job d
			WHERE d.shard = 0 AND d.id = g.id AND d.id BETWEEN $3 AND $4 OFFSET 0) j ON true
		LEFT JOIN (
			SELECT b.id AS batch, b.epoch, b.stages[c.i] AS stage, b.counts[c.i] AS known
			FROM pawl.batch b, generate_subscripts(b.stages, 1) c (i)
			WHERE b.shard = 0 AND b.crowded AND b.done_at IS NULL
				AND (SELECT count(*) FROM jsonb_object_keys(b.counts[c.i])) >= $5
		) s USING (batch, epoch, stage)'
	INTO texts USING jobs, counts, (SELECT min(i) FROM unnest(jobs) i),
		(SELECT max(i) FROM unnest(jobs) i), most;
	RETURN texts;
END
$$;
