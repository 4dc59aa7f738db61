-- can_run(head): is this row of waiting a head that could be dispatched now?
--
-- Due, the first of its group, and neither held nor stopped.  A lease that is over holds
-- nothing; a stop is void when a newer run waits, and one of policy fail is what dispatch
-- itself carries out.  Internal.
-- Locks: none.
-- Index: waiting_walk, waiting_run, group_lease_pkey, worker_pkey, group_stop_pkey.
CREATE OR REPLACE FUNCTION pawl.can_run(head pawl.waiting)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET enable_seqscan = off
SET jit = off
AS $$
BEGIN
	IF head.due > statement_timestamp() THEN
		RETURN false;
	END IF;
	IF EXISTS (SELECT FROM pawl.waiting w
		WHERE w.shard = 0 AND w.tenant = head.tenant AND w.group_key = head.group_key
			AND w.job_id < head.job_id) THEN
		RETURN false;
	END IF;
	IF EXISTS (SELECT FROM pawl.group_lease l
		JOIN pawl.worker k ON k.id = l.worker AND k.shard = 0
		WHERE l.shard = 0 AND l.group_key = head.group_key
			AND l.expires_at > statement_timestamp()
			AND k.expires_at > statement_timestamp()) THEN
		RETURN false;
	END IF;
	RETURN NOT EXISTS (SELECT FROM pawl.group_stop s
		WHERE s.shard = 0 AND s.group_key = head.group_key AND s.policy = 'block'
			AND NOT EXISTS (SELECT FROM pawl.waiting w
				WHERE w.shard = 0 AND w.tenant = s.tenant AND w.group_key = s.group_key
					AND w.run_key > s.run_key));
END
$$;
