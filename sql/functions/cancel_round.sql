-- cancel_round(jobs, reason): one look at all live tables; what was won is cancelled
--
-- Returns: (job, was) of each job that was won.  Tells the workers of those that were
-- running, by NOTIFY on the channel pawl_worker with the worker's id.  Internal.
-- Locks: as settle: all SKIP LOCKED.
CREATE OR REPLACE FUNCTION pawl.cancel_round(jobs bigint[], reason text)
RETURNS TABLE (job bigint, was text)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	r record;
BEGIN
	FOR r IN
		SELECT s.job, s.was, s.worker
		FROM pawl.settle('cancel', jobs, NULL,
			errors => array_fill(reason, ARRAY[cardinality(jobs)])) s
	LOOP
		job := r.job;
		was := r.was;
		IF r.worker IS NOT NULL THEN
			PERFORM pg_notify('pawl_worker', r.worker::text);
		END IF;
		RETURN NEXT;
	END LOOP;
END
$$;
