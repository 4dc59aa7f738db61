-- lift_stops(group_key): take away what has stopped a group
--
-- Returns: how many stops.  Internal.
-- Locks: rows of group_stop by job id, SKIP LOCKED, deleted.
-- Index: group_stop_pkey.
CREATE OR REPLACE FUNCTION pawl.lift_stops(group_key text)
RETURNS int
LANGUAGE plpgsql
SET enable_seqscan = off
SET jit = off
AS $$
#variable_conflict use_variable
DECLARE
	lifted int;
BEGIN
	DELETE FROM pawl.group_stop s
	WHERE s.ctid = ANY (ARRAY(
		SELECT c.ctid FROM pawl.group_stop c
		WHERE c.shard = 0 AND c.group_key = group_key
		ORDER BY c.job_id FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS lifted = ROW_COUNT;
	RETURN lifted;
END
$$;
