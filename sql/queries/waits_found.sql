-- waits_found: how many silent waits the watch has found in the last thirty days
--
-- Parameters: none.
-- Columns: count, at most 10000; cancelled: of those; last_at (UTC), NULL when there are
-- none.
-- Index: silent_wait_found, backwards.
SELECT count(*) AS count, count(*) FILTER (WHERE f.answer = 'cancelled') AS cancelled,
	to_char(max(f.found_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS last_at
FROM (SELECT s.found_at, s.answer FROM pawl.silent_waits s
	WHERE s.found_at > clock_timestamp() - interval '30 days'
	ORDER BY s.found_at DESC LIMIT 10000) f
