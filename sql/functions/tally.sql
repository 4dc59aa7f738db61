-- tally(jobs, states, counts): what the end of these jobs adds to their batches
--
-- The arrays belong together; counts is added for jobs that have succeeded.
-- Returns: a row for each batch, epoch and stage, for batch_delta.  VOLATILE, for the
-- reason that describe has.  Internal.
-- Locks: none.
-- Index: job by primary key, in the partitions between the smallest and the largest id
-- alone; of one job in its partition (see description_text).
CREATE OR REPLACE FUNCTION pawl.tally(jobs bigint[], states text[], counts jsonb[])
RETURNS TABLE (batch bigint, epoch int, stage text, succeeded int, failed int,
	cancelled int, sums jsonb)
LANGUAGE plpgsql
AS $$
DECLARE
	described record;
BEGIN
	IF cardinality(jobs) = 1 THEN	-- by plans that are kept
		described := pawl.description(jobs[1]);
		batch := described.batch;
		epoch := described.epoch;
		stage := described.stage;
		IF batch IS NOT NULL THEN
			succeeded := (states[1] = 'succeeded')::int;
			failed := (states[1] = 'failed')::int;
			cancelled := (states[1] = 'cancelled')::int;
			sums := nullif(counts[1], 'null');
			RETURN NEXT;
		END IF;
		RETURN;
	END IF;
	RETURN QUERY EXECUTE
		'SELECT j.batch, j.epoch, j.stage,
			count(*) FILTER (WHERE g.state = ''succeeded'')::int,
			count(*) FILTER (WHERE g.state = ''failed'')::int,
			count(*) FILTER (WHERE g.state = ''cancelled'')::int,
			CASE WHEN count(nullif(g.names, ''null'')) > 0 THEN pawl.sum_counts(
				array_agg(g.names) FILTER (WHERE g.names <> ''null'')) END
		FROM unnest($1, $2, $3) g (id, state, names), LATERAL (
			SELECT d.batch, d.epoch, d.stage FROM pawl.job d
			WHERE d.shard = 0 AND d.id = g.id AND d.id BETWEEN $4 AND $5 OFFSET 0) j
		GROUP BY 1, 2, 3'
	USING jobs, states, counts, (SELECT min(i) FROM unnest(jobs) i),
		(SELECT max(i) FROM unnest(jobs) i);
END
$$;
