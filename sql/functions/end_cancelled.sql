-- end_cancelled(jobs, fences): end those claimed jobs whose batch is being cancelled
--
-- For who has just claimed them, in the same transaction: what is being cancelled is not
-- handed out.  The batch's own walk may come to them much later.
-- Parameters: jobs and fences, in pairs.
-- Returns: the fences, NULL for a job that has ended.  VOLATILE, so that the snapshot is
-- taken after the claim: a batch that was cancelled before it is seen.  Internal.
-- Locks: as settle.
-- Index: batch_cancelling; job by primary key, in the partitions between the smallest and
-- the largest id alone: all that lies between them, when that is not much more than what was
-- claimed, else a lookup for each job, as claim does.
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
	lowest bigint;
	highest bigint;
	described constant text := 'SELECT d.id, d.batch, d.epoch FROM pawl.job d
			WHERE d.shard = 0 AND d.id BETWEEN $2 AND $3 AND d.stage IS NOT NULL';
	one_by_one constant text := 'SELECT d.* FROM unnest($1) g (id), LATERAL ('
		|| described || ' AND d.id = g.id OFFSET 0) d';
BEGIN
	IF NOT EXISTS (SELECT FROM pawl.batch b
		WHERE b.shard = 0 AND b.cancelled_at IS NOT NULL AND b.done_at IS NULL) THEN
		RETURN fences;
	END IF;
	SELECT min(i), max(i) INTO lowest, highest FROM unnest(jobs) i;
	EXECUTE
		'WITH cancelling AS MATERIALIZED (
			SELECT b.id, b.epoch, b.reason FROM pawl.batch b
			WHERE b.shard = 0 AND b.cancelled_at IS NOT NULL AND b.done_at IS NULL
		), described AS MATERIALIZED ('
			|| CASE WHEN highest - lowest < 2 * cardinality(jobs) THEN described
			ELSE one_by_one END || '
		), doomed AS MATERIALIZED (
			SELECT d.id, c.reason
			FROM described d JOIN cancelling c ON c.id = d.batch AND c.epoch = d.epoch
		)
		SELECT array_agg(d.id), array_agg(d.reason) FROM doomed d WHERE d.id = ANY ($1)'
	INTO doomed, reasons
	USING jobs, lowest, highest;
	IF doomed IS NULL THEN
		RETURN fences;
	END IF;
	SELECT array_agg(s.job) INTO ended
	FROM pawl.settle('cancel', doomed, NULL, errors => reasons) s;
	RETURN ARRAY(SELECT CASE WHEN g.id <> ALL (coalesce(ended, '{}')) THEN g.fence END
		FROM unnest(jobs, fences) WITH ORDINALITY g (id, fence, o) ORDER BY g.o);
END
$$;
