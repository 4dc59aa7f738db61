-- push_many: enqueue many jobs at once; belongs to the caller's transaction
--
-- Two forms.  push_many(jobs): a JSON array of objects whose members are named as
-- push's parameters, any mix; an unknown member is refused.  push_many(kind, args[],
-- ...): the fast path for many jobs that differ in their args alone, and in unique_keys,
-- group_keys and run_keys: one a job (NULL: none).
-- Returns: (ordinal from 1, job, created) in the order of the input; created is false
-- for a job that was there already, because its key had a live job or stands twice in
-- the call.
-- Errors: 22023 for an argument out of its range or a malformed member, naming the job
-- by its ordinal; nothing is pushed then.  With keys also 55P03 and 40001, with batches
-- P0002, PW004 and PW001, as push.
-- Locks: none but those of inserts, and waits for nobody, but for what enter_batches and
-- then take_keys do: keys are taken ascending bytewise, whatever their order in the call.
-- Ids are positions too, and drawn in the order of the input after the transaction has its
-- xid; it rings last (see ring).
CREATE OR REPLACE FUNCTION pawl.push_many(
	kind text,
	args jsonb[],
	queue text DEFAULT 'default',
	priority int DEFAULT 5,
	run_at timestamptz DEFAULT NULL,
	max_attempts int DEFAULT NULL,
	timeout interval DEFAULT NULL,
	meta jsonb DEFAULT NULL,
	unique_keys text[] DEFAULT NULL,
	unique_until text DEFAULT 'end',
	group_keys text[] DEFAULT NULL,
	run_keys bigint[] DEFAULT NULL,
	batch bigint DEFAULT NULL,
	stage text DEFAULT NULL,
	parent_fence bigint DEFAULT NULL,
	parent bigint DEFAULT NULL)
