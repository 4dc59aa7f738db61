-- queue_pause: hand out nothing more from a queue; what runs goes on, pushes are taken
--
-- Errors: 22023.
-- Locks: the queue's row.
CREATE OR REPLACE FUNCTION pawl.queue_pause(queue text)
RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
AS $$
	SELECT pawl.queue_set(queue, '{"paused": true}')
$$;
