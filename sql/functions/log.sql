-- log: store a line of a job's log; belongs to the caller's transaction
--
-- It goes with the caller's rollback, and fails the transaction if it cannot be stored.  A
-- line that must survive is written on another connection, as a worker does.
-- Parameters: job and fence of the claim; message, cut at 8 KiB with a mark; level: debug,
-- info, warn, error; context, any JSON; one of more than 16 KiB is stored as
-- {"bytes_cut": n}.
-- Errors: 22P02 for an unknown level.
-- Locks: none but those of an insert.
CREATE OR REPLACE FUNCTION pawl.log(job bigint, fence bigint, message text,
	level text DEFAULT 'info', context jsonb DEFAULT NULL)
RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pawl, pg_temp
AS $$
	SELECT pawl.log_many(ARRAY[job], ARRAY[fence], ARRAY[clock_timestamp()], ARRAY[level],
		ARRAY[message], ARRAY[context])
$$;