RETURNS TABLE (ordinal int, job bigint, created boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	ids bigint[];
	made boolean[];
	largest int;
	until_start boolean;
	epoch int;
	stamp timestamptz;
BEGIN
	queue := coalesce(queue, 'default');
	priority := coalesce(priority, 5);
	PERFORM pawl.check_job(kind, '{}', queue, priority, max_attempts, timeout, meta);
	SELECT max(octet_length(a::text)) INTO largest FROM unnest(args) a;
	IF largest > 1048576 THEN
		RAISE EXCEPTION 'args of a job has % bytes, more than the limit of 1048576', largest
			USING ERRCODE = '22023',
			DETAIL = format('It is job %s of the call.', (SELECT min(o)
				FROM unnest(args) WITH ORDINALITY u (a, o)
				WHERE octet_length(a::text) > 1048576)),
			HINT = 'Store the data elsewhere and push a reference to it.';
	END IF;
	IF num_nonnulls(group_keys, run_keys) > 0 THEN
		PERFORM pawl.check_groups(group_keys, run_keys, cardinality(args));
	END IF;
	IF num_nonnulls(batch, stage, parent_fence, parent) > 0 THEN
		SELECT e.epoch, e.into_stage INTO epoch, stage
		FROM pawl.enter_batch(batch, stage, parent, parent_fence) e;
	END IF;
	IF unique_keys IS NULL THEN
		PERFORM pg_current_xact_id();
		SELECT array_agg(nextval('pawl.job_id')) INTO ids
		FROM generate_series(1, cardinality(args));
	ELSE
		PERFORM pawl.check_keys(unique_keys, cardinality(args), unique_until);
		until_start := coalesce(unique_until = 'start', false);
		SELECT k.jobs, k.made INTO ids, made
		FROM pawl.take_keys(pawl.scoped_keys(group_keys, unique_keys),
			array_fill(until_start, ARRAY[cardinality(args)]),
			current_setting('lock_timeout')::interval) k;
	END IF;
	stamp := clock_timestamp();
	INSERT INTO pawl.job (id, pushed_at, run_at, timeout, max_attempts, priority,
		until_start, queue, kind, args, meta, unique_key, batch, epoch, stage, group_key,
		run_key)
	SELECT u.id, stamp, run_at, timeout, max_attempts, priority,
		CASE WHEN u.key IS NOT NULL THEN until_start END, queue, kind,
		coalesce(u.a, '{}'), meta, u.key, batch, epoch, stage, u.group_key, u.run_key
	FROM unnest(ids, args, unique_keys, made, group_keys, run_keys)
		u (id, a, key, made, group_key, run_key)
	WHERE u.made IS NOT FALSE;
	IF batch IS NOT NULL THEN
		INSERT INTO pawl.batch_delta (batch, epoch, stage, total)
		SELECT batch, epoch, stage, count(*) FROM unnest(ids, made) u (id, made)
		WHERE u.made IS NOT FALSE HAVING count(*) > 0;
	END IF;
	IF group_keys IS NOT NULL THEN
		INSERT INTO pawl.waiting (job_id, due, run_key, traits, tenant, group_key, queue,
			kind)
		SELECT u.id, greatest(run_at, stamp), u.run_key,
			pawl.traits(u.key IS NOT NULL, batch IS NOT NULL), pawl.tenant_of(u.group_key),
			u.group_key, queue, kind
		FROM unnest(ids, unique_keys, made, group_keys, run_keys)
			u (id, key, made, group_key, run_key)
		WHERE u.made IS NOT FALSE AND u.group_key IS NOT NULL;
	END IF;
	IF run_at > stamp THEN
		INSERT INTO pawl.scheduled (job_id, due, priority, traits, queue, kind)
		SELECT u.id, run_at, priority, pawl.traits(u.key IS NOT NULL, batch IS NOT NULL),
			queue, kind
		FROM unnest(ids, unique_keys, made, group_keys) u (id, key, made, group_key)
		WHERE u.made IS NOT FALSE AND u.group_key IS NULL;
	ELSE
		INSERT INTO pawl.ready (job_id, pos, priority, traits, queue, kind)
		SELECT u.id, u.id, priority, pawl.traits(u.key IS NOT NULL, batch IS NOT NULL),
			queue, kind
		FROM unnest(ids, unique_keys, made, group_keys) u (id, key, made, group_key)
		WHERE u.made IS NOT FALSE AND u.group_key IS NULL;
		PERFORM pawl.ring(ARRAY[queue]);
	END IF;
	RETURN QUERY SELECT u.o::int, u.id, u.made IS NOT FALSE
	FROM unnest(ids, made) WITH ORDINALITY u (id, made, o);
END
$$;

CREATE OR REPLACE FUNCTION pawl.push_many(jobs jsonb)
RETURNS TABLE (ordinal int, job bigint, created boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	ids bigint[];
	kinds text[];
	argss jsonb[];
	queue_names text[];
	priorities int[];
	run_ats timestamptz[];
	limits int[];
	timeouts interval[];
	metas jsonb[];
	keys text[];
	starts boolean[];
	batches bigint[];
	stages text[];
	fences bigint[];
	parents bigint[];
	epochs int[];
	group_names text[];
	runs bigint[];
	made boolean[];
	stamp timestamptz;
BEGIN
	IF jobs IS NULL OR jsonb_typeof(jobs) <> 'array' THEN
		RAISE EXCEPTION 'jobs must be a JSON array of objects' USING ERRCODE = '22023';
	END IF;
	SELECT array_agg(s.kind), array_agg(s.args), array_agg(s.queue), array_agg(s.priority),
		array_agg(s.run_at), array_agg(s.max_attempts), array_agg(s.timeout),
		array_agg(s.meta), array_agg(s.unique_key), array_agg(s.unique_until = 'start'),
		array_agg(s.batch), array_agg(s.stage), array_agg(s.parent_fence),
		array_agg(s.parent),
		CASE WHEN count(s.group_key) > 0 THEN array_agg(s.group_key) END,
		array_agg(s.run_key)
	INTO kinds, argss, queue_names, priorities, run_ats, limits, timeouts, metas, keys,
		starts, batches, stages, fences, parents, group_names, runs
	FROM jsonb_array_elements(jobs) WITH ORDINALITY e (value, o),
		LATERAL pawl.read_job(e.value, e.o) s;
	IF cardinality(array_remove(batches || fences || parents, NULL)) > 0
		OR cardinality(array_remove(stages, NULL)) > 0 THEN
		SELECT e.epochs, e.into_stages INTO epochs, stages
		FROM pawl.enter_batches(batches, stages, parents, fences) e;
	END IF;
	IF cardinality(array_remove(keys, NULL)) > 0 THEN
		SELECT k.jobs, k.made INTO ids, made
		FROM pawl.take_keys(pawl.scoped_keys(group_names, keys), starts,
			current_setting('lock_timeout')::interval) k;
	ELSE
		PERFORM pg_current_xact_id();
		SELECT array_agg(nextval('pawl.job_id')) INTO ids
		FROM generate_series(1, cardinality(kinds));
	END IF;
	stamp := clock_timestamp();
	INSERT INTO pawl.job (id, pushed_at, run_at, timeout, max_attempts, priority,
		until_start, queue, kind, args, meta, unique_key, batch, epoch, stage, group_key,
		run_key)
	SELECT s.id, stamp, s.run_at, s.timeout, s.max_attempts, s.priority,
		CASE WHEN s.key IS NOT NULL THEN s.start END, s.queue, s.kind, s.args, s.meta, s.key,
		s.batch, s.epoch, s.stage, s.group_key, s.run_key
	FROM unnest(ids, run_ats, timeouts, limits, priorities, queue_names, kinds, argss, metas,
		keys, starts, batches, epochs, stages, group_names, runs, made) s (id, run_at,
		timeout, max_attempts, priority, queue, kind, args, meta, key, start, batch, epoch,
		stage, group_key, run_key, made)
	WHERE s.made IS NOT FALSE;
	IF group_names IS NOT NULL THEN
		INSERT INTO pawl.waiting (job_id, due, run_key, traits, tenant, group_key, queue,
			kind)
		SELECT s.id, greatest(s.run_at, stamp), s.run_key,
			pawl.traits(s.key IS NOT NULL, s.batch IS NOT NULL), pawl.tenant_of(s.group_key),
			s.group_key, s.queue, s.kind
		FROM unnest(ids, run_ats, queue_names, kinds, keys, batches, group_names, runs, made)
			s (id, run_at, queue, kind, key, batch, group_key, run_key, made)
		WHERE s.made IS NOT FALSE AND s.group_key IS NOT NULL;
	END IF;
	INSERT INTO pawl.scheduled (job_id, due, priority, traits, queue, kind)
	SELECT s.id, s.run_at, s.priority, pawl.traits(s.key IS NOT NULL, s.batch IS NOT NULL),
		s.queue, s.kind
	FROM unnest(ids, run_ats, priorities, queue_names, kinds, keys, batches, group_names,
		made) s (id, run_at, priority, queue, kind, key, batch, group_key, made)
	WHERE s.made IS NOT FALSE AND s.run_at > stamp AND s.group_key IS NULL;
	INSERT INTO pawl.ready (job_id, pos, priority, traits, queue, kind)
	SELECT s.id, s.id, s.priority, pawl.traits(s.key IS NOT NULL, s.batch IS NOT NULL),
		s.queue, s.kind
	FROM unnest(ids, run_ats, priorities, queue_names, kinds, keys, batches, group_names,
		made) s (id, run_at, priority, queue, kind, key, batch, group_key, made)
	WHERE s.made IS NOT FALSE AND (s.run_at > stamp) IS NOT TRUE AND s.group_key IS NULL;
	IF epochs IS NOT NULL THEN
		INSERT INTO pawl.batch_delta (batch, epoch, stage, total)
		SELECT s.batch, s.epoch, s.stage, count(*)
		FROM unnest(batches, epochs, stages, made) s (batch, epoch, stage, made)
		WHERE s.batch IS NOT NULL AND s.made IS NOT FALSE
		GROUP BY s.batch, s.epoch, s.stage;
	END IF;
	PERFORM pawl.ring(queue_names);
	RETURN QUERY SELECT u.o::int, u.id, u.made IS NOT FALSE
	FROM unnest(ids, made) WITH ORDINALITY u (id, made, o);
END
$$;
