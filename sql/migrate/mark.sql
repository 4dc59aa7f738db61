-- Statements to run after a file of functions: what this transaction has made gets the
-- file's checksum as its comment, an overload that the file does not define any more is
-- dropped.
SELECT CASE WHEN p.xmin = pg_current_xact_id()::xid
	THEN format('COMMENT ON FUNCTION %s IS %L', p.oid::regprocedure, 'pawl ' || :'checksum')
	ELSE format('DROP FUNCTION %s', p.oid::regprocedure) END
FROM pg_proc p
WHERE p.pronamespace = 'pawl'::regnamespace AND p.proname = :'name'
	AND (p.xmin = pg_current_xact_id()::xid
		OR obj_description(p.oid, 'pg_proc') ~ '^pawl [0-9a-f]{64}$')
