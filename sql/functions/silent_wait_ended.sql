-- silent_wait_ended: record what the watch did about a silent wait
--
-- Stored once, and told in the log of the waiter's job.
-- Parameters: waiter, waiter_since, holder and holder_since as silent_wait_found was given
-- them; answer: cancelled, or refused when this user may not cancel it.
-- Returns: whether it is new.
-- Errors: 23502 for a NULL; 23514 for another answer.
-- Locks: inserts into silent_wait_end, and into log.
-- Index: silent_wait_pkey, silent_wait_end_pkey.
CREATE OR REPLACE FUNCTION pawl.silent_wait_ended(
	waiter int,
	waiter_since timestamptz,
	holder int,
	holder_since timestamptz,
	answer text)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
AS $$
#variable_conflict use_variable
BEGIN
	INSERT INTO pawl.silent_wait_end (at, waiter_since, holder_since, waiter, holder, answer)
	VALUES (clock_timestamp(), waiter_since, holder_since, waiter, holder, answer)
	ON CONFLICT DO NOTHING;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	PERFORM pawl.silent_wait_log(s.waiter_job, format(CASE answer
			WHEN 'cancelled' THEN 'silent wait: the statement of session %s was cancelled'
			ELSE 'silent wait: the statement of session %s could not be cancelled' END,
			waiter))
	FROM pawl.silent_wait s
	WHERE s.waiter = waiter AND s.waiter_since = waiter_since AND s.holder = holder
		AND s.holder_since = holder_since AND s.shard = 0;
	RETURN true;
END
$$;
