-- group_take: become the owner of a group, for as long as the worker's lease is long
--
-- Everything after presents the token.  A lease that is over, and one whose worker is
-- gone, is taken over; what it names goes from running back to waiting, as a crash.
-- Parameters: worker, whose lease must be in force; group_key.
-- Returns: the token, from the sequence of fences; NULL when the group is somebody's, or
-- what its former owner ran is fenced by an open transaction: look again later.
-- Errors: PW002 when the worker's lease is over; 25001 outside READ COMMITTED.
-- Locks: none when the group is somebody's.  Else the lease's row, SKIP LOCKED, or an insert
-- into group_lease, which waits 50 ms for another that takes the same group, and then
-- answers NULL; the worker's row FOR KEY SHARE; then as settle.
-- Index: group_lease_pkey, worker_pkey, running_pkey.
CREATE OR REPLACE FUNCTION pawl.group_take(worker uuid, group_key text)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
SET enable_seqscan = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_variable
DECLARE
	former pawl.group_lease;
	stamp timestamptz := clock_timestamp();
	patience interval;
	token bigint;
BEGIN
	PERFORM pawl.check_isolation('group_take');
	PERFORM pawl.check_group(coalesce(group_key, ''), NULL);
	SELECT l.* INTO former FROM pawl.group_lease l
	WHERE l.shard = 0 AND l.group_key = group_key;
	IF NOT FOUND THEN
		BEGIN
			SET LOCAL lock_timeout = '50ms';
			INSERT INTO pawl.group_lease
				(worker, token, taken_at, expires_at, tenant, group_key)
			SELECT w.id, nextval('pawl.fence'), stamp, stamp + w.lease,
				pawl.tenant_of(group_key), group_key
			FROM pawl.worker w
			WHERE w.id = worker AND w.shard = 0
			ORDER BY w.id
			ON CONFLICT DO NOTHING
			RETURNING group_lease.token INTO token;
		EXCEPTION WHEN lock_not_available THEN
			RETURN NULL;
		END;
		SET LOCAL lock_timeout = '5s';
		PERFORM pawl.hold_worker(worker);
		RETURN token;
	END IF;
	SELECT l.* INTO former FROM pawl.group_lease l
	WHERE l.shard = 0 AND l.group_key = group_key AND l.token = former.token
		AND (l.expires_at <= statement_timestamp() OR NOT EXISTS (
			SELECT FROM pawl.worker w
			WHERE w.id = l.worker AND w.shard = 0 AND w.expires_at > statement_timestamp()))
	FOR UPDATE OF l SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	patience := (pawl.hold_worker(worker)).lease;
	IF former.jobs IS NOT NULL THEN
		PERFORM FROM pawl.settle('crash', former.jobs, former.fences);
		IF pawl.still_runs(former.jobs, former.fences) THEN
			RETURN NULL;
		END IF;
	END IF;
	UPDATE pawl.group_lease l
	SET worker = group_take.worker, token = nextval('pawl.fence'), jobs = NULL,
		fences = NULL, floor = NULL, mark = NULL, mark_xid = NULL, taken_at = stamp,
		expires_at = clock_timestamp() + patience
	WHERE l.group_key = group_take.group_key AND l.shard = 0
	RETURNING l.token INTO token;
	RETURN token;
END
$$;
