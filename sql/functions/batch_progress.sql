-- batch_progress: how far each stage of a batch is, exact at this moment
--
-- Parameters: batch.
-- Returns: a row for each stage, in their order, of the last epoch: total, how many jobs
-- were pushed into it; succeeded, failed and cancelled, how many of them have ended so;
-- percent of the jobs that have ended, cut to one digit: of those that are expected, or that
-- have come into a sealed batch, if these are more (NULL: how many will come into an open one
-- is not known, or more have come), 100 when the batch is done; rate, of ends a second, in
-- the last ten to twenty seconds, or as long as there were few, of a batch that is done over
-- all of its time; eta, the time that is left at that rate (NULL: not known); counts, what its
-- handlers have counted.
-- Errors: P0002 for an unknown batch.
-- Locks: none.
-- Index: batch_pkey, batch_delta_pkey.
CREATE OR REPLACE FUNCTION pawl.batch_progress(batch bigint)
RETURNS TABLE (stage text, total bigint, succeeded bigint, failed bigint,
	cancelled bigint, percent numeric, rate numeric, eta interval, counts jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pawl, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	SELECT s.stage, s.total, s.succeeded, s.failed, s.cancelled, s.percent, s.rate, s.eta,
		s.counts
	FROM pawl.batch_stages s
	WHERE s.batch = batch_progress.batch
	ORDER BY s.position;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'batch % does not exist', coalesce(batch::text, 'NULL')
			USING ERRCODE = 'P0002';
	END IF;
END
$$;
