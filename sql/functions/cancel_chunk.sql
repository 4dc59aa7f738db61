-- cancel_chunk(held): end the next 1,000 jobs of a batch that is being cancelled
--
-- What is locked is left to the next round: when it has come to the end of the jobs, it
-- begins anew.
-- Returns: swept, up to which job it has come; more: there are further ones.  Internal.
-- Locks: as cancel_round; the caller holds the batch's row.
-- Index: job_batch of the partitions from the batch's first job on.
CREATE OR REPLACE FUNCTION pawl.cancel_chunk(held pawl.batch,
	OUT swept bigint, OUT more boolean)
LANGUAGE plpgsql
AS $$
DECLARE
	most constant int := 1000;
	jobs bigint[];
BEGIN
	EXECUTE
		'SELECT array_agg(c.id) FROM (SELECT j.id FROM pawl.job j
			WHERE j.batch = $1 AND j.epoch = $2 AND j.id > $3 AND j.stage IS NOT NULL
			ORDER BY j.id LIMIT $4) c'
	INTO jobs USING held.id, held.epoch, greatest(held.swept, held.low), most;
	IF jobs IS NOT NULL THEN
		PERFORM FROM pawl.cancel_round(jobs, held.reason);
	END IF;
	more := coalesce(cardinality(jobs) = most, false);
	swept := CASE WHEN more THEN jobs[most] ELSE 0 END;
END
$$;
