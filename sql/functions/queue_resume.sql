-- queue_resume: hand out the jobs of a paused queue again
--
-- Errors: 22023.
-- Locks: the queue's row.
CREATE OR REPLACE FUNCTION pawl.queue_resume(queue text)
RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
AS $$
	SELECT pawl.queue_set(queue, '{"paused": false}')
$$;
