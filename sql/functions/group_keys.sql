-- group_keys(state, place, last_tenant, n): at most n groups that may be in this state
--
-- Parameters: place: tenant and key of the group before the first; last_tenant: none of a
-- later tenant.  Internal.
-- Returns: keys in the order of tenant and key.
-- Locks: none.
-- Index: waiting_walk, by a step for each group; group_lease and group_stop are sorted.
CREATE OR REPLACE FUNCTION pawl.group_keys(state text, place text[], last_tenant text, n int)
RETURNS text[]
LANGUAGE plpgsql STABLE
SET enable_seqscan = off
SET jit = off
AS $$
DECLARE
	found text := '(SELECT t.tenant, t.group_key FROM pawl.%I t
		WHERE t.shard = 0 AND (t.tenant, t.group_key) > ($1, $2) AND t.tenant <= $3
		GROUP BY 1, 2 ORDER BY 1, 2 LIMIT $4)';
	walked constant text := 'WITH RECURSIVE step AS (
		(SELECT w.tenant, w.group_key FROM pawl.waiting w
		WHERE w.shard = 0 AND (w.tenant, w.group_key) > ($1, $2) AND w.tenant <= $3
		ORDER BY w.tenant, w.group_key LIMIT 1)
		UNION ALL
		SELECT n.* FROM step s, LATERAL (
			SELECT w.tenant, w.group_key FROM pawl.waiting w
			WHERE w.shard = 0 AND (w.tenant, w.group_key) > (s.tenant, s.group_key)
				AND w.tenant <= $3
			ORDER BY w.tenant, w.group_key LIMIT 1) n)
		SELECT s.tenant, s.group_key FROM step s LIMIT $4';
	keys text[];
BEGIN
	found := CASE
		WHEN state = 'running' THEN format(found, 'group_lease')
		WHEN state = 'blocked' THEN format(found, 'group_stop')
		ELSE format('(%s) UNION %s UNION %s', walked, format(found, 'group_lease'),
			format(found, 'group_stop')) END;
	EXECUTE 'SELECT array_agg(k.group_key ORDER BY k.tenant, k.group_key)
		FROM (SELECT * FROM (' || found || ') u (tenant, group_key)
			ORDER BY u.tenant, u.group_key LIMIT $4) k'
	INTO keys USING place[1], place[2], last_tenant, n;
	RETURN coalesce(keys, '{}');
END
$$;
