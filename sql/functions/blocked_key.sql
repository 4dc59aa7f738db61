-- blocked_key(keys): the first of these unique keys that another transaction has taken or
-- freed, and that is still open
--
-- For the message of a wait that was too long: each key is tried, and given back at once.
-- Returns: the key; NULL when none is blocked any more.
-- Internal.
-- Locks: inserts into unique_key, one key at a time and undone before the next, so that
-- it holds nothing while it waits, for another transaction that has inserted or deleted
-- the key; 10 ms for each.
CREATE OR REPLACE FUNCTION pawl.blocked_key(keys text[])
RETURNS text
LANGUAGE plpgsql
SET lock_timeout = '10ms'
AS $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY keys LOOP
		BEGIN
			INSERT INTO pawl.unique_key (job_id, until_start, key)
			VALUES (nextval('pawl.job_id'), false, name)
			ON CONFLICT DO NOTHING;
			RAISE EXCEPTION USING ERRCODE = 'PW000';
		EXCEPTION
			WHEN SQLSTATE 'PW000' THEN
				NULL;
			WHEN lock_not_available THEN
				RETURN name;
		END;
	END LOOP;
	RETURN NULL;
END
$$;
