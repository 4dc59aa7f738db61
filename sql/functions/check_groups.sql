-- check_groups(group_keys, run_keys, jobs): refuse groups and runs that do not belong to so
-- many jobs, or that no job may have, with 22023
--
-- Either array may be NULL.  Internal.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.check_groups(group_keys text[], run_keys bigint[], jobs int)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
	wrong bigint;
	group_key text;
	run_key bigint;
BEGIN
	IF cardinality(group_keys) <> coalesce(jobs, 0)
		OR cardinality(run_keys) <> coalesce(jobs, 0) THEN
		RAISE EXCEPTION 'args, group_keys and run_keys must have the same length'
			USING ERRCODE = '22023', DETAIL = format('They have %s, %s and %s elements.',
				coalesce(jobs, 0), coalesce(cardinality(group_keys)::text, 'no'),
				coalesce(cardinality(run_keys)::text, 'no'));
	END IF;
	SELECT u.o, u.group_key, u.run_key INTO wrong, group_key, run_key
	FROM unnest(group_keys, run_keys) WITH ORDINALITY u (group_key, run_key, o)
	WHERE octet_length(u.group_key) NOT BETWEEN 1 AND 255
		OR strpos(u.group_key, chr(31)) > 0
		OR u.group_key IS NULL AND u.run_key IS NOT NULL
	ORDER BY u.o LIMIT 1;
	IF wrong IS NOT NULL THEN
		PERFORM pawl.check_group(group_key, run_key);
	END IF;
EXCEPTION WHEN invalid_parameter_value THEN
	IF wrong IS NULL THEN
		RAISE;
	END IF;
	RAISE EXCEPTION '%', SQLERRM USING ERRCODE = '22023',
		DETAIL = format('It is job %s of the call.', wrong);
END
$$;
