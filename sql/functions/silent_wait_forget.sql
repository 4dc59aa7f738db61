-- silent_wait_forget: remove what the watch recorded before a time
--
-- Internal.
-- Parameters: before: a time.  A thousand rows at the most, the oldest.
-- Locks: rows of silent_wait, then of silent_wait_end, by time, SKIP LOCKED, deleted.
-- Index: silent_wait_found, silent_wait_end_at.
CREATE OR REPLACE FUNCTION pawl.silent_wait_forget(before timestamptz)
RETURNS void
LANGUAGE sql
AS $$
	DELETE FROM pawl.silent_wait w
	WHERE w.ctid = ANY (ARRAY(SELECT s.ctid FROM pawl.silent_wait s
		WHERE s.found_at < before AND s.shard = 0
		ORDER BY s.found_at LIMIT 1000 FOR UPDATE SKIP LOCKED));
	DELETE FROM pawl.silent_wait_end w
	WHERE w.ctid = ANY (ARRAY(SELECT s.ctid FROM pawl.silent_wait_end s
		WHERE s.at < before AND s.shard = 0
		ORDER BY s.at LIMIT 1000 FOR UPDATE SKIP LOCKED));
$$;
