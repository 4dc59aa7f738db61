-- read_job(value, ordinal, ...): one element of push_many's JSON array, checked
--
-- Answers push's parameters with their defaults.  Raises 22023 that names the job by its
-- ordinal.  Internal.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.read_job(value jsonb, ordinal bigint,
	OUT kind text, OUT args jsonb, OUT queue text, OUT priority int,
	OUT run_at timestamptz, OUT unique_key text, OUT unique_until text,
	OUT max_attempts int, OUT timeout interval, OUT meta jsonb, OUT batch bigint,
	OUT stage text, OUT parent_fence bigint, OUT parent bigint, OUT group_key text,
	OUT run_key bigint)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
	wanted constant jsonb := '{"kind": "string", "args": null, "queue": "string",
		"priority": "number", "run_at": "string", "unique_key": "string",
		"unique_until": "string", "max_attempts": "number", "timeout": "string",
		"group_key": "string", "run_key": "number", "meta": null, "batch": "number",
		"stage": "string", "parent_fence": "number", "parent": "number"}';
	member text;
BEGIN
	IF jsonb_typeof(value) <> 'object' THEN
		RAISE EXCEPTION 'it is not a JSON object' USING ERRCODE = '22023';
	END IF;
	FOR member IN SELECT jsonb_object_keys(value) LOOP
		IF NOT wanted ? member THEN
			RAISE EXCEPTION 'unknown member "%"', member USING ERRCODE = '22023',
				HINT = 'Members are kind, args, queue, priority, run_at, unique_key, '
					'unique_until, group_key, run_key, batch, stage, max_attempts, timeout, meta, '
					'parent_fence and parent.';
		ELSIF jsonb_typeof(value -> member) NOT IN (wanted ->> member, 'null') THEN
			RAISE EXCEPTION '"%" must be a %', member, wanted ->> member
				USING ERRCODE = '22023';
		END IF;
	END LOOP;
	kind := value ->> 'kind';
	args := coalesce(value -> 'args', '{}');
	queue := coalesce(value ->> 'queue', 'default');
	priority := coalesce((value ->> 'priority')::int, 5);
	run_at := (value ->> 'run_at')::timestamptz;
	unique_key := value ->> 'unique_key';
	unique_until := coalesce(value ->> 'unique_until', 'end');
	max_attempts := (value ->> 'max_attempts')::int;
	timeout := (value ->> 'timeout')::interval;
	meta := nullif(value -> 'meta', 'null');
	batch := (value ->> 'batch')::bigint;
	stage := value ->> 'stage';
	parent_fence := (value ->> 'parent_fence')::bigint;
	parent := (value ->> 'parent')::bigint;
	group_key := value ->> 'group_key';
	run_key := (value ->> 'run_key')::bigint;
	PERFORM pawl.check_job(kind, args, queue, priority, max_attempts, timeout, meta);
	IF unique_key IS NOT NULL THEN
		PERFORM pawl.check_key(unique_key, unique_until);
	END IF;
	IF num_nonnulls(group_key, run_key) > 0 THEN
		PERFORM pawl.check_group(group_key, run_key);
	END IF;
EXCEPTION WHEN data_exception THEN
	DECLARE
		because text;
		advice text;
	BEGIN
		GET STACKED DIAGNOSTICS because = PG_EXCEPTION_DETAIL, advice = PG_EXCEPTION_HINT;
		RAISE EXCEPTION 'job % of the call: %', ordinal, SQLERRM USING ERRCODE = '22023',
			DETAIL = coalesce(nullif(because, ''), format('It is %s.', left(value::text, 200))),
			HINT = coalesce(nullif(advice, ''), 'Nothing of the call was pushed.');
	END;
END
$$;
