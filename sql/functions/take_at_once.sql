-- take_at_once(keys, starts, candidates, holders, frees): the live jobs of many unique
-- keys; those without one are taken for their candidate, in one statement
--
-- Parameters belong together; keys are distinct and ascend bytewise.  holders and frees
-- are what find_keys has found before (NULL: nothing).
-- Returns: the job of each key; NULL when one of them could not be told: then what was
-- taken is given back, and nothing is changed.  (To take the missing ones now, in a
-- second round, would take them after greater ones: that deadlocks.)
-- Internal.
-- Locks: inserts into unique_key, ascending by key, and waits for another transaction
-- that has inserted or deleted one of them; as hold_jobs, which waits for nobody.
-- Index: unique_key_pkey.
CREATE OR REPLACE FUNCTION pawl.take_at_once(keys text[], starts boolean[],
	candidates bigint[], holders bigint[], frees boolean[])
RETURNS bigint[]
LANGUAGE plpgsql
AS $$
#variable_conflict use_variable
DECLARE
	wanted int;
	taken int;
	meet bigint[];
BEGIN
	WITH wanted AS MATERIALIZED (
		SELECT w.* FROM unnest(keys, starts, candidates, holders)
			w (key, until_start, job, holder)
		WHERE w.holder IS NULL
	), added AS (
		INSERT INTO pawl.unique_key (job_id, until_start, key)
		SELECT w.job, w.until_start, w.key FROM wanted w
		ORDER BY w.key COLLATE "C"
		ON CONFLICT DO NOTHING
		RETURNING job_id
	)
	SELECT (SELECT count(*) FROM wanted), (SELECT count(*) FROM added)
	INTO wanted, taken;
	IF taken < wanted THEN
		SELECT f.jobs, f.frees INTO holders, frees FROM pawl.find_keys(keys) f;
	END IF;
	SELECT array_agg(h.job) FILTER (WHERE h.frees AND h.job IS DISTINCT FROM h.candidate)
	INTO meet
	FROM unnest(holders, frees, candidates) h (job, frees, candidate);
	IF taken < wanted AND array_position(holders, NULL) IS NOT NULL
		OR meet IS NOT NULL AND NOT pawl.hold_jobs(meet) THEN
		RAISE EXCEPTION USING ERRCODE = 'PW000';
	END IF;
	RETURN ARRAY(SELECT coalesce(h.job, h.candidate)
		FROM unnest(holders, candidates) WITH ORDINALITY h (job, candidate, o) ORDER BY h.o);
EXCEPTION WHEN SQLSTATE 'PW000' THEN
	RETURN NULL;
END
$$;
