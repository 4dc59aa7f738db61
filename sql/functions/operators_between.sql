-- operators_between(low, high): how often jobs with low <= id < high were retried by an
-- operator
--
-- Retention compares it before and after it has locked a partition.  Internal.
-- Locks: none.
-- Index: attempt_operator.
CREATE OR REPLACE FUNCTION pawl.operators_between(low bigint, high bigint)
RETURNS bigint
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_indexscan = on
SET jit = off
AS $$
BEGIN
	RETURN (SELECT count(*) FROM pawl.attempt a
		WHERE a.category = 'operator' AND a.job_id >= low AND a.job_id < high);
END
$$;
