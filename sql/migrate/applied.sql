-- The migrations that have been applied.
SELECT m.version, m.name, m.checksum FROM pawl.migration m ORDER BY m.version
