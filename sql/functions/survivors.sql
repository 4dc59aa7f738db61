-- survivors(part, low, high, cutoff, n): the jobs of a partition that are live, have ended
-- after cutoff, or keep a group from going on
--
-- Live ones first: a job that ends meanwhile is seen by that look or by the other.
-- Returns: at most n ids; NULL when the partition is to be left for later: more than n
-- were pushed after cutoff, a transaction that pushes into it is open, or what would stay
-- has more than 64 MiB.  Internal.
-- Locks: none.
-- Index: primary keys; the outcomes of the partition are read one after the other.
CREATE OR REPLACE FUNCTION pawl.survivors(part text, low bigint, high bigint,
	cutoff timestamptz, n int)
RETURNS bigint[]
LANGUAGE plpgsql
SET jit = off
AS $$
#variable_conflict use_variable
DECLARE
	most_bytes constant bigint := 64 * 1024 * 1024;
	latest timestamptz;
	young bigint[];
	seen bigint[];
	bytes bigint;
BEGIN
	EXECUTE format('SELECT j.pushed_at FROM pawl.%I j ORDER BY j.id DESC OFFSET $1 LIMIT 1',
		'job_p' || part)
	INTO latest USING n;
	IF latest > cutoff OR EXISTS (SELECT FROM pg_locks l
		WHERE l.relation = format('pawl.%I', 'job_p' || part)::regclass
			AND l.database = (SELECT d.oid FROM pg_database d
				WHERE d.datname = current_database())
			AND l.mode = 'RowExclusiveLock' AND l.pid <> pg_backend_pid()) THEN
		RETURN NULL;
	END IF;
	seen := pawl.live_between(low, high, n) || pawl.stopped_between(low, high, n);
	EXECUTE format('SELECT array_agg(o.job_id) FROM (SELECT c.job_id FROM pawl.%I c
			WHERE c.finished_at > $1 LIMIT $2) o', 'outcome_p' || part)
	INTO young USING cutoff, n;
	SELECT array_agg(DISTINCT s.id) INTO seen FROM unnest(seen || young) s (id);
	seen := coalesce(seen, '{}');
	EXECUTE
		'SELECT sum(pg_column_size(j.args) + coalesce(pg_column_size(j.meta), 0)
			+ coalesce(pg_column_size(o.result), 0) + coalesce(pg_column_size(o.error), 0))
		FROM pawl.job j
		LEFT JOIN pawl.outcome o ON o.shard = 0 AND o.job_id = j.id
			AND o.job_id >= $2 AND o.job_id < $3
		WHERE j.shard = 0 AND j.id = ANY ($1) AND j.id >= $2 AND j.id < $3'
	INTO bytes USING seen, low, high;
	RETURN CASE WHEN bytes > most_bytes THEN NULL ELSE seen END;
END
$$;
