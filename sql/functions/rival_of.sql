-- rival_of(job): the other live job that has this job's unique key; NULL: none
--
-- Internal.
-- Locks: none.
-- Index: primary keys; job in one partition alone: planned with the value.
CREATE OR REPLACE FUNCTION pawl.rival_of(job bigint)
RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
	rival bigint;
BEGIN
	EXECUTE
		'SELECT u.job_id FROM pawl.unique_key u
		WHERE u.shard = 0 AND u.job_id <> $1 AND u.key =
			(SELECT pawl.scoped_key(j.group_key, j.unique_key) FROM pawl.job j
			WHERE j.shard = 0 AND j.id = $1)'
	INTO rival USING job;
	RETURN rival;
END
$$;
