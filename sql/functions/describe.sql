-- describe(jobs): what was pushed, as arrays that belong to jobs
--
-- NULLs for a job whose description is missing.  VOLATILE, so that the snapshot is taken
-- after the locks: one that waits while retention empties a partition would not see the
-- survivors in an older one.  Internal.
-- Locks: none.
-- Index: job by primary key, in the partitions between the smallest and the largest id
-- alone: the statement is planned with the values.  OFFSET 0 makes it a lookup for
-- each job, whatever the statistics say.
CREATE OR REPLACE FUNCTION pawl.describe(jobs bigint[],
	OUT kinds text[], OUT queues text[], OUT priorities smallint[],
	OUT attempt_limits int[])
LANGUAGE plpgsql
AS $$
BEGIN
	EXECUTE
		'SELECT array_agg(j.kind ORDER BY g.o), array_agg(j.queue ORDER BY g.o),
			array_agg(j.priority ORDER BY g.o), array_agg(j.max_attempts ORDER BY g.o)
		FROM unnest($1) WITH ORDINALITY g (id, o)
		LEFT JOIN LATERAL (
			SELECT d.kind, d.queue, d.priority, d.max_attempts FROM pawl.job d
			WHERE d.shard = 0 AND d.id = g.id AND d.id BETWEEN $2 AND $3 OFFSET 0) j ON true'
	INTO kinds, queues, priorities, attempt_limits
	USING jobs, (SELECT min(i) FROM unnest(jobs) i), (SELECT max(i) FROM unnest(jobs) i);
END
$$;
