-- group_release: let a group go on: what blocks it is lifted, or its owner's lease ended
--
-- A job that has failed for good and blocks the group is left behind; to run it again, use
-- pawl.retry().  If none does, a lease in force is ended at once: its owner's next write
-- is refused, and what it was running counts as crashed when the group is taken again.
-- Parameters: group_key.
-- Returns: unblocked, lease ended, or nothing to release.
-- Errors: 25001 outside READ COMMITTED.
-- Locks: the lease's row FOR UPDATE; rows of group_stop by job id, SKIP LOCKED.
-- Index: group_lease_pkey, group_stop_pkey, waiting_walk.
CREATE OR REPLACE FUNCTION pawl.group_release(group_key text)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
SET enable_seqscan = off
SET jit = off
AS $$
#variable_conflict use_variable
DECLARE
	lease pawl.group_lease;
BEGIN
	PERFORM pawl.check_isolation('group_release');
	SELECT l.* INTO lease FROM pawl.group_lease l
	WHERE l.shard = 0 AND l.group_key = group_key
	FOR UPDATE;
	IF pawl.lift_stops(group_key) > 0 THEN
		PERFORM pawl.ring_group(pawl.tenant_of(group_key), group_key);
		RETURN 'unblocked';
	END IF;
	UPDATE pawl.group_lease l SET expires_at = '-infinity'
	WHERE l.group_key = group_release.group_key AND l.shard = 0
		AND l.expires_at > clock_timestamp();
	IF NOT FOUND THEN
		RETURN 'nothing to release';
	END IF;
	PERFORM pg_notify('pawl_worker', lease.worker::text),
		pawl.ring_group(lease.tenant, lease.group_key);
	RETURN 'lease ended';
END
$$;
