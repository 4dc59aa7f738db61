-- attach_partition(parent, name, key, low, high): create a partition and attach it
--
-- CREATE, CHECK and ATTACH: the check spares the scan, and neither waits behind readers
-- of the parent as PARTITION OF would.  Nothing is done when it is there already.
-- Returns: 1 when it was attached, else 0.  Internal.
-- Locks: SHARE UPDATE EXCLUSIVE on the parent: no conflict with reads and writes.
CREATE OR REPLACE FUNCTION pawl.attach_partition(parent text, name text, key text,
	low text, high text)
RETURNS int
LANGUAGE plpgsql
AS $$
BEGIN
	IF to_regclass('pawl.' || name) IS NOT NULL THEN
		RETURN 0;
	END IF;
	EXECUTE format('CREATE TABLE pawl.%I (LIKE pawl.%I INCLUDING ALL)', name, parent);
	EXECUTE format('ALTER TABLE pawl.%I ADD CONSTRAINT attaching CHECK (%I >= %L AND %I < %L)',
		name, key, low, key, high);
	EXECUTE format('ALTER TABLE pawl.%I ATTACH PARTITION pawl.%I FOR VALUES FROM (%L) TO (%L)',
		parent, name, low, high);
	EXECUTE format('ALTER TABLE pawl.%I DROP CONSTRAINT attaching', name);
	RETURN 1;
END
$$;
