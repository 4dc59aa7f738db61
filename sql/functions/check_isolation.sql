-- check_isolation(caller): refuse any isolation level but READ COMMITTED, with 25001
--
-- An operation that looks again needs a new snapshot for each statement.  Internal.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.check_isolation(caller text)
RETURNS void
LANGUAGE plpgsql STABLE
AS $$
BEGIN
	IF current_setting('transaction_isolation') NOT IN
		('read committed', 'read uncommitted') THEN
		RAISE EXCEPTION 'pawl.% needs the isolation level READ COMMITTED', caller
			USING ERRCODE = '25001', DETAIL = format('The transaction runs in %s.',
				upper(current_setting('transaction_isolation'))),
			HINT = 'Begin the transaction with BEGIN ISOLATION LEVEL READ COMMITTED.';
	END IF;
END
$$;
