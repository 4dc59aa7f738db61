-- retain_logs(keep): drop the oldest day of log that ended more than keep ago
--
-- Returns: as retain.  Internal.
-- Locks: as drop_partition.
CREATE OR REPLACE FUNCTION pawl.retain_logs(keep interval)
RETURNS TABLE (step text, part text, gone bigint, kept bigint)
LANGUAGE plpgsql
AS $$
#variable_conflict use_variable
DECLARE
	name text;
BEGIN
	SELECT c.relname, substr(c.relname, length('log_p') + 1) INTO name, part
	FROM pg_inherits i
	JOIN pg_class c ON c.oid = i.inhrelid
	CROSS JOIN LATERAL (SELECT m[1]::timestamptz FROM regexp_match(
		pg_get_expr(c.relpartbound, c.oid), ' TO \(''([^'']+)''\)') m) b (high)
	WHERE i.inhparent = 'pawl.log'::regclass AND b.high <= clock_timestamp() - keep
	ORDER BY b.high LIMIT 1;
	IF name IS NOT NULL THEN
		step := CASE WHEN pawl.drop_partition('log', name) THEN 'logs'
			ELSE 'busy' END;
		RETURN NEXT;
	END IF;
END
$$;
