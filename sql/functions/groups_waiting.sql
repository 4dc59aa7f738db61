-- groups_waiting(): is a grouped job waiting, or has a group a lease?
--
-- One row of each table is looked for, whoever may run it.  Internal.
-- Locks: none.
-- Index: waiting_walk, group_lease_pkey; the settings pin them.
CREATE OR REPLACE FUNCTION pawl.groups_waiting()
RETURNS boolean
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $$
BEGIN
	RETURN EXISTS (SELECT FROM pawl.waiting w WHERE w.shard = 0)
		OR EXISTS (SELECT FROM pawl.group_lease l WHERE l.shard = 0);
END
$$;
