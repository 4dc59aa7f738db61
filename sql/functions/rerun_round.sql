-- rerun_round(batch, every): one try of batch_rerun
--
-- Waits at most 50 ms for a lock, and then all is given back: who reruns a batch gives
-- way to a user's transaction.  Raises PW003 when each job would be left out.  Internal.
-- Locks: the batch's last row FOR UPDATE; then unique keys, ascending, as take_keys;
-- inserts into batch, job, scheduled, ready, waiting, batch_delta.
-- Index: batch_pkey; job_batch of the partitions from the batch's first job on.
CREATE OR REPLACE FUNCTION pawl.rerun_round(batch bigint, every boolean)
RETURNS int
LANGUAGE plpgsql
SET lock_timeout = '50ms'
AS $$
#variable_conflict use_column
DECLARE
	held pawl.batch;
	olds bigint[];
	keys text[];
	starts boolean[];
	ids bigint[];
	made boolean[];
BEGIN
	held := pawl.lock_batch(batch);
	IF held.done_at IS NULL THEN
		RAISE EXCEPTION 'batch % is not done', batch USING ERRCODE = 'PW004',
			HINT = 'Seal or cancel it, and wait for its end.';
	END IF;
	-- first its completion job, so that all keys are taken in one order
	EXECUTE
		'SELECT array_agg(o.id), array_agg(o.key), array_agg(o.until_start)
		FROM (SELECT j.id, pawl.scoped_key(j.group_key, j.unique_key) AS key,
				coalesce(j.until_start, false) AS until_start
			FROM pawl.job j, LATERAL (SELECT e.state FROM pawl.outcome e
				WHERE e.shard = 0 AND e.job_id = j.id AND e.job_id > $3 OFFSET 0) e
			WHERE j.batch = $1 AND j.epoch = $2 AND j.id > $3
				AND j.stage IS NOT NULL AND ($4 OR e.state = ''failed'')
			ORDER BY j.id) o'
	INTO olds, keys, starts USING held.id, held.epoch, held.low, every;
	IF olds IS NULL THEN
		RAISE EXCEPTION 'batch % has no % jobs to do again', batch,
			CASE WHEN every THEN 'kept' ELSE 'failed' END USING ERRCODE = 'PW004',
			HINT = CASE WHEN every THEN 'It is empty, or retention has taken them away.'
				ELSE 'Those that were cancelled or have succeeded are done again with '
					'"all".' END;
	END IF;
	SELECT k.jobs, k.made INTO ids, made
	FROM pawl.take_keys((held.on_complete ->> 'unique_key') || keys,
		coalesce(held.on_complete ->> 'unique_until' = 'start', false) || starts,
		interval '50 ms') k;
	IF made[1] IS FALSE THEN
		PERFORM pawl.refuse_completion(held.on_complete ->> 'unique_key', ids[1]);
	ELSIF NOT true = ANY (made[2:]) THEN	-- an epoch without jobs would succeed at once
		RAISE EXCEPTION 'nothing of batch % can be done again: the unique keys of all % jobs '
			'have live jobs', batch, cardinality(olds)
			USING ERRCODE = 'PW003', DETAIL = format('That of job %s has job %s.', olds[1],
				ids[2]),
			HINT = 'At most one job of a unique key is live; wait for their end.';
	END IF;
	PERFORM pawl.next_epoch(held, (SELECT min(i) - 1 FROM unnest(ids) i), ids[1]);
	PERFORM pawl.copy_jobs(held, olds, ids[2:], made[2:]);
	RETURN held.epoch + 1;
END
$$;
