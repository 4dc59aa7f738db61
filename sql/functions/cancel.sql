-- cancel: end a job, in whatever live state it is
--
-- A running job ends at once: its worker is told, stops the handler, and the handler's
-- late result is stale.
-- Returns: the state that it was in; a terminal one means that nothing was changed; busy:
-- it stayed locked for about a second (fenced by an open transaction): try later.
-- Errors: P0002 for an unknown id; 25001 outside READ COMMITTED.
-- Locks: the job's row in ready, scheduled, waiting or running, SKIP LOCKED, looked for
-- again in new snapshots (see cancel_many).
CREATE OR REPLACE FUNCTION pawl.cancel(job bigint, reason text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
AS $$
DECLARE
	was text;
BEGIN
	SELECT c.was INTO was FROM pawl.cancel_many(ARRAY[job], reason) c;
	IF was = 'unknown' THEN
		RAISE EXCEPTION 'job % does not exist', coalesce(job::text, 'NULL')
			USING ERRCODE = 'P0002';
	END IF;
	RETURN was;
END
$$;
