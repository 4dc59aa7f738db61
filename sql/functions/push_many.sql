-- push_many: enqueue many jobs at once; belongs to the caller's transaction
--
-- Two forms.  push_many(jobs): a JSON array of objects whose members are named as
-- push's parameters, any mix; an unknown member is refused.  push_many(kind, args[],
-- ...): the fast path for many jobs that differ in their args alone.
-- Returns: (ordinal from 1, job, created) in the order of the input; created is false
-- for a job that was there already.
-- Errors: 22023 for an argument out of its range or a malformed member, naming the job
-- by its ordinal; nothing is pushed then.
-- Locks: none but those of inserts; waits for nobody.
-- The jobs are inserted first, so that positions are drawn after the transaction has its
-- xid, and in the order of the input.
CREATE OR REPLACE FUNCTION pawl.push_many(
	kind text,
	args jsonb[],
	queue text DEFAULT 'default',
	priority int DEFAULT 5,
	run_at timestamptz DEFAULT NULL,
	max_attempts int DEFAULT NULL,
	timeout interval DEFAULT NULL,
	meta jsonb DEFAULT NULL)
RETURNS TABLE (ordinal int, job bigint, created boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	ids bigint[];
	largest int;
	stamp timestamptz := clock_timestamp();
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
	SELECT array_agg(nextval('pawl.job_id')) INTO ids
	FROM generate_series(1, cardinality(args));
	INSERT INTO pawl.job
		(id, pushed_at, run_at, timeout, max_attempts, priority, queue, kind, args, meta)
	SELECT u.id, stamp, run_at, timeout, max_attempts, priority, queue, kind,
		coalesce(u.a, '{}'), meta
	FROM unnest(ids, args) u (id, a);
	IF run_at > stamp THEN
		INSERT INTO pawl.scheduled (job_id, due, priority, queue, kind)
		SELECT u.id, run_at, priority, queue, kind FROM unnest(ids) u (id);
	ELSE
		INSERT INTO pawl.ready (job_id, priority, queue, kind)
		SELECT u.id, priority, queue, kind FROM unnest(ids) u (id);
	END IF;
	RETURN QUERY SELECT u.o::int, u.id, true FROM unnest(ids) WITH ORDINALITY u (id, o);
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
	stamp timestamptz := clock_timestamp();
BEGIN
	IF jobs IS NULL OR jsonb_typeof(jobs) <> 'array' THEN
		RAISE EXCEPTION 'jobs must be a JSON array of objects' USING ERRCODE = '22023';
	END IF;
	SELECT array_agg(s.kind), array_agg(s.args), array_agg(s.queue), array_agg(s.priority),
		array_agg(s.run_at), array_agg(s.max_attempts), array_agg(s.timeout),
		array_agg(s.meta), array_agg(nextval('pawl.job_id'))
	INTO kinds, argss, queue_names, priorities, run_ats, limits, timeouts, metas, ids
	FROM jsonb_array_elements(jobs) WITH ORDINALITY e (value, o),
		LATERAL pawl.read_job(e.value, e.o) s;
	INSERT INTO pawl.job
		(id, pushed_at, run_at, timeout, max_attempts, priority, queue, kind, args, meta)
	SELECT s.id, stamp, s.run_at, s.timeout, s.max_attempts, s.priority, s.queue, s.kind,
		s.args, s.meta
	FROM unnest(ids, run_ats, timeouts, limits, priorities, queue_names, kinds, argss, metas)
		s (id, run_at, timeout, max_attempts, priority, queue, kind, args, meta);
	INSERT INTO pawl.scheduled (job_id, due, priority, queue, kind)
	SELECT s.id, s.run_at, s.priority, s.queue, s.kind
	FROM unnest(ids, run_ats, priorities, queue_names, kinds)
		s (id, run_at, priority, queue, kind)
	WHERE s.run_at > stamp;
	INSERT INTO pawl.ready (job_id, priority, queue, kind)
	SELECT s.id, s.priority, s.queue, s.kind
	FROM unnest(ids, run_ats, priorities, queue_names, kinds)
		s (id, run_at, priority, queue, kind)
	WHERE (s.run_at > stamp) IS NOT TRUE;
	RETURN QUERY SELECT u.o::int, u.id, true FROM unnest(ids) WITH ORDINALITY u (id, o);
END
$$;
