-- push: enqueue one job; belongs to the caller's transaction
--
-- Parameters: kind names the handler (1 to 255 bytes); args is what it is handed (at
-- most 1 MiB); queue; priority 0 (claimed first) to 9; run_at: not before; unique_key (1
-- to 255 bytes): while a job with that key is live no other is made; unique_until: the
-- key is free again at the job's end, or from its first start on; group_key (1 to 255
-- bytes): the jobs of a group run one at a time, in the order of their ids, without
-- priorities, and a unique key is one of its group; run_key: what still waits in the
-- group under a smaller one is superseded; max_attempts (NULL: 20); timeout of an
-- attempt, 1 ms to 100 years (NULL: 15 min, 0: none); meta is handed to the handler beside
-- args; batch and stage (NULL: the batch's first) that the job counts in; parent_fence, the
-- fence of a running job of that batch, which may push into it when it is sealed, and
-- parent, its id: with it the fence is found by key.
-- Returns: the job's id; that of the live job, if the key has one, and nothing is changed.
-- Errors: 22023 for an argument out of its range; with a key also 55P03 when another
-- transaction has kept it undecided for 5 s, and 40001 in REPEATABLE READ and
-- SERIALIZABLE when another transaction has just taken it; with a batch P0002 when there is
-- none, PW004 when it is sealed, cancelled or done; PW001 when parent_fence is stale.
-- Index: sleeper_pkey.
-- Locks: none but those of inserts, and waits for nobody, but for what enter_batch and
-- then take_key do.
-- The id is the position too, so it is drawn after the transaction has its xid; and so do
-- groups need it (see group_dispatch).  The flags of sleepers are looked for likewise (see
-- ring), in the second statement, for each statement costs as much as the rows that it
-- writes.  An expression is prepared anew in each transaction, at a microsecond or two,
-- and the call of another function costs ten: so there are few of them here.
CREATE OR REPLACE FUNCTION pawl.push(
	kind text,
	args jsonb DEFAULT '{}',
	queue text DEFAULT 'default',
	priority int DEFAULT 5,
	run_at timestamptz DEFAULT NULL,
	unique_key text DEFAULT NULL,
	unique_until text DEFAULT 'end',
	group_key text DEFAULT NULL,
	run_key bigint DEFAULT NULL,
	batch bigint DEFAULT NULL,
	stage text DEFAULT NULL,
	max_attempts int DEFAULT NULL,
	timeout interval DEFAULT NULL,
	meta jsonb DEFAULT NULL,
	parent_fence bigint DEFAULT NULL,
	parent bigint DEFAULT NULL)
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
	epoch int;
	traits smallint;
BEGIN
	-- One look passes what is plain; check_job judges the rest.
	IF (octet_length(kind) BETWEEN 1 AND 255 AND octet_length(queue) BETWEEN 1 AND 255
			AND priority BETWEEN 0 AND 9 AND octet_length(args::text) <= 1048576
			AND num_nonnulls(max_attempts, timeout, meta, group_key, run_key, batch, stage,
				parent_fence, parent) = 0
			AND current_setting('transaction_isolation') = 'read committed') IS NOT TRUE THEN
		rings := current_setting('transaction_isolation') <> 'read committed';	-- see ring
		args := coalesce(args, '{}');
		queue := coalesce(queue, 'default');
		priority := coalesce(priority, 5);
		PERFORM pawl.check_job(kind, args, queue, priority, max_attempts, timeout, meta);
		IF num_nonnulls(group_key, run_key) > 0 THEN
			PERFORM pawl.check_group(group_key, run_key);
		END IF;
		IF num_nonnulls(batch, stage, parent_fence, parent) > 0 THEN
			SELECT e.epoch, e.into_stage INTO epoch, stage
			FROM pawl.enter_batch(batch, stage, parent, parent_fence) e;
		END IF;
		traits := CASE WHEN batch IS NOT NULL THEN 2 END;
		IF batch IS NOT NULL AND unique_key IS NULL THEN
			INSERT INTO pawl.batch_delta (batch, epoch, stage, total)
			VALUES (batch, epoch, stage, 1);
		END IF;
	END IF;
	IF unique_key IS NULL THEN
		id := CASE WHEN pg_current_xact_id() IS NOT NULL THEN nextval('pawl.job_id') END;
	ELSE
		PERFORM pawl.check_key(unique_key, unique_until);
		until_start := coalesce(unique_until = 'start', false);
		SELECT k.job, k.taken INTO id, taken
		FROM pawl.take_key(pawl.scoped_key(group_key, unique_key), until_start, NULL,
			current_setting('lock_timeout')::interval) k;
		traits := coalesce(traits, 0) + 1;
		IF NOT taken THEN
			RETURN id;
		ELSIF batch IS NOT NULL THEN
			INSERT INTO pawl.batch_delta (batch, epoch, stage, total)
			VALUES (batch, epoch, stage, 1);
		END IF;
	END IF;
	INSERT INTO pawl.job (id, pushed_at, run_at, timeout, max_attempts, priority,
		until_start, queue, kind, args, meta, unique_key, batch, epoch, stage, group_key,
		run_key)
	VALUES (id, clock_timestamp(), run_at, timeout, max_attempts, priority,
		until_start, queue, kind, args, meta, unique_key, batch, epoch, stage, group_key,
		run_key);
	IF (run_at > clock_timestamp() OR group_key IS NOT NULL) IS NOT TRUE THEN
		INSERT INTO pawl.ready (job_id, pos, priority, traits, queue, kind)
		VALUES (id, id, priority, traits, queue, kind)
		RETURNING rings OR EXISTS (SELECT FROM pawl.sleeper s
			WHERE s.shard = 0 AND s.queue = queue) INTO rings;
		IF rings THEN
			PERFORM pawl.ring(ARRAY[queue]);
		END IF;
	ELSIF group_key IS NULL THEN
		INSERT INTO pawl.scheduled (job_id, due, priority, traits, queue, kind)
		VALUES (id, run_at, priority, traits, queue, kind);
	ELSE
		INSERT INTO pawl.waiting (job_id, due, run_key, traits, tenant, group_key, queue,
			kind)
		VALUES (id, greatest(run_at, clock_timestamp()), run_key, traits,
			pawl.tenant_of(group_key), group_key, queue, kind);
		IF (run_at > clock_timestamp()) IS NOT TRUE THEN
			PERFORM pawl.ring(ARRAY[queue]);
		END IF;
	END IF;
	RETURN id;
END
$$;
