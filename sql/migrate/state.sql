-- One row: what migrate has to know before it begins.
-- Columns: encoding, version_num; present (the schema's owner, NULL: no schema), whether
-- the table pawl.migration is there; whether all roles are; grants (the checksum of those
-- that were applied last, NULL: none); missing: what an administrator would have to run,
-- NULL: nothing.
SELECT current_setting('server_encoding') AS encoding,
	current_setting('server_version_num')::int AS version_num,
	(SELECT pg_get_userbyid(n.nspowner) FROM pg_namespace n WHERE n.nspname = 'pawl')
		AS present,
	EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = 'pawl' AND c.relname = 'migration' AND c.relkind = 'r')
		AS has_table,
	w.found = 4 AS has_roles,
	(SELECT substring(obj_description(n.oid, 'pg_namespace') FROM '^pawl ([0-9a-f]{64})$')
		FROM pg_namespace n WHERE n.nspname = 'pawl') AS grants,
	nullif(concat_ws(' ', w.creates, CASE
		WHEN NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = 'pawl_owner'
			AND pg_has_role(current_user, r.oid, CASE
				WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET'
				ELSE 'MEMBER' END))
		THEN format('GRANT pawl_owner TO %I;', current_user) END), '') AS missing
FROM (SELECT count(r.oid) AS found,
		string_agg(format('CREATE ROLE %I NOLOGIN;', u.name), ' ' ORDER BY u.o)
			FILTER (WHERE r.oid IS NULL) AS creates
	FROM unnest(ARRAY['pawl_owner', 'pawl_producer', 'pawl_worker', 'pawl_reader'])
		WITH ORDINALITY u (name, o)
	LEFT JOIN pg_roles r ON r.rolname = u.name) w
