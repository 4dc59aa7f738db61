-- description_text(first, size): the text of pawl.description(job), what a claim of a few
-- and a single result read of a job's description
--
-- A plan that is kept locks every partition of job, and to plan the statement anew for each
-- job costs a fifth of a claim.  So extend_partitions writes the function with a statement
-- for each of two partitions: the one that the next id falls into, and the one after it.
-- For any other id it is planned with the id, for one partition.
-- Parameters: first: the number of the partition; size: ids of a partition.
-- Returns: the body; of the function: args, batch, epoch, stage, meta, timeout, NULLs for a
-- job whose description is missing.  It is VOLATILE, so that its snapshot is newer than its
-- lock.  Internal.
-- Locks: none.
-- Index: job by primary key, whatever the statistics say: the caller pins that.
CREATE OR REPLACE FUNCTION pawl.description_text(first bigint, size bigint)
RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
	SELECT replace(replace(format($f$
BEGIN
	IF job >= %1$s AND job < %2$s THEN
		SELECT :columns INTO :into FROM pawl.job_p%4$s d
		WHERE d.shard = 0 AND d.id = job;
	ELSIF job >= %2$s AND job < %3$s THEN
		SELECT :columns INTO :into FROM pawl.job_p%5$s d
		WHERE d.shard = 0 AND d.id = job;
	ELSE
		EXECUTE 'SELECT :columns FROM pawl.job d WHERE d.shard = 0 AND d.id = $1'
		INTO :into USING job;
	END IF;
END
$f$, first * size, (first + 1) * size, (first + 2) * size, first, first + 1),
		':columns', 'd.args, d.batch, d.epoch, d.stage, d.meta, d.timeout'),
		':into', 'args, batch, epoch, stage, meta, timeout')
$$;
