-- cancel_chunk(held): end the next 1,000 jobs of a batch that is being cancelled
--
-- Nothing is pushed into such a batch or retried in it, so one walk over its jobs is
-- enough: those that it finds locked (fenced, being claimed) are remembered, and tried
-- again each time.  When they are as many as a chunk, the walk waits for them.
-- Returns: swept, up to which job it has come; busy, those before it that have not ended;
-- more: there are further ones.  Internal.
-- Locks: as cancel_round; the caller holds the batch's row.
-- Index: job_batch of the partitions from the batch's first job on; outcome by primary
-- key, in the partitions between the smallest and the largest id alone.
CREATE OR REPLACE FUNCTION pawl.cancel_chunk(held pawl.batch,
	OUT swept bigint, OUT busy bigint[], OUT more boolean)
LANGUAGE plpgsql
AS $$
DECLARE
	most constant int := 1000;
	chunk bigint[];
	jobs bigint[] := held.busy;
BEGIN
	swept := greatest(held.swept, held.low);
	IF cardinality(held.busy) < most THEN
		EXECUTE
			'SELECT array_agg(c.id) FROM (SELECT j.id FROM pawl.job j
				WHERE j.batch = $1 AND j.epoch = $2 AND j.id > $3 AND j.stage IS NOT NULL
				ORDER BY j.id LIMIT $4) c'
		INTO chunk USING held.id, held.epoch, swept, most;
		jobs := jobs || chunk;
		swept := coalesce(chunk[cardinality(chunk)], swept);
	END IF;
	busy := '{}';
	IF cardinality(jobs) > 0 THEN
		PERFORM FROM pawl.cancel_round(jobs, held.reason);
		EXECUTE
			'SELECT coalesce(array_agg(g.id ORDER BY g.id), ''{}'')
			FROM unnest($1) g (id) LEFT JOIN LATERAL (
				SELECT true AS ended FROM pawl.outcome o
				WHERE o.shard = 0 AND o.job_id = g.id AND o.job_id BETWEEN $2 AND $3
				OFFSET 0) o ON true
			WHERE o.ended IS NULL'
		INTO busy USING jobs, (SELECT min(i) FROM unnest(jobs) i),
			(SELECT max(i) FROM unnest(jobs) i);
	END IF;
	more := cardinality(busy) < most
		AND (cardinality(held.busy) >= most OR coalesce(cardinality(chunk), 0) = most);
END
$$;
