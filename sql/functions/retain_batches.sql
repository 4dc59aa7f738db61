-- retain_batches(keep): delete batches that ended more than keep ago, once the last of
-- their jobs is gone
--
-- The jobs go with their partition, so of many old batches the oldest tell.  Whoever
-- looks at a job finds the batch that it names.
-- Returns: as retain: step batches, gone: how many rows, one for each epoch.  Internal.
-- Locks: rows of batch, by their key, SKIP LOCKED.
-- Index: batch_done; job_batch of the partitions from the batch's first job on.
CREATE OR REPLACE FUNCTION pawl.retain_batches(keep interval)
RETURNS TABLE (step text, part text, gone bigint, kept bigint)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_indexscan = on
SET jit = off
AS $$
DECLARE
	few constant int := 1000;
	b record;
	old bigint[] := '{}';
	found_job boolean;
BEGIN
	FOR b IN SELECT t.id, min(t.low) AS low
		FROM (SELECT d.id, d.low FROM pawl.batch d
			WHERE d.shard = 0 AND d.done_at < clock_timestamp() - keep
			ORDER BY d.done_at LIMIT few) t
		GROUP BY t.id
	LOOP
		EXECUTE 'SELECT EXISTS (SELECT FROM pawl.job j WHERE j.batch = $1 AND j.id > $2)'
		INTO found_job USING b.id, b.low;
		CONTINUE WHEN found_job;
		old := old || b.id;
	END LOOP;
	DELETE FROM pawl.batch d
	WHERE d.ctid = ANY (ARRAY(
		SELECT c.ctid FROM pawl.batch c
		WHERE c.shard = 0 AND c.id = ANY (old)
		ORDER BY c.id, c.epoch FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS gone = ROW_COUNT;
	IF gone > 0 THEN
		step := 'batches';
		part := '';
		RETURN NEXT;
	END IF;
END
$$;
