-- end_cancelled(jobs, fences): end those claimed jobs whose batch is being cancelled
--
-- For who has just claimed them, in the same transaction: what is being cancelled is not
-- handed out.  The batch's own walk may come to them much later.
-- Parameters: jobs and fences, in pairs.
-- Returns: the fences, NULL for a job that has ended.  VOLATILE, so that the snapshot is
-- taken after the claim: a batch that was cancelled before it is seen.  Internal.
-- Locks: as settle.
-- Index: batch_cancelling; job by primary key, in the partitions between the smallest and
-- the largest id alone.
CREATE OR REPLACE FUNCTION pawl.end_cancelled(jobs bigint[], fences bigint[])
RETURNS bigint[]
LANGUAGE plpgsql
SET enable_seqscan = off
SET jit = off
AS $$
DECLARE
	doomed bigint[];
	reasons text[];
	ended bigint[];
BEGIN
	IF NOT EXISTS (SELECT FROM pawl.batch b
		WHERE b.shard = 0 AND b.cancelled_at IS NOT NULL AND b.done_at IS NULL) THEN
		RETURN fences;
	END IF;
	EXECUTE
		'SELECT array_agg(g.id), array_agg(b.reason)
		FROM unnest($1) g (id), LATERAL (
			SELECT d.batch, d.epoch FROM pawl.job d
			WHERE d.shard = 0 AND d.id = g.id AND d.id BETWEEN $2 AND $3
				AND d.stage IS NOT NULL OFFSET 0) j, LATERAL (
			SELECT t.reason FROM pawl.batch t
			WHERE t.shard = 0 AND t.id = j.batch AND t.epoch = j.epoch
				AND t.cancelled_at IS NOT NULL AND t.done_at IS NULL OFFSET 0) b'
	INTO doomed, reasons
	USING jobs, (SELECT min(i) FROM unnest(jobs) i), (SELECT max(i) FROM unnest(jobs) i);
	IF doomed IS NULL THEN
		RETURN fences;
	END IF;
	SELECT array_agg(s.job) INTO ended
	FROM pawl.settle('cancel', doomed, NULL, errors => reasons) s;
	RETURN ARRAY(SELECT CASE WHEN g.id <> ALL (coalesce(ended, '{}')) THEN g.fence END
		FROM unnest(jobs, fences) WITH ORDINALITY g (id, fence, o) ORDER BY g.o);
END
$$;
