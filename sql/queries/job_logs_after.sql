-- job_logs_after: the next lines of a job's log
--
-- Parameters: $1 bigint: the job; $2 log_level: this level and above, NULL: all; $3 int: at
-- most so many; $4, $5 bigint: written from then until then, microseconds since 1970,
-- NULL: at any time; $6 bigint: greater ids alone, NULL: all.
-- Columns: id, at (UTC), level, fence, superseded, message, context.
-- Index: log_pkey of each partition; log_level for warn and above.  A time range is looked up
-- among the entries of the job in log_pkey of those days, not among the lines; for warn and
-- above among those lines.
SELECT l.id, to_char(l.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at,
	l.level, l.fence, l.superseded, l.message, l.context
FROM (SELECT t.* FROM pawl.logs t
	WHERE t.job = $1::bigint AND t.id > coalesce($6::bigint, 0)
		AND ($2::pawl.log_level IS NULL OR t.level >= $2::pawl.log_level)
		AND ($4::bigint IS NULL
			OR t.at >= to_timestamp(0) + $4::bigint * interval '1 microsecond')
		AND ($5::bigint IS NULL
			OR t.at < to_timestamp(0) + $5::bigint * interval '1 microsecond')
	ORDER BY t.id LIMIT $3::int) l
ORDER BY l.id
