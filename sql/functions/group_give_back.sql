-- group_give_back: end one's lease of a group, so that others may take it
--
-- Parameters: worker, group_key and token: the owner.
-- Returns: whether it was given back; not when it is not the caller's any more, nor while
-- a job that was dispatched last still runs: the lease then runs out.
-- Errors: 25001 outside READ COMMITTED.
-- Locks: the lease's row FOR UPDATE, which it deletes.  Rings for a head that is due.
-- Index: group_lease_pkey, running_pkey, waiting_walk.
CREATE OR REPLACE FUNCTION pawl.group_give_back(worker uuid, group_key text, token bigint)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
SET enable_seqscan = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_variable
DECLARE
	lease pawl.group_lease;
BEGIN
	PERFORM pawl.check_isolation('group_give_back');
	SELECT l.* INTO lease FROM pawl.group_lease l
	WHERE l.shard = 0 AND l.group_key = group_key AND l.token = token AND l.worker = worker
	FOR UPDATE;
	IF NOT FOUND
		OR (lease.jobs IS NOT NULL AND pawl.still_runs(lease.jobs, lease.fences)) THEN
		RETURN false;
	END IF;
	DELETE FROM pawl.group_lease l
	WHERE l.group_key = group_give_back.group_key AND l.shard = 0;
	PERFORM pawl.ring_group(lease.tenant, lease.group_key);
	RETURN true;
END
$$;
