-- Statements that drop every function and view that migrate has made; functions first,
-- because they may depend on views.  What somebody else has built on them is not
-- dropped with them: then it fails.
SELECT s.command
FROM (SELECT 1 AS turn,
		'DROP FUNCTION ' || string_agg(p.oid::regprocedure::text, ', ') AS command
	FROM pg_proc p
	WHERE p.pronamespace = 'pawl'::regnamespace
		AND obj_description(p.oid, 'pg_proc') ~ '^pawl [0-9a-f]{64}$'
	UNION ALL
	SELECT 2, 'DROP VIEW ' || string_agg(c.oid::regclass::text, ', ')
	FROM pg_class c
	WHERE c.relnamespace = 'pawl'::regnamespace AND c.relkind = 'v'
		AND obj_description(c.oid, 'pg_class') ~ '^pawl [0-9a-f]{64}$') s
WHERE s.command IS NOT NULL
ORDER BY s.turn
