-- upkeep_take: take one of the fleet's duties, or go on with it
--
-- Parameters: worker; duty: recover, promote, partitions, watch or retain; lease of the
-- duty, 1 ms to 1 day.  A holder writes only when less than half of its lease is left.
-- Returns: whether the worker has the duty now.
-- Errors: 22023.
-- Locks: the duty's row, SKIP LOCKED.
-- Index: upkeep_pkey.
CREATE OR REPLACE FUNCTION pawl.upkeep_take(worker uuid, duty text, lease interval)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
AS $$
#variable_conflict use_column
BEGIN
	IF worker IS NULL OR lease IS NULL
		OR lease NOT BETWEEN interval '1 ms' AND interval '1 day' THEN
		RAISE EXCEPTION 'a duty needs a worker and a lease of 1 ms to 1 day'
			USING ERRCODE = '22023';
	END IF;
	PERFORM FROM pawl.upkeep u
	WHERE u.duty = upkeep_take.duty AND u.shard = 0 AND u.worker = upkeep_take.worker
		AND u.expires_at > clock_timestamp() + upkeep_take.lease / 2;
	IF FOUND THEN
		RETURN true;
	END IF;
	UPDATE pawl.upkeep u
	SET worker = upkeep_take.worker, expires_at = clock_timestamp() + upkeep_take.lease
	WHERE u.ctid = (SELECT c.ctid FROM pawl.upkeep c
		WHERE c.duty = upkeep_take.duty AND c.shard = 0
			AND (c.worker = upkeep_take.worker OR c.expires_at <= statement_timestamp())
		FOR NO KEY UPDATE SKIP LOCKED);
	RETURN FOUND;
END
$$;
