-- bell(queue): the channel on which the doorbell of a queue rings
--
-- A name of a queue may be longer than a channel's.  Two that share a bell wake each other's
-- workers, which is harmless.  Not by md5: a server under FIPS refuses it, and with it every
-- push that rings.
-- Returns: the channel, at most 63 bytes.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.bell(queue text)
RETURNS text
LANGUAGE sql IMMUTABLE SECURITY DEFINER
SET search_path = pawl, pg_temp
AS $$
	SELECT 'pawl_queue_' || to_hex(hashtextextended(queue COLLATE "C", 0))
$$;
