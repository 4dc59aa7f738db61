-- waits_hidden: how many sessions of this database this user sees little of
--
-- Parameters: none.
-- Columns: count: of sessions whose states and statements are hidden.
-- Index: none; reads pg_stat_activity.
SELECT count(*) AS count
FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.state IS NULL
	AND a.query = '<insufficient privilege>'
