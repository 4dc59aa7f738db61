-- ring_group(tenant, group_key): tell the workers that sleep on the queue of a group's
-- head, if that is due
--
-- For what makes a group free that others have passed over.  Internal.
-- Locks: as ring.
-- Index: waiting_walk.
CREATE OR REPLACE FUNCTION pawl.ring_group(tenant text, group_key text)
RETURNS void
LANGUAGE plpgsql
SET enable_seqscan = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_variable
DECLARE
	head pawl.waiting;
BEGIN
	SELECT w.* INTO head FROM pawl.waiting w
	WHERE w.shard = 0 AND w.tenant = tenant AND w.group_key = group_key
	ORDER BY w.job_id LIMIT 1;
	IF head.due <= clock_timestamp() THEN
		PERFORM pawl.ring(ARRAY[head.queue]);
	END IF;
END
$$;
