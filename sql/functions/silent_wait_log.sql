-- silent_wait_log: a line in the log of a job that runs, if it is known
--
-- Internal.  That it cannot be stored keeps nobody from recording the wait, and from
-- ending it.
-- Parameters: job (NULL: unknown); message.
-- Locks: inserts into log.
-- Index: running_pkey.
CREATE OR REPLACE FUNCTION pawl.silent_wait_log(job bigint, message text)
RETURNS void
LANGUAGE plpgsql
AS $$
#variable_conflict use_variable
BEGIN
	PERFORM pawl.log_many(ARRAY[r.job_id], ARRAY[r.fence], ARRAY[clock_timestamp()],
		ARRAY['warn'], ARRAY[message])
	FROM pawl.running r
	WHERE r.job_id = job AND r.shard = 0;
EXCEPTION
	WHEN OTHERS THEN
		NULL;
END
$$;
