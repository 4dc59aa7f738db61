-- group_renew: renew the leases of a worker's groups, for handlers that run for long
--
-- Parameters: worker; group_keys and tokens, in pairs.
-- Returns: the keys of those that are lost: over, or somebody else's.  One that its owner
-- is just writing to is neither renewed nor lost.
-- Errors: PW002 when the worker's lease is over; 22023 when the arrays differ in length.
-- Locks: rows of group_lease in the order of keys, SKIP LOCKED.
-- Index: group_lease_pkey, worker_pkey.
CREATE OR REPLACE FUNCTION pawl.group_renew(worker uuid, group_keys text[], tokens bigint[])
RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
SET enable_seqscan = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_variable
DECLARE
	patience interval;
BEGIN
	IF cardinality(group_keys) IS DISTINCT FROM cardinality(tokens) THEN
		RAISE EXCEPTION 'group_keys and tokens must have the same length'
			USING ERRCODE = '22023';
	END IF;
	SELECT w.lease INTO patience FROM pawl.worker w
	WHERE w.id = worker AND w.shard = 0 AND w.expires_at > statement_timestamp();
	IF patience IS NULL THEN
		RAISE EXCEPTION 'lease of worker % is over', coalesce(worker::text, 'NULL')
			USING ERRCODE = 'PW002', HINT = 'Start anew with pawl.worker_start().';
	END IF;
	RETURN QUERY
	WITH given AS MATERIALIZED (
		SELECT g.key COLLATE "C" AS key, g.token
		FROM unnest(group_keys, tokens) g (key, token)
		ORDER BY 1
	), held AS MATERIALIZED (
		SELECT l.group_key, l.expires_at > statement_timestamp() AS lasts
		FROM given g, LATERAL (
			SELECT c.* FROM pawl.group_lease c
			WHERE c.shard = 0 AND c.group_key = g.key AND c.token = g.token
				AND c.worker = worker
			ORDER BY c.group_key FOR UPDATE SKIP LOCKED) l
	), renewed AS (
		-- one row for each that is held
		UPDATE pawl.group_lease l SET expires_at = clock_timestamp() + patience
		FROM held h
		WHERE h.lasts AND l.shard = 0 AND l.group_key = h.group_key
	)
	SELECT g.key::text FROM given g
	WHERE EXISTS (SELECT FROM held h WHERE h.group_key = g.key AND NOT h.lasts)
		OR NOT EXISTS (SELECT FROM pawl.group_lease l
			WHERE l.shard = 0 AND l.group_key = g.key AND l.token = g.token
				AND l.worker = worker);
END
$$;
