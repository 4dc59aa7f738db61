-- describe(jobs): what was pushed, as arrays that belong to jobs
--
-- NULLs for a job whose description is missing.  VOLATILE, so that the snapshot is taken
-- after the locks: one that waits while retention empties a partition would not see the
-- survivors in an older one.  Internal.
-- Locks: none.
-- Index: job by primary key, in the partitions between the smallest and the largest id
-- alone: the statement is planned with the values.  OFFSET 0 makes it a lookup for
-- each job, whatever the statistics say.
-- Sorted once, for all arrays: an aggregate with an order of its own sorts by itself.
CREATE OR REPLACE FUNCTION pawl.describe(jobs bigint[],
	OUT kinds text[], OUT queues text[], OUT priorities smallint[],
	OUT attempt_limits int[], OUT group_keys text[], OUT run_keys bigint[])
LANGUAGE plpgsql
AS $$
BEGIN
	EXECUTE
		'SELECT array_agg(s.kind), array_agg(s.queue), array_agg(s.priority),
			array_agg(s.max_attempts), array_agg(s.group_key), array_agg(s.run_key)
		FROM (SELECT j.*
			FROM unnest($1) WITH ORDINALITY g (id, o)
			LEFT JOIN LATERAL (
				SELECT d.kind, d.queue, d.priority, d.max_attempts, d.group_key, d.run_key
				FROM pawl.job d
				WHERE d.shard = 0 AND d.id = g.id AND d.id BETWEEN $2 AND $3 OFFSET 0) j
				ON true
			ORDER BY g.o) s'
	INTO kinds, queues, priorities, attempt_limits, group_keys, run_keys
	USING jobs, (SELECT min(i) FROM unnest(jobs) i), (SELECT max(i) FROM unnest(jobs) i);
END
$$;
