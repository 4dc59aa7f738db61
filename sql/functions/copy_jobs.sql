-- copy_jobs(held, olds, news, made): jobs of a batch again, under new ids and its next epoch
--
-- olds, news and made belong together; what is not made is left out.  Internal.
-- Locks: inserts into job, ready, waiting and batch_delta; the caller holds the batch and
-- the keys.
-- Index: primary keys, in the partitions between the smallest and the largest id alone.
CREATE OR REPLACE FUNCTION pawl.copy_jobs(held pawl.batch, olds bigint[], news bigint[],
	made boolean[])
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
	queues text[];
BEGIN
	EXECUTE
		'WITH source AS MATERIALIZED (
			SELECT n.new, j.*
			FROM unnest($1, $2, $3) n (old, new, made), LATERAL (SELECT d.* FROM pawl.job d
				WHERE d.shard = 0 AND d.id = n.old AND d.id BETWEEN $4 AND $5 OFFSET 0) j
			WHERE n.made IS NOT FALSE
			ORDER BY n.new
		), copied AS (
			INSERT INTO pawl.job (id, pushed_at, timeout, max_attempts, priority, until_start,
				queue, kind, args, meta, unique_key, batch, epoch, stage, group_key, run_key)
			SELECT s.new, $6, s.timeout, s.max_attempts, s.priority, s.until_start, s.queue,
				s.kind, s.args, s.meta, s.unique_key, s.batch, s.epoch + 1, s.stage,
				s.group_key, s.run_key
			FROM source s
		), counted AS (
			INSERT INTO pawl.batch_delta (batch, epoch, stage, total)
			SELECT s.batch, s.epoch + 1, s.stage, count(*) FROM source s
			GROUP BY s.batch, s.epoch, s.stage
		), begun AS (
			INSERT INTO pawl.ready (job_id, priority, traits, queue, kind)
			SELECT s.new, s.priority, 2 + (s.unique_key IS NOT NULL)::int, s.queue, s.kind
			FROM source s WHERE s.group_key IS NULL
		), in_group AS (
			INSERT INTO pawl.waiting (job_id, due, run_key, traits, tenant, group_key, queue,
				kind)
			SELECT s.new, $6, s.run_key, 2 + (s.unique_key IS NOT NULL)::int,
				pawl.tenant_of(s.group_key), s.group_key, s.queue, s.kind
			FROM source s WHERE s.group_key IS NOT NULL
		)
		SELECT array_agg(DISTINCT s.queue) FROM source s'
	INTO queues USING olds, news, made, (SELECT min(i) FROM unnest(olds) i),
		(SELECT max(i) FROM unnest(olds) i), clock_timestamp();
	PERFORM pawl.ring(queues);
END
$$;
