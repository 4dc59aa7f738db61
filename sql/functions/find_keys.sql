-- find_keys(keys): the live jobs of unique keys, as arrays that belong to keys
--
-- jobs: NULL where there is none; frees: whether the key is free from the job's start on.
-- Volatile, so that it looks with a new snapshot.  Internal.
-- Locks: none.
-- Index: unique_key_pkey; OFFSET 0 makes it a lookup for each key, whatever the
-- statistics say.
CREATE OR REPLACE FUNCTION pawl.find_keys(keys text[], OUT jobs bigint[], OUT frees boolean[])
LANGUAGE plpgsql
AS $$
BEGIN
	SELECT array_agg(u.job_id ORDER BY k.o), array_agg(u.until_start ORDER BY k.o)
	INTO jobs, frees
	FROM unnest(keys) WITH ORDINALITY k (key, o)
	LEFT JOIN LATERAL (SELECT f.job_id, f.until_start FROM pawl.unique_key f
		WHERE f.shard = 0 AND f.key = k.key OFFSET 0) u ON true;
END
$$;
