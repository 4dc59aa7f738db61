-- limit_setting(name, bound): make a timeout at most so long until the transaction ends
--
-- 0 means none, and is more than any bound.  Internal.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.limit_setting(name text, bound interval)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
	now_in_force interval := current_setting(name)::interval;
BEGIN
	IF now_in_force = interval '0' OR now_in_force > bound THEN
		PERFORM set_config(name,
			(extract(epoch FROM bound) * 1000)::bigint::text || 'ms', true);
	END IF;
END
$$;
