-- The functions and views that migrate has made: their comment says so.
-- Columns: kind, name, identity for DROP, checksum of the file that they came from.
-- Functions first: they may depend on views, never the other way.
SELECT 'FUNCTION' AS kind, p.proname AS name, p.oid::regprocedure::text AS identity,
	substring(obj_description(p.oid, 'pg_proc') FROM '^pawl ([0-9a-f]{64})$') AS checksum
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'pawl'
	AND obj_description(p.oid, 'pg_proc') ~ '^pawl [0-9a-f]{64}$'
UNION ALL
SELECT 'VIEW', c.relname, c.oid::regclass::text,
	substring(obj_description(c.oid, 'pg_class') FROM '^pawl ([0-9a-f]{64})$')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'pawl' AND c.relkind = 'v'
	AND obj_description(c.oid, 'pg_class') ~ '^pawl [0-9a-f]{64}$'
ORDER BY 1, 2, 3
