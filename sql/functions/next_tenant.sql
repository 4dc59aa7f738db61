-- next_tenant(met): the tenant after this one (NULL: the first) that has jobs waiting
--
-- Internal.
-- Locks: none.
-- Index: waiting_walk.
CREATE OR REPLACE FUNCTION pawl.next_tenant(met text)
RETURNS text
LANGUAGE plpgsql STABLE
AS $$
#variable_conflict use_variable
BEGIN
	IF met IS NULL THEN
		RETURN (SELECT w.tenant FROM pawl.waiting w
			WHERE w.shard = 0 ORDER BY w.tenant LIMIT 1);
	END IF;
	RETURN (SELECT w.tenant FROM pawl.waiting w
		WHERE w.shard = 0 AND w.tenant > met ORDER BY w.tenant LIMIT 1);
END
$$;
