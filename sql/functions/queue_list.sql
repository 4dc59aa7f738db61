-- queue_list: queues with their settings, their workers and their oldest job
--
-- Queues that have settings, that a worker takes from, or that have a job which could run
-- now; a queue whose jobs are all delayed, or running, may be missing.  Never counts jobs.
-- Parameters: queue: only this one (NULL: all); after: only those behind it by name, the
-- cursor for the next page; n: at most so many, 1 to 10000.
-- Returns: rows by name.  workers: how many take from it whose lease is in force; place,
-- job, kind, group_key, since, age: its oldest job that could run now, or could if it were
-- not paused, as oldest_runnable tells it; NULL without one.
-- Errors: 22023.
-- Locks: none.
-- Index: as oldest_jobs; queue_pkey; workers are few.
CREATE OR REPLACE FUNCTION pawl.queue_list(
	queue text DEFAULT NULL,
	after text DEFAULT NULL,
	n int DEFAULT 1000)
RETURNS TABLE (name text, paused boolean, on_group_failure text, workers int, place text,
	job bigint, kind text, group_key text, since timestamptz, age interval)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pawl, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	IF n IS NULL OR n NOT BETWEEN 1 AND 10000 THEN
		RAISE EXCEPTION 'n of a list must be 1 to 10000, not %', coalesce(n::text, 'NULL')
			USING ERRCODE = '22023';
	END IF;
	RETURN QUERY
	WITH oldest AS MATERIALIZED (
		SELECT DISTINCT ON (o.queue) o.* FROM pawl.oldest_jobs(queue_list.queue) o
		WHERE o.job IS NOT NULL
		ORDER BY o.queue, o.since
	), worker AS MATERIALIZED (
		SELECT u.name, count(*)::int AS workers
		FROM pawl.worker w, unnest(w.queues) u (name)
		WHERE w.shard = 0 AND w.expires_at > clock_timestamp()
		GROUP BY u.name
	), known AS (
		SELECT o.queue AS name FROM oldest o
		UNION SELECT w.name FROM worker w
		UNION SELECT q.name FROM pawl.queue q WHERE q.shard = 0
	)
	SELECT k.name COLLATE "C", coalesce(q.paused, false),
		coalesce(q.on_group_failure, 'block'), coalesce(w.workers, 0), o.place, o.job,
		o.kind, o.group_key, o.since,
		greatest(clock_timestamp() - o.since, interval '0')
	FROM known k
	LEFT JOIN pawl.queue q ON q.shard = 0 AND q.name = k.name
	LEFT JOIN worker w ON w.name = k.name
	LEFT JOIN oldest o ON o.queue = k.name
	WHERE (k.name = queue_list.queue OR queue_list.queue IS NULL)
		AND (k.name COLLATE "C" > after OR after IS NULL)
	ORDER BY 1 LIMIT n;
END
$$;
