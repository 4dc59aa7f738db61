-- queue_set_paused(queue, paused): write one setting of a queue
--
-- Internal.
-- Locks: the queue's row.
CREATE OR REPLACE FUNCTION pawl.queue_set_paused(queue text, paused boolean)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
	IF queue IS NULL OR octet_length(queue) NOT BETWEEN 1 AND 255 THEN
		RAISE EXCEPTION 'name of a queue must have 1 to 255 bytes' USING ERRCODE = '22023';
	END IF;
	INSERT INTO pawl.queue AS q (name, paused) VALUES ($1, $2)
	ON CONFLICT (name, shard) DO UPDATE SET paused = excluded.paused;
END
$$;
