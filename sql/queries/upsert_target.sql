-- upsert_target: a table of the user's, and columns of it, for an upsert
--
-- Parameters: $1 text: the table's name as in SQL; $2 text[]: names of columns, exactly.
-- Columns, a row for each of $2 in that order, none if there is no such table:
-- relation, the table's name, quoted and with its schema; column_name, quoted;
-- present; type, to cast text to; collate, the COLLATE clause to order by, or empty;
-- generated, whether it cannot be written.
-- Index: the keys of the catalogs.
--
-- The type is the one below all domains: an explicit cast to a domain would cut a string
-- that is too long, where an assignment refuses it; for the same reason string types
-- are without their length. The assignment checks both. Text of any deterministic
-- collation is equal by its bytes alone, so it is ordered by them; under another
-- collation texts are equal that differ, and only its own order keeps those together.
WITH RECURSIVE target AS (
	SELECT c.oid, pg_catalog.format('%I.%I', s.nspname, c.relname) AS relation
	FROM pg_catalog.pg_class c
	JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
	WHERE c.oid = pg_catalog.to_regclass($1::pg_catalog.text)
), wanted AS (
	SELECT w.name, w.ordinal, t.relation, a.*
	FROM target t
	CROSS JOIN pg_catalog.unnest($2::pg_catalog.text[]) WITH ORDINALITY w (name, ordinal)
	LEFT JOIN pg_catalog.pg_attribute a
		ON a.attrelid = t.oid AND a.attname = w.name
		AND a.attnum > 0 AND NOT a.attisdropped
), base (ordinal, type_id, modifier) AS (
	SELECT w.ordinal, w.atttypid, w.atttypmod FROM wanted w WHERE w.atttypid IS NOT NULL
	UNION ALL
	SELECT b.ordinal, t.typbasetype,
		CASE WHEN b.modifier >= 0 THEN b.modifier ELSE t.typtypmod END
	FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.type_id AND t.typtype = 'd'
)
SELECT w.relation, pg_catalog.quote_ident(w.name) AS column_name,
	w.attname IS NOT NULL AS present,
	pg_catalog.format_type(t.oid, CASE
		WHEN coalesce(nullif(t.typelem, 0), t.oid) IN (
			'pg_catalog.varchar'::pg_catalog.regtype,
			'pg_catalog.bpchar'::pg_catalog.regtype,
			'pg_catalog.bit'::pg_catalog.regtype,
			'pg_catalog.varbit'::pg_catalog.regtype) THEN -1
		ELSE b.modifier END) AS type,
	CASE WHEN l.oid IS NULL THEN ''
		WHEN l.collisdeterministic THEN ' COLLATE pg_catalog."C"'
		ELSE pg_catalog.format(' COLLATE %I.%I', s.nspname, l.collname) END AS collate,
	w.attgenerated <> '' OR w.attidentity = 'a' AS generated
FROM wanted w
LEFT JOIN (base b
	JOIN pg_catalog.pg_type t ON t.oid = b.type_id AND t.typtype <> 'd')
	ON b.ordinal = w.ordinal
LEFT JOIN pg_catalog.pg_collation l ON l.oid = w.attcollation
LEFT JOIN pg_catalog.pg_namespace s ON s.oid = l.collnamespace
ORDER BY w.ordinal
