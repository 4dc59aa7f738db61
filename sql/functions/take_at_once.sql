-- take_at_once(keys, starts, candidates, holders, frees): take many unique keys that had no
-- live job a moment ago, each for its candidate, in one statement
--
-- Parameters belong together; keys are distinct and ascend bytewise; holders are the live
-- jobs that were seen (NULL: none), frees whether their key is free from the start on.
-- Returns: whether all are taken, and the holders whose key is free from the start on are
-- held.  If not, what was taken is given back, and the caller takes key after key: to
-- take what is missing now would take it after greater ones, and that deadlocks.
-- Internal.
-- Errors: 55P03 names the key for which it waited too long.
-- Locks: inserts into unique_key, ascending by key, and waits for another transaction
-- that has inserted or deleted one of them; then as hold_jobs, which waits for nobody.
-- When that was too long it gives back what it took, and then does as blocked_key.
CREATE OR REPLACE FUNCTION pawl.take_at_once(keys text[], starts boolean[],
	candidates bigint[], holders bigint[], frees boolean[])
RETURNS boolean
LANGUAGE plpgsql
AS $$
BEGIN
	INSERT INTO pawl.unique_key (job_id, until_start, key)
	SELECT w.job, w.until_start, w.key
	FROM unnest(keys, starts, candidates, holders) w (key, until_start, job, holder)
	WHERE w.holder IS NULL
	ORDER BY w.key COLLATE "C";
	IF true = ANY (frees) AND NOT pawl.hold_jobs(ARRAY(
		SELECT h.job FROM unnest(holders, frees) h (job, frees) WHERE h.frees)) THEN
		RAISE EXCEPTION USING ERRCODE = 'PW000';
	END IF;
	RETURN true;
EXCEPTION
	WHEN unique_violation OR SQLSTATE 'PW000' THEN
		RETURN false;
	WHEN lock_not_available THEN
		PERFORM pawl.refuse_key(pawl.blocked_key(keys), NULL);
END
$$;
