-- add_completion(job, batch, epoch, on_complete): make the completion job of a batch's
-- epoch; it lies in scheduled until a fold finds the batch done
--
-- Its unique key is taken already.  Internal.
-- Locks: inserts into job and scheduled.
CREATE OR REPLACE FUNCTION pawl.add_completion(job bigint, batch bigint, epoch int,
	on_complete jsonb)
RETURNS void
LANGUAGE plpgsql
AS $$
#variable_conflict use_variable
DECLARE
	last record;
BEGIN
	SELECT * INTO last FROM pawl.read_completion(on_complete);
	INSERT INTO pawl.job (id, pushed_at, timeout, max_attempts, priority, until_start, queue,
		kind, args, meta, unique_key, batch, epoch)
	VALUES (job, clock_timestamp(), last.timeout, last.max_attempts, last.priority,
		CASE WHEN last.unique_key IS NOT NULL THEN last.unique_until = 'start' END,
		last.queue, last.kind, last.args, last.meta, last.unique_key, batch, epoch);
	INSERT INTO pawl.scheduled (job_id, due, priority, traits, queue, kind)
	VALUES (job, 'infinity', last.priority, pawl.traits(last.unique_key IS NOT NULL, false),
		last.queue, last.kind);
END
$$;
