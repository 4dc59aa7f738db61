-- The schema.  Its owner is pawl_owner, if this user may act as him, else this user.  A
-- schema that was made before pawl_owner came to be is handed over to him with all that
-- is in it.
DO $$
DECLARE
	heir text := current_user;
	present text := (SELECT pg_get_userbyid(n.nspowner) FROM pg_namespace n
		WHERE n.nspname = 'pawl');
	membership text := CASE WHEN current_setting('server_version_num')::int >= 160000
		THEN 'SET' ELSE 'MEMBER' END;
	command text;
BEGIN
	IF EXISTS (SELECT FROM pg_roles r WHERE r.rolname = 'pawl_owner')
		AND pg_has_role(current_user, 'pawl_owner', membership) THEN
		heir := 'pawl_owner';
	END IF;
	IF present IS NULL THEN
		EXECUTE format('CREATE SCHEMA pawl AUTHORIZATION %I', heir);
		RETURN;
	END IF;
	IF present <> 'pawl_owner' AND EXISTS (SELECT FROM pg_roles u
			WHERE u.rolname = current_user AND u.rolsuper)
		AND NOT EXISTS (SELECT FROM pg_roles o WHERE o.rolname = present AND o.rolsuper) THEN
		RAISE EXCEPTION 'schema pawl belongs to role "%"', present
			USING ERRCODE = '42501',
			DETAIL = 'What is in it would run with the rights of a superuser.',
			HINT = 'Run this as that role, or drop the schema.';
	END IF;
	IF heir <> 'pawl_owner' OR present = 'pawl_owner'
		OR NOT pg_has_role(current_user, present, 'USAGE') THEN
		RETURN;
	END IF;
	EXECUTE 'ALTER SCHEMA pawl OWNER TO pawl_owner';
	FOR command IN
		SELECT format('ALTER TABLE %s OWNER TO pawl_owner', c.oid::regclass)
		FROM pg_class c
		WHERE c.relnamespace = 'pawl'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S')
			AND NOT EXISTS (SELECT FROM pg_depend d
				WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
					AND c.relkind = 'S' AND d.deptype IN ('a', 'i'))
		UNION ALL
		SELECT format('ALTER TYPE %s OWNER TO pawl_owner', t.oid::regtype)
		FROM pg_type t
		WHERE t.typnamespace = 'pawl'::regnamespace AND (t.typtype IN ('e', 'd')
			OR EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
		UNION ALL
		SELECT format('ALTER FUNCTION %s OWNER TO pawl_owner', p.oid::regprocedure)
		FROM pg_proc p
		WHERE p.pronamespace = 'pawl'::regnamespace AND p.prokind = 'f'
	LOOP
		EXECUTE command;
	END LOOP;
END
$$;
