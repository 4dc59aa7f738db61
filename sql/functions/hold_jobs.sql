-- hold_jobs(jobs): keep these jobs unclaimed until the caller's transaction ends
--
-- Claim, promote, cancel and the dispatch of a group skip a row that somebody holds.
-- Returns: whether all of them are held; false when one is being claimed or moved.
-- Internal.
-- Locks: rows of ready, scheduled and waiting FOR KEY SHARE SKIP LOCKED, by job id; two
-- that hold the same job do not meet.
-- Index: primary keys.
CREATE OR REPLACE FUNCTION pawl.hold_jobs(jobs bigint[])
RETURNS boolean
LANGUAGE plpgsql
SET enable_seqscan = off
SET jit = off
AS $$
DECLARE
	held int;
BEGIN
	SELECT count(*) INTO held
	FROM (SELECT g.id FROM unnest(jobs) g (id) ORDER BY g.id) g,
		LATERAL (SELECT FROM pawl.ready r
			WHERE r.shard = 0 AND r.job_id = g.id FOR KEY SHARE SKIP LOCKED) h;
	IF held < cardinality(jobs) THEN
		SELECT held + count(*) INTO held
		FROM (SELECT g.id FROM unnest(jobs) g (id) ORDER BY g.id) g,
			LATERAL (SELECT FROM pawl.scheduled s
				WHERE s.shard = 0 AND s.job_id = g.id FOR KEY SHARE SKIP LOCKED) h;
	END IF;
	IF held < cardinality(jobs) THEN
		SELECT held + count(*) INTO held
		FROM (SELECT g.id FROM unnest(jobs) g (id) ORDER BY g.id) g,
			LATERAL (SELECT FROM pawl.waiting w
				WHERE w.shard = 0 AND w.job_id = g.id FOR KEY SHARE SKIP LOCKED) h;
	END IF;
	RETURN held = cardinality(jobs);
END
$$;
