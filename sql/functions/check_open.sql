-- check_open(held, child): refuse a push into a batch that takes none, with PW004
--
-- child: a running job of the batch pushes.  Internal.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.check_open(held pawl.batch, child boolean)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
	IF held.done_at IS NOT NULL THEN
		RAISE EXCEPTION 'batch % is done', held.id USING ERRCODE = 'PW004',
			DETAIL = format('It has %s.', CASE held.state WHEN 'cancelled'
				THEN 'been cancelled' ELSE held.state::text END);
	ELSIF held.cancelled_at IS NOT NULL THEN
		RAISE EXCEPTION 'batch % is being cancelled', held.id USING ERRCODE = 'PW004';
	ELSIF held.sealed_at IS NOT NULL AND NOT child THEN
		RAISE EXCEPTION 'batch % is sealed', held.id USING ERRCODE = 'PW004',
			HINT = 'Only a running job of the batch may push into it, with parent_fence.';
	END IF;
END
$$;
