-- group_list: groups, as group_show has them, in the order of tenant and key, bytewise
--
-- Parameters: state: only those that are running, blocked, ready, later or free; tenant:
-- only this one's ('': groups without a tenant); NULL: all; after: the key of a group:
-- only those that come after it; n: at most so many, 1 to 10000.
-- Returns: the columns of group_show.  Groups are found by steps through what waits, so
-- the cost follows the groups that are passed, and not their jobs; those that run or are
-- blocked are found by their owners and by what stops them.
-- Errors: 22023.
-- Locks: none.
-- Index: waiting_walk; group_lease and group_stop, which hold only what is owned or
-- stopped, are sorted.
CREATE OR REPLACE FUNCTION pawl.group_list(
	INOUT state text DEFAULT NULL,
	INOUT tenant text DEFAULT NULL,
	after text DEFAULT NULL,
	n int DEFAULT 50,
	OUT group_key text,
	OUT worker uuid,
	OUT worker_name text,
	OUT since timestamptz,
	OUT lease_left interval,
	OUT head bigint,
	OUT head_due timestamptz,
	OUT waiting int,
	OUT oldest interval,
	OUT blocked_by bigint)
RETURNS SETOF record
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pawl, pg_temp
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
	wanted constant text := state;
	last_tenant constant text := coalesce(tenant, chr(1114111));
	place text[] := ARRAY[coalesce(pawl.tenant_of(after), tenant, ''), coalesce(after, '')];
	keys text[];
	key text;
	shown int := 0;
BEGIN
	IF wanted NOT IN ('running', 'blocked', 'ready', 'later', 'free') THEN
		RAISE EXCEPTION 'unknown state "%" of a group', wanted USING ERRCODE = '22023',
			HINT = 'States are running, blocked, ready, later and free.';
	ELSIF n IS NULL OR n NOT BETWEEN 1 AND 10000 THEN
		RAISE EXCEPTION 'n of a list must be 1 to 10000, not %', coalesce(n::text, 'NULL')
			USING ERRCODE = '22023';
	END IF;
	LOOP
		keys := pawl.group_keys(wanted, place, last_tenant, n);
		FOREACH key IN ARRAY keys LOOP
			SELECT s.* INTO group_key, tenant, state, worker, worker_name, since, lease_left,
				head, head_due, waiting, oldest, blocked_by
			FROM pawl.group_show(key) s;
			IF wanted IS NULL OR state = wanted THEN
				RETURN NEXT;
				shown := shown + 1;
				EXIT WHEN shown = n;
			END IF;
		END LOOP;
		EXIT WHEN shown = n OR cardinality(keys) < n;
		place := ARRAY[pawl.tenant_of(key), key];
	END LOOP;
END
$$;
