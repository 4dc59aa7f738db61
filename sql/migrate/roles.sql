-- The roles, as far as this user may create them: the owner of everything, who cannot log
-- in, and what is granted to people who push, work and look.  What he may not do is left
-- to an administrator; state.sql says what is missing.
DO $$
DECLARE
	wanted text;
	membership text := CASE WHEN current_setting('server_version_num')::int >= 160000
		THEN 'SET' ELSE 'MEMBER' END;
BEGIN
	FOREACH wanted IN ARRAY
		ARRAY['pawl_owner', 'pawl_producer', 'pawl_worker', 'pawl_reader'] LOOP
		CONTINUE WHEN EXISTS (SELECT FROM pg_roles r WHERE r.rolname = wanted);
		BEGIN
			EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
		EXCEPTION
			WHEN insufficient_privilege OR duplicate_object OR unique_violation THEN
				NULL;
		END;
	END LOOP;
	IF EXISTS (SELECT FROM pg_roles r WHERE r.rolname = 'pawl_owner')
		AND NOT pg_has_role(current_user, 'pawl_owner', membership) THEN
		BEGIN
			EXECUTE format('GRANT pawl_owner TO %I', current_user);
		EXCEPTION
			WHEN insufficient_privilege THEN
				NULL;
		END;
	END IF;
END
$$;
