-- retake_keys(jobs, patience): the unique keys of ended jobs, for their retry
--
-- Of several jobs with one key the first, by id, has it.  patience as take_key's.
-- Returns: kept: the jobs whose key is taken for them now; it is not, when it has a live
-- job.  busy: the job at whose key the patience ended: then all keys were given back.
-- Internal.
-- Locks: inserts into unique_key, ascending by key, as take_key.
-- Index: primary keys, in the partitions between the smallest and the largest id alone.
CREATE OR REPLACE FUNCTION pawl.retake_keys(jobs bigint[], patience interval,
	OUT kept bigint[], OUT busy bigint)
LANGUAGE plpgsql
AS $$
DECLARE
	j record;
BEGIN
	FOR j IN EXECUTE
		-- each key once: a take of its own key would wait for a job that is not live yet
		'SELECT DISTINCT ON (k.key) j.id, k.key, j.until_start
		FROM pawl.job j, LATERAL (SELECT pawl.scoped_key(j.group_key, j.unique_key)) k (key)
		WHERE j.shard = 0 AND j.id = ANY ($1) AND j.id BETWEEN $2 AND $3
			AND j.unique_key IS NOT NULL
			AND EXISTS (SELECT FROM pawl.outcome o
				WHERE o.shard = 0 AND o.job_id = j.id AND o.job_id BETWEEN $2 AND $3
					AND o.state <> ''succeeded'')
		ORDER BY k.key, j.id'
	USING jobs, (SELECT min(i) FROM unnest(jobs) i), (SELECT max(i) FROM unnest(jobs) i)
	LOOP
		busy := j.id;
		IF (SELECT k.taken
			FROM pawl.take_key(j.key, j.until_start, j.id, patience) k) THEN
			kept := kept || j.id;
		END IF;
	END LOOP;
	busy := NULL;
EXCEPTION WHEN lock_not_available THEN
	kept := NULL;
END
$$;
