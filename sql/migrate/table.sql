-- What has been applied.
CREATE TABLE IF NOT EXISTS pawl.migration (
	version int PRIMARY KEY,
	name text NOT NULL,
	checksum text NOT NULL,
	applied_at timestamptz NOT NULL
);
