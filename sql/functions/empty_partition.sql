-- empty_partition(part, low, high, keep): take the jobs away that ended more than keep ago
--
-- Partitions of job and outcome are emptied, not detached: DETACH and DROP lock the
-- parents, which stops every push behind any open reader.  First it looks, without a
-- lock, whether all but a few jobs are to go.  Then it locks both partitions, and only
-- then takes the survivors: what is live in that snapshot or keeps a group from going on,
-- and what has ended since.
-- TRUNCATE, and the survivors are inserted again.  What could be missed so is a job that
-- was retried between the two looks, or pushed by a transaction that is open at the
-- first: then it is left for later.
-- Returns: gone and kept, jobs; NULLs: nothing was done, because less than a tenth is to
-- go, more than 5,000 jobs or 64 MiB would stay, or somebody pushes there; gone 0: the
-- locks could not be had at once, or jobs have become live meanwhile.  Internal.
-- Locks: ACCESS EXCLUSIVE on the partition of outcome: it gives up after 50 ms.  Then on
-- that of job, without waiting: whoever holds something waits for nothing, so it is in no
-- circle.
-- Index: primary keys of both partitions; attempt_operator.
CREATE OR REPLACE FUNCTION pawl.empty_partition(part text, low bigint, high bigint,
	keep interval, OUT gone bigint, OUT kept bigint)
LANGUAGE plpgsql
SET lock_timeout = '50ms'
AS $$
#variable_conflict use_variable
DECLARE
	most constant int := 5000;
	cutoff timestamptz := clock_timestamp() - keep;
	seen bigint[];
	retried bigint;
	live bigint[];
	stopped bigint[];
	jobs pawl.job[];
	outcomes pawl.outcome[];
	had bigint;
BEGIN
	retried := pawl.operators_between(low, high);
	seen := pawl.survivors(part, low, high, cutoff, most + 1);
	IF seen IS NULL OR cardinality(seen) > most THEN
		RETURN;
	END IF;
	EXECUTE format('SELECT count(*) FROM pawl.%I', 'job_p' || part) INTO had;
	IF had <= cardinality(seen) OR had - cardinality(seen) < had / 10 THEN
		RETURN;
	END IF;
	BEGIN
		EXECUTE format('LOCK TABLE pawl.%I IN ACCESS EXCLUSIVE MODE', 'outcome_p' || part);
		EXECUTE format('LOCK TABLE pawl.%I IN ACCESS EXCLUSIVE MODE NOWAIT', 'job_p' || part);
		live := pawl.live_between(low, high, most + 1);
		stopped := pawl.stopped_between(low, high, most + 1);
		IF cardinality(live || stopped) > most OR retried <> pawl.operators_between(low, high) THEN
			RAISE EXCEPTION 'jobs have become live' USING ERRCODE = '55P03';
		END IF;
		EXECUTE
			'SELECT array_agg(o) FROM pawl.outcome o
			WHERE o.shard = 0 AND o.job_id = ANY ($1 || $5)
				AND o.job_id >= $2 AND o.job_id < $3
				AND (o.finished_at > $4 OR o.job_id = ANY ($5))'
		INTO outcomes USING seen, low, high, cutoff, stopped;
		EXECUTE
			'SELECT array_agg(j) FROM pawl.job j
			WHERE j.shard = 0 AND j.id = ANY ($1) AND j.id >= $2 AND j.id < $3'
		INTO jobs
		USING live || ARRAY(SELECT o.job_id FROM unnest(outcomes) o), low, high;
		EXECUTE format('TRUNCATE pawl.%I, pawl.%I', 'job_p' || part, 'outcome_p' || part);
		INSERT INTO pawl.job SELECT j.* FROM unnest(jobs) j;
		INSERT INTO pawl.outcome SELECT o.* FROM unnest(outcomes) o;
	EXCEPTION
		WHEN lock_not_available OR deadlock_detected THEN
			gone := 0;
			RETURN;
	END;
	kept := coalesce(cardinality(jobs), 0);
	gone := had - kept;
END
$$;
