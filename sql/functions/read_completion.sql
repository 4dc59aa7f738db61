-- read_completion(value): the completion job of a batch, checked
--
-- Answers push's parameters with their defaults, as read_job; raises 22023.  Internal.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.read_completion(value jsonb,
	OUT kind text, OUT args jsonb, OUT queue text, OUT priority int,
	OUT unique_key text, OUT unique_until text, OUT max_attempts int,
	OUT timeout interval, OUT meta jsonb)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
	because text;
	refused text;
BEGIN
	IF jsonb_typeof(value) = 'object' THEN
		SELECT min(k.name) INTO refused FROM jsonb_object_keys(value) k (name)
		WHERE k.name IN ('run_at', 'group_key', 'run_key', 'batch', 'stage', 'parent',
			'parent_fence');
		IF refused IS NOT NULL THEN
			RAISE EXCEPTION 'job 1 of the call: "%" is refused', refused
				USING ERRCODE = '22023',
				DETAIL = 'The completion job becomes ready when its batch is done.';
		END IF;
	END IF;
	SELECT j.kind, j.args, j.queue, j.priority, j.unique_key, j.unique_until,
		j.max_attempts, j.timeout, j.meta
	INTO kind, args, queue, priority, unique_key, unique_until, max_attempts, timeout, meta
	FROM pawl.read_job(value, 1) j;
EXCEPTION WHEN data_exception THEN
	GET STACKED DIAGNOSTICS because = PG_EXCEPTION_DETAIL;
	RAISE EXCEPTION '%', replace(SQLERRM, 'job 1 of the call', 'on_complete')
		USING ERRCODE = '22023', DETAIL = because,
		HINT = 'on_complete is an object with the members of pawl.push.';
END
$$;
