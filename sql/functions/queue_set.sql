-- queue_set: change settings of a queue
--
-- Parameters: queue; settings, an object: paused (boolean): hand out nothing more, what
-- runs goes on, pushes are taken; on_group_failure: what becomes of a group when a job
-- of it fails for good: block (it waits until an operator retries that job, or releases
-- the group), fail (what waits of the same run fails too) or skip (it goes on with the
-- next); it counts for jobs that fail from then on.  null means the default (false,
-- block); a setting that is not named is left as it is.
-- Errors: 22023, for an unknown setting too.
-- Locks: the queue's row.
CREATE OR REPLACE FUNCTION pawl.queue_set(queue text, settings jsonb)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
AS $$
DECLARE
	name text;
	value jsonb;
BEGIN
	IF queue IS NULL OR octet_length(queue) NOT BETWEEN 1 AND 255 THEN
		RAISE EXCEPTION 'name of a queue must have 1 to 255 bytes' USING ERRCODE = '22023';
	ELSIF jsonb_typeof(settings) IS DISTINCT FROM 'object' THEN
		RAISE EXCEPTION 'settings of a queue must be a JSON object' USING ERRCODE = '22023';
	END IF;
	FOR name, value IN SELECT e.key, e.value FROM jsonb_each(settings) e LOOP
		IF name NOT IN ('paused', 'on_group_failure') THEN
			RAISE EXCEPTION 'unknown setting "%" of a queue', name USING ERRCODE = '22023',
				HINT = 'Settings are paused and on_group_failure.';
		ELSIF name = 'paused' AND jsonb_typeof(value) NOT IN ('boolean', 'null') THEN
			RAISE EXCEPTION 'paused of a queue must be true or false' USING ERRCODE = '22023';
		ELSIF name = 'on_group_failure'
			AND value NOT IN ('"block"', '"fail"', '"skip"', 'null') THEN
			RAISE EXCEPTION 'on_group_failure of a queue must be block, fail or skip'
				USING ERRCODE = '22023';
		END IF;
	END LOOP;
	INSERT INTO pawl.queue AS q (name, paused, on_group_failure)
	VALUES (queue, coalesce((settings ->> 'paused')::boolean, false),
		settings ->> 'on_group_failure')
	ON CONFLICT ON CONSTRAINT queue_pkey DO UPDATE
	SET paused = CASE WHEN settings ? 'paused' THEN excluded.paused ELSE q.paused END,
		on_group_failure = CASE WHEN settings ? 'on_group_failure'
			THEN excluded.on_group_failure ELSE q.on_group_failure END;
	IF settings -> 'paused' IN ('false', 'null') THEN
		PERFORM pawl.ring(ARRAY[queue]);
	END IF;
END
$$;
