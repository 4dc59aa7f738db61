-- take_keys(keys, starts, patience): ids for many jobs, some of which have unique keys
--
-- keys and starts (whether the key is free from its job's start on) belong together, in
-- the order of the jobs; the key of a job without one is NULL.  patience as take_key's.
-- Returns: jobs: the id of each; made: whether the caller is to make it, of several with
-- one key the first (NULL: all).  New ids ascend in the order of the jobs.
-- Keys are taken ascending bytewise, each told before the next, so that callers whose
-- keys overlap wait for each other in one order: at once when a look at all of them says
-- who has them (READ COMMITTED), one by one when somebody comes between.
-- Internal.
-- Locks: inserts into unique_key, ascending by key, as take_at_once and then take_key do.
-- Index: unique_key_pkey; OFFSET 0 makes it a lookup for each key, whatever the
-- statistics say.
CREATE OR REPLACE FUNCTION pawl.take_keys(keys text[], starts boolean[], patience interval,
	OUT jobs bigint[], OUT made boolean[])
LANGUAGE plpgsql
SET lock_timeout = '5s'
SET enable_seqscan = off
SET jit = off
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
	held int;
	at int;
	why text;
BEGIN
	IF patience > interval '0' AND patience < interval '5 s' THEN
		PERFORM pawl.limit_setting('lock_timeout', patience);
	END IF;
	SELECT array_agg(d.key), array_agg(d.o), array_agg(d.start), array_agg(u.job_id),
		array_agg(u.until_start), count(u.job_id)
	INTO names, firsts, frees, holders, holders_free, held
	FROM (SELECT DISTINCT ON (k.key COLLATE "C") k.key, k.o, k.start
		FROM unnest(keys, starts) WITH ORDINALITY k (key, start, o)
		WHERE k.key IS NOT NULL
		ORDER BY k.key COLLATE "C", k.o) d
	LEFT JOIN LATERAL (SELECT f.job_id, f.until_start FROM pawl.unique_key f
		WHERE looks AND f.shard = 0 AND f.key = d.key OFFSET 0) u ON true;
	IF held < cardinality(keys) THEN
		PERFORM pg_current_xact_id();	-- before ids are drawn, which are positions
	END IF;
	IF held = 0 AND cardinality(names) = cardinality(keys) THEN
		SELECT array_agg(nextval('pawl.job_id')) INTO jobs
		FROM generate_series(1, cardinality(keys));
	ELSE
		SELECT array_agg(CASE WHEN j.new THEN nextval('pawl.job_id') END) INTO jobs
		FROM (SELECT k.key IS NULL OR n.first IS NOT NULL AS new
			FROM unnest(keys) WITH ORDINALITY k (key, o)
			LEFT JOIN unnest(firsts, holders) n (first, holder)
				ON n.first = k.o AND n.holder IS NULL
			ORDER BY k.o) j;
	END IF;
	candidates := ARRAY(SELECT jobs[n.first]
		FROM unnest(firsts) WITH ORDINALITY n (first, o) ORDER BY n.o);
	IF NOT looks OR NOT pawl.take_at_once(names, frees, candidates, holders, holders_free) THEN
		PERFORM pg_current_xact_id();
		BEGIN
			FOR i IN 1..coalesce(cardinality(names), 0) LOOP
				at := i;
				candidates[i] := coalesce(candidates[i], nextval('pawl.job_id'));
				holders[i] := (SELECT k.job
					FROM pawl.take_key(names[i], frees[i], candidates[i],
						current_setting('lock_timeout')::interval) k);
			END LOOP;
		EXCEPTION WHEN lock_not_available THEN
			GET STACKED DIAGNOSTICS why = PG_EXCEPTION_DETAIL;
			PERFORM pawl.refuse_key(names[at], why);
		END;
	ELSIF array_position(jobs, NULL) IS NULL THEN
		RETURN;
	END IF;
	SELECT array_agg(coalesce(n.holder, n.candidate, k.job) ORDER BY k.o),
		array_agg(k.key IS NULL
			OR n.first = k.o AND coalesce(n.holder = n.candidate, n.holder IS NULL)
			ORDER BY k.o)
	INTO jobs, made
	FROM unnest(keys, jobs) WITH ORDINALITY k (key, job, o)
	LEFT JOIN unnest(names, firsts, candidates, holders) n (key, first, candidate, holder)
		ON n.key COLLATE "C" = k.key;
END
$$;
