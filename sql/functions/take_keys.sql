-- take_keys(keys, starts, patience): ids for many jobs, some of which have unique keys
--
-- keys and starts (whether the key is free from its job's start on) belong together, in
-- the order of the jobs; the key of a job without one is NULL.  patience as take_key's.
-- Returns: jobs: the id of each; made: whether the caller is to make it; of several with
-- one key the first.  New ids ascend in the order of the jobs.
-- Keys are taken ascending bytewise, each told before the next, so that callers whose
-- keys overlap wait for each other in one order; at once where that can be (READ
-- COMMITTED: after one look at all of them), else one by one.
-- Internal.
-- Locks: inserts into unique_key, ascending by key, as take_at_once and then take_key do.
CREATE OR REPLACE FUNCTION pawl.take_keys(keys text[], starts boolean[], patience interval,
	OUT jobs bigint[], OUT made boolean[])
LANGUAGE plpgsql
SET lock_timeout = '5s'
SET enable_seqscan = off
AS $$
#variable_conflict use_variable
DECLARE
	looks constant boolean := current_setting('transaction_isolation')
		IN ('read committed', 'read uncommitted');
	names text[];
	firsts int[];
	frees boolean[];
	holders bigint[];
	holders_free boolean[];
	candidates bigint[];
	told bigint[];
BEGIN
	IF patience > interval '0' AND patience < interval '5 s' THEN
		PERFORM pawl.limit_setting('lock_timeout', patience);
	END IF;
	SELECT array_agg(d.key), array_agg(d.o), array_agg(d.start)
	INTO names, firsts, frees
	FROM (SELECT DISTINCT ON (k.key COLLATE "C") k.key, k.o, k.start
		FROM unnest(keys, starts) WITH ORDINALITY k (key, start, o)
		WHERE k.key IS NOT NULL
		ORDER BY k.key COLLATE "C", k.o) d;
	IF looks THEN
		SELECT f.jobs, f.frees INTO holders, holders_free FROM pawl.find_keys(names) f;
	END IF;
	SELECT array_agg(CASE WHEN j.new THEN nextval('pawl.job_id') END) INTO jobs
	FROM (SELECT k.key IS NULL OR n.first IS NOT NULL AS new
		FROM unnest(keys) WITH ORDINALITY k (key, o)
		LEFT JOIN unnest(firsts, holders) n (first, holder)
			ON n.first = k.o AND n.holder IS NULL
		ORDER BY k.o) j;
	SELECT array_agg(jobs[n.first] ORDER BY n.o) INTO candidates
	FROM unnest(firsts) WITH ORDINALITY n (first, o);
	told := pawl.take_at_once(names, frees, candidates, holders, holders_free);
	IF told IS NULL AND NOT looks THEN
		RAISE EXCEPTION 'a unique key was taken or freed by another transaction'
			USING ERRCODE = '40001', HINT = 'Repeat the transaction.';
	ELSIF told IS NULL THEN
		FOR i IN 1..cardinality(names) LOOP
			candidates[i] := coalesce(candidates[i], nextval('pawl.job_id'));
			told[i] := (SELECT k.job FROM pawl.take_key(names[i], frees[i], candidates[i],
				current_setting('lock_timeout')::interval) k);
		END LOOP;
	END IF;
	SELECT array_agg(coalesce(n.job, k.job) ORDER BY k.o),
		array_agg(k.key IS NULL OR (n.job = n.candidate AND n.first = k.o) IS TRUE
			ORDER BY k.o)
	INTO jobs, made
	FROM unnest(keys, jobs) WITH ORDINALITY k (key, job, o)
	LEFT JOIN unnest(names, firsts, candidates, told) n (key, first, candidate, job)
		ON n.key COLLATE "C" = k.key;
END
$$;
