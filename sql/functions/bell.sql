-- bell(queue): the channel on which the doorbell of a queue rings
--
-- A name of a queue may be longer than a channel's.
-- Returns: the channel, at most 63 bytes.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.bell(queue text)
RETURNS text
LANGUAGE sql IMMUTABLE SECURITY DEFINER
SET search_path = pawl, pg_temp
AS $$
	SELECT 'pawl_queue_' || md5(queue)
$$;
