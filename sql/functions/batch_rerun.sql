-- batch_rerun: do a batch's failed jobs again, or all of them, under its next epoch
--
-- The jobs are copied under new ids and counted apart; the batch has a new completion
-- job.  A job whose unique key has a live job is left out.  With all the children are copied
-- too, which jobs have pushed into their batch: a job does not know its parent.  A handler
-- that pushes children does so again, unless they have unique keys: rerun such a batch
-- with failed, or push it anew.
-- Parameters: batch, which must be done; which: failed or all.
-- Returns: the epoch.
-- Errors: 22023; P0002 for an unknown batch; PW004 when it is not done, or has no such
-- jobs; PW003 when the key of the completion job has a live job, or those of all of the jobs
-- have, so that none would be copied; 55P03 when another transaction keeps the batch or one
-- of the keys for three seconds; 25001 outside READ COMMITTED.
-- Locks: as rerun_round, in up to 40 rounds.
-- Index: as rerun_round.
CREATE OR REPLACE FUNCTION pawl.batch_rerun(batch bigint, which text DEFAULT 'failed')
RETURNS int
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
AS $$
DECLARE
	pause_s float8 := 0.001;
	epoch int;
BEGIN
	IF which IS NULL OR which NOT IN ('failed', 'all') THEN
		RAISE EXCEPTION 'a rerun is of the jobs "failed" or "all", not %',
			coalesce('"' || which || '"', 'NULL') USING ERRCODE = '22023';
	END IF;
	PERFORM pawl.check_isolation('batch_rerun');
	FOR round IN 1..40 LOOP
		BEGIN
			epoch := pawl.rerun_round(batch, which = 'all');
			PERFORM pawl.fold(batch);
			RETURN epoch;
		EXCEPTION WHEN lock_not_available THEN
			IF round = 40 THEN
				RAISE;
			END IF;
			PERFORM pg_sleep(pause_s);
			pause_s := least(pause_s * 1.5, 0.02);
		END;
	END LOOP;
END
$$;
