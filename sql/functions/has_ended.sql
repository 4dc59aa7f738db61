-- has_ended(b): have all jobs of a batch ended, as its row says?
--
-- Internal.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.has_ended(b pawl.batch)
RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
	RETURN (SELECT sum(c.total) <= sum(c.succeeded + c.failed + c.cancelled)
		FROM unnest(b.total, b.succeeded, b.failed, b.cancelled)
			c (total, succeeded, failed, cancelled));
END
$$;
