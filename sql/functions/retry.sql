-- retry: an operator's retry of a failed or cancelled job
--
-- The job goes back to ready (scheduled, when run_at is to come; waiting, when it is
-- grouped: it is the head of its group again, which goes on if the job had stopped it) with
-- failures and crashes at 0, a new attempt and a new fence; what its outcome said stays in
-- pawl.attempts.  A job that has just ended is not in the snapshot of the one statement
-- that looks, so the look is repeated with a new one, with a short growing pause.
-- Returns: the state that it was in: failed or cancelled.
-- Errors: PW003 when its unique key has another live job; PW004 for a job in any other
-- state, or of a batch that is done or being cancelled; P0002 for an unknown id; 55P03
-- when somebody else has been retrying it for about a second, or has kept its key
-- undecided for 5 s; 25001 outside READ COMMITTED.
-- Locks: as retry_round: the job's batch, the unique key, then the row of outcome and that
-- of group_stop, SKIP LOCKED.
CREATE OR REPLACE FUNCTION pawl.retry(job bigint, run_at timestamptz DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
AS $$
DECLARE
	was text;
	rival bigint;
BEGIN
	PERFORM pawl.check_isolation('retry');
	FOR round IN 1..60 LOOP
		SELECT r.was INTO was FROM pawl.retry_round(ARRAY[job], run_at,
			current_setting('lock_timeout')::interval) r;
		IF was = 'busy' THEN
			RAISE EXCEPTION 'unique key or batch of job % is held by another transaction', job
				USING ERRCODE = '55P03', HINT = 'Try again when that transaction has ended.';
		ELSIF was = 'refused' THEN
			RAISE EXCEPTION 'batch of job % takes no retry', job USING ERRCODE = 'PW004',
				DETAIL = 'It is done or being cancelled; or the job is its completion job, and '
					'it is not done.',
				HINT = 'What has failed in a batch that is done is repeated by '
					'pawl.batch_rerun().';
		ELSIF FOUND THEN
			RETURN was;
		END IF;
		was := pawl.state_of(job);
		EXIT WHEN (was IN ('failed', 'cancelled')) IS NOT TRUE;
		rival := pawl.rival_of(job);
		IF rival IS NOT NULL THEN
			RAISE EXCEPTION 'unique key of job % has a live job, %', job, rival
				USING ERRCODE = 'PW003',
				HINT = 'At most one job of a unique key is live; wait for its end.';
		END IF;
		PERFORM pg_sleep(least(0.001 * round, 0.02));
	END LOOP;
	IF was IS NULL THEN
		RAISE EXCEPTION 'job % does not exist', coalesce(job::text, 'NULL')
			USING ERRCODE = 'P0002';
	ELSIF was IN ('failed', 'cancelled') THEN
		RAISE EXCEPTION 'job % is being retried by another transaction', job
			USING ERRCODE = '55P03', HINT = 'Try again when that transaction has ended.';
	END IF;
	RAISE EXCEPTION 'job % is %, not failed or cancelled', job, was
		USING ERRCODE = 'PW004';
END
$$;
