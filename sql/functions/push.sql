-- push: enqueue one job; belongs to the caller's transaction
--
-- Parameters: kind names the handler (1 to 255 bytes); args is what it is handed (at
-- most 1 MiB); queue; priority 0 (claimed first) to 9; run_at: not before; unique_key (1
-- to 255 bytes): while a job with that key is live no other is made; unique_until: the
-- key is free again at the job's end, or from its first start on; max_attempts (NULL:
-- 20); timeout of an attempt, 1 ms to 100 years (NULL: 15 min, 0: none); meta is handed
-- to the handler beside args.
-- Returns: the job's id; that of the live job, if the key has one, and nothing is changed.
-- Errors: 22023 for an argument out of its range; with a key also 55P03 when another
-- transaction has kept it undecided for 5 s, and 40001 in REPEATABLE READ and
-- SERIALIZABLE when another transaction has just taken it.
-- Index: sleeper_pkey.
-- Locks: none but those of inserts, and waits for nobody, but for what take_key does.
-- The job is inserted first, so that pos is drawn, and the flags of sleepers are looked
-- for, after the transaction has its xid (see ring): both in the second statement, for
-- each statement costs as much as the rows that it writes.  An expression is prepared anew
-- in each transaction, at a microsecond or two, and the call of another function costs ten:
-- so there are few of them here.
CREATE OR REPLACE FUNCTION pawl.push(
	kind text,
	args jsonb DEFAULT '{}',
	queue text DEFAULT 'default',
	priority int DEFAULT 5,
	run_at timestamptz DEFAULT NULL,
	unique_key text DEFAULT NULL,
	unique_until text DEFAULT 'end',
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
	taken boolean;
	until_start boolean;
	rings boolean;
BEGIN
	-- One look passes what is plainly right; check_job judges the rest.
	IF (octet_length(kind) BETWEEN 1 AND 255 AND octet_length(queue) BETWEEN 1 AND 255
			AND priority BETWEEN 0 AND 9 AND octet_length(args::text) <= 1048576
			AND max_attempts IS NULL AND timeout IS NULL AND meta IS NULL) IS NOT TRUE THEN
		args := coalesce(args, '{}');
		queue := coalesce(queue, 'default');
		priority := coalesce(priority, 5);
		PERFORM pawl.check_job(kind, args, queue, priority, max_attempts, timeout, meta);
	END IF;
	IF unique_key IS NULL THEN
		id := nextval('pawl.job_id');
	ELSE
		PERFORM pawl.check_key(unique_key, unique_until);
		until_start := coalesce(unique_until = 'start', false);
		SELECT k.job, k.taken INTO id, taken
		FROM pawl.take_key(unique_key, until_start, NULL,
			current_setting('lock_timeout')::interval) k;
		IF NOT taken THEN
			RETURN id;
		END IF;
	END IF;
	INSERT INTO pawl.job (id, pushed_at, run_at, timeout, max_attempts, priority,
		until_start, queue, kind, args, meta, unique_key)
	VALUES (id, clock_timestamp(), run_at, timeout, max_attempts, priority,
		until_start, queue, kind, args, meta, unique_key);
	IF run_at > clock_timestamp() THEN
		INSERT INTO pawl.scheduled (job_id, due, priority, keyed, queue, kind)
		VALUES (id, run_at, priority, unique_key IS NOT NULL, queue, kind);
	ELSE
		INSERT INTO pawl.ready (job_id, priority, keyed, queue, kind)
		VALUES (id, priority, unique_key IS NOT NULL, queue, kind)
		RETURNING EXISTS (SELECT FROM pawl.sleeper s WHERE s.shard = 0 AND s.queue = queue)
			OR current_setting('transaction_isolation') <> 'read committed' INTO rings;
		IF rings THEN
			PERFORM pawl.ring(ARRAY[queue]);
		END IF;
	END IF;
	RETURN id;
END
$$;
