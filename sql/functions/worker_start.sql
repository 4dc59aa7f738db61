-- worker_start: register a worker process; its lease begins
--
-- Parameters: name for people (NULL: a part of the id); lease 100 ms to 1 day; queues
-- and kinds tell people, and job show, what it handles (NULL: unknown).
-- Returns: the worker's id, a new random uuid at each start.
-- Errors: 22023 for a lease out of its range.
-- Locks: none but those of an insert.  Now and then it attaches partitions ahead, so
-- that a fleet that works through SQL alone never runs out of them.
CREATE OR REPLACE FUNCTION pawl.worker_start(
	name text DEFAULT NULL,
	lease interval DEFAULT '30 s',
	queues text[] DEFAULT NULL,
	kinds text[] DEFAULT NULL)
RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
AS $$
#variable_conflict use_variable
DECLARE
	id uuid := gen_random_uuid();
	stamp timestamptz := clock_timestamp();
BEGIN
	IF lease IS NULL OR lease NOT BETWEEN interval '100 ms' AND interval '1 day' THEN
		RAISE EXCEPTION 'lease of a worker must be 100 ms to 1 day, not %',
			coalesce(lease::text, 'NULL') USING ERRCODE = '22023';
	END IF;
	INSERT INTO pawl.worker (id, name, lease, started_at, expires_at, queues, kinds)
	VALUES (id, coalesce(name, left(id::text, 8)), lease, stamp, stamp + lease, queues,
		kinds);
	PERFORM pawl.extend_partitions(20);
	RETURN id;
END
$$;
