-- drop_partition(parent, name, low, high): drop an old partition of parent
--
-- Of job and outcome only when it is empty and no job of low <= id < high is live; low
-- NULL: whatever it holds.
-- Returns: whether it was dropped; false: it is not empty, or the locks could not be had
-- at once.  Internal.
-- Locks: ACCESS EXCLUSIVE on the parent: it gives up after 50 ms, so no push waits longer
-- behind somebody who reads.  Then on the partition, without waiting: whoever holds
-- something waits for nothing, so it is in no circle.
-- Index: primary keys.
CREATE OR REPLACE FUNCTION pawl.drop_partition(parent text, name text,
	low bigint DEFAULT NULL, high bigint DEFAULT NULL)
RETURNS boolean
LANGUAGE plpgsql
SET lock_timeout = '50ms'
AS $$
DECLARE
	filled boolean := false;
BEGIN
	EXECUTE format('LOCK TABLE ONLY pawl.%I IN ACCESS EXCLUSIVE MODE', parent);
	EXECUTE format('LOCK TABLE pawl.%I IN ACCESS EXCLUSIVE MODE NOWAIT', name);
	IF low IS NOT NULL THEN
		EXECUTE format('SELECT EXISTS (SELECT FROM pawl.%I)', name) INTO filled;
	END IF;
	IF filled OR pawl.live_between(low, high, 1) <> '{}' THEN
		RAISE EXCEPTION 'the partition is not empty' USING ERRCODE = '55P03';
	END IF;
	EXECUTE format('DROP TABLE pawl.%I', name);
	RETURN true;
EXCEPTION
	WHEN lock_not_available OR deadlock_detected THEN
		RETURN false;
END
$$;
