-- fence: hold a claim until the transaction ends
--
-- What the transaction writes after this call takes effect only while the claim stands:
-- cancel, recovery and another settle leave the job alone until it ends, lease or not.
-- With pawl.complete in the same transaction the writes take effect exactly once.
-- Limits statement_timeout to 30 s and idle_in_transaction_session_timeout to 10 s for the
-- rest of the transaction, unless they are shorter, so that a hanging handler does not
-- keep the job for ever.  SET LOCAL afterwards overrides.
-- Errors: PW001 when the fence is stale; 25001 outside READ COMMITTED; 55P03, which names
-- the job, when another transaction keeps the same claim fenced for more than 5 s.
-- Locks: the row of running, FOR NO KEY UPDATE (a share lock would deadlock on upgrade);
-- waits only for another fence of the same claim.
-- Index: running_pkey.
CREATE OR REPLACE FUNCTION pawl.fence(job bigint, fence bigint)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
AS $$
DECLARE
	held boolean;
BEGIN
	PERFORM pawl.check_isolation('fence');
	-- Without the subtransaction that catching an error takes; it is for who has to wait.
	PERFORM FROM pawl.running r
	WHERE r.shard = 0 AND r.job_id = fence.job AND r.fence = fence.fence
	FOR NO KEY UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		BEGIN
			PERFORM FROM pawl.running r
			WHERE r.shard = 0 AND r.job_id = fence.job AND r.fence = fence.fence
			FOR NO KEY UPDATE;
			held := FOUND;
		EXCEPTION WHEN lock_not_available THEN
			held := false;
		END;
		IF NOT held THEN
			PERFORM pawl.refuse(job, fence);
		END IF;
	END IF;
	PERFORM pawl.limit_setting('statement_timeout', '30s');
	PERFORM pawl.limit_setting('idle_in_transaction_session_timeout', '10s');
END
$$;
