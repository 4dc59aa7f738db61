-- group_hold: hold a group until the transaction ends, and renew its lease, if a tenth of
-- it has passed
--
-- For the transaction that settles a job of the group: complete, fail, snooze or release
-- after it take effect only while the group is the caller's.
-- Parameters: worker, group_key and token: the owner.
-- Errors: PW002 when the lease of the group, or that of the worker, is over; 25001 outside
-- READ COMMITTED.
-- Locks: the lease's row FOR UPDATE.
-- Index: group_lease_pkey, worker_pkey.
CREATE OR REPLACE FUNCTION pawl.group_hold(worker uuid, group_key text, token bigint)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
SET enable_seqscan = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_variable
DECLARE
	patience interval;
	place tid;
	until timestamptz;
BEGIN
	PERFORM pawl.check_isolation('group_hold');
	SELECT w.lease INTO patience FROM pawl.worker w
	WHERE w.id = worker AND w.shard = 0 AND w.expires_at > statement_timestamp();
	IF patience IS NOT NULL THEN
		SELECT l.ctid, l.expires_at INTO place, until FROM pawl.group_lease l
		WHERE l.shard = 0 AND l.group_key = group_key AND l.token = token
			AND l.worker = worker AND l.expires_at > statement_timestamp()
		FOR UPDATE;
	END IF;
	IF place IS NULL THEN
		PERFORM pawl.refuse_group(group_key);
	ELSIF until < clock_timestamp() + patience * 0.9 THEN
		-- one row, which is held
		UPDATE pawl.group_lease l SET expires_at = clock_timestamp() + patience
		WHERE l.ctid = place;
	END IF;
END
$$;
