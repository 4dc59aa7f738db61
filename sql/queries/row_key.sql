-- row_key: the statement that reads the key of a row by its place
--
-- Parameters: $1 oid: the table.
-- Columns: sql: a statement with the parameter $1 tid, which answers "(a, b) = (1, x)";
-- no row when the table has no primary key, when this user may not read it, or when
-- policies of its rows would run for this user.
-- Index: none of ours.
SELECT format('SELECT concat(%L, %s, %L) FROM %s t WHERE t.ctid = $1::tid',
	'(' || string_agg(k.attname, ', ' ORDER BY k.ord) || ') = (',
	string_agg(format('left(format(''%%s'', t.%I), 200)', k.attname), ', '', '', ' ORDER BY k.ord),
	')', min(k.indrelid::regclass::text)) AS sql
FROM (SELECT i.indrelid, a.attname, u.ord, has_column_privilege(i.indrelid, a.attnum, 'SELECT')
			AS readable
	FROM pg_index i
	CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY u (attnum, ord)
	JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.attnum
	WHERE i.indrelid = $1::oid AND i.indisprimary
		AND NOT row_security_active(i.indrelid)) k
HAVING bool_and(k.readable)
