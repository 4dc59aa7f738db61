-- first_due(since, upto): the earliest due time of a scheduled job between these two
--
-- Rows that were deleted while somebody holds a snapshot stay in the index, and a scan from
-- its beginning walks over all of them: so promotion looks from a mark, and from the
-- beginning at a low rate.  Internal.
-- Parameters: since (NULL: the earliest of all); upto: no later.
-- Returns: NULL when there is none.
-- Locks: none.
-- Index: scheduled_due; the settings pin it.
CREATE OR REPLACE FUNCTION pawl.first_due(since timestamptz, upto timestamptz)
RETURNS timestamptz
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_indexscan = on
SET enable_indexonlyscan = on
SET jit = off
AS $$
BEGIN
	RETURN (SELECT s.due FROM pawl.scheduled s
		WHERE s.shard = 0 AND s.due >= coalesce(since, '-infinity') AND s.due <= upto
		ORDER BY s.due LIMIT 1);
END
$$;
