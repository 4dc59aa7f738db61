-- push: enqueue one job; belongs to the caller's transaction
--
-- Parameters: kind names the handler (1 to 255 bytes); args is what it is handed (at
-- most 1 MiB); queue; priority 0 (claimed first) to 9; run_at: not before; max_attempts
-- (NULL: 20); timeout of an attempt, 1 ms to 100 years (NULL: 15 min, 0: none); meta is
-- handed to the handler beside args.
-- Returns: the job's id.
-- Errors: 22023 for an argument out of its range.
-- Locks: none but those of an insert; waits for nobody.
-- The job is inserted first, so that pos is drawn after the transaction has its xid.
CREATE OR REPLACE FUNCTION pawl.push(
	kind text,
	args jsonb DEFAULT '{}',
	queue text DEFAULT 'default',
	priority int DEFAULT 5,
	run_at timestamptz DEFAULT NULL,
	max_attempts int DEFAULT NULL,
	timeout interval DEFAULT NULL,
	meta jsonb DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	id bigint;
	stamp timestamptz := clock_timestamp();
BEGIN
	args := coalesce(args, '{}');
	queue := coalesce(queue, 'default');
	priority := coalesce(priority, 5);
	PERFORM pawl.check_job(kind, args, queue, priority, max_attempts, timeout, meta);
	id := nextval('pawl.job_id');
	INSERT INTO pawl.job
		(id, pushed_at, run_at, timeout, max_attempts, priority, queue, kind, args, meta)
	VALUES (id, stamp, run_at, timeout, max_attempts, priority, queue, kind, args, meta);
	IF run_at > stamp THEN
		INSERT INTO pawl.scheduled (job_id, due, priority, queue, kind)
		VALUES (id, run_at, priority, queue, kind);
	ELSE
		INSERT INTO pawl.ready (job_id, priority, queue, kind)
		VALUES (id, priority, queue, kind);
	END IF;
	RETURN id;
END
$$;
