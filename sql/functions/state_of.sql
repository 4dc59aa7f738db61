-- state_of(job): the state of a job in a snapshot of its own; NULL: no such job
--
-- Also 'missing': the job is in no live table and has no outcome, which does not happen.
-- VOLATILE, for the reason that describe has.  Internal.
-- Locks: none.
-- Index: primary keys; job and outcome in one partition alone: planned with the value.
CREATE OR REPLACE FUNCTION pawl.state_of(job bigint)
RETURNS text
LANGUAGE plpgsql
AS $$
DECLARE
	state text;
BEGIN
	EXECUTE
		'SELECT coalesce(
			(SELECT o.state::text FROM pawl.outcome o WHERE o.shard = 0 AND o.job_id = $1),
			(SELECT ''running'' FROM pawl.running r WHERE r.shard = 0 AND r.job_id = $1),
			(SELECT ''ready'' FROM pawl.ready r WHERE r.shard = 0 AND r.job_id = $1),
			(SELECT ''scheduled'' FROM pawl.scheduled s WHERE s.shard = 0 AND s.job_id = $1),
			(SELECT ''waiting'' FROM pawl.waiting w WHERE w.shard = 0 AND w.job_id = $1),
			(SELECT ''missing'' FROM pawl.job j WHERE j.shard = 0 AND j.id = $1))'
	INTO state USING job;
	RETURN state;
END
$$;
