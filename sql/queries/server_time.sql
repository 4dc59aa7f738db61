-- server_time: the database's clock, which times relative to now are counted from
--
-- Parameters: none.
-- Columns: microseconds since 1970.
-- Index: none.
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
