-- refuse_key(key, why): a unique key could not be had in time; raises 55P03
--
-- key: NULL when it is not known which; why: NULL: another transaction has it.  Internal.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.refuse_key(key text, why text)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
	RAISE EXCEPTION 'could not get unique key %within %',
		coalesce(pawl.named_key(key) || ' ', ''), current_setting('lock_timeout')
		USING ERRCODE = '55P03',
		DETAIL = coalesce(nullif(why, ''),
			'Another transaction has taken or freed it, and is still open.'),
		HINT = 'Try again when that transaction has ended.';
END
$$;
