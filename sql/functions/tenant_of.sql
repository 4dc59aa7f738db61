-- tenant_of(group_key): the tenant of a group: what stands before its first slash
--
-- '' when there is no slash.  A plain expression, which a statement takes in.  Internal.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.tenant_of(group_key text)
RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
	SELECT left(group_key, greatest(strpos(group_key, '/') - 1, 0))
$$;
