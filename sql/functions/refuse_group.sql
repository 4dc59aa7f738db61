-- refuse_group(group_key): say that the lease of a group is over, or somebody else's
--
-- Raises PW002.  Internal.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.refuse_group(group_key text)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
	RAISE EXCEPTION 'lease of group "%" is over', coalesce(group_key, 'NULL')
		USING ERRCODE = 'PW002',
		DETAIL = 'It has run out, was ended by an operator, or somebody else has taken the '
			'group.',
		HINT = 'Write nothing more for this group before pawl.group_take() has given a new '
			'token.';
END
$$;
