-- drop_partitions(parents, names, low, high): drop a partition of each parent
--
-- Partitions of job and outcome only when they are empty and no job of low <= id < high
-- is live; low NULL: whatever they hold.
-- Returns: whether they were dropped; false: they are not empty, or the locks could not
-- be had at once.  Internal.
-- Locks: ACCESS EXCLUSIVE on the parents, in their order; for each it gives up after
-- 50 ms, so no push waits longer behind somebody who reads.  Then on the partitions,
-- without waiting.
-- Index: primary keys.
CREATE OR REPLACE FUNCTION pawl.drop_partitions(parents text[], names text[],
	low bigint DEFAULT NULL, high bigint DEFAULT NULL)
RETURNS boolean
LANGUAGE plpgsql
SET lock_timeout = '50ms'
AS $$
DECLARE
	name text;
	filled boolean := false;
BEGIN
	FOREACH name IN ARRAY parents LOOP
		EXECUTE format('LOCK TABLE ONLY pawl.%I IN ACCESS EXCLUSIVE MODE', name);
	END LOOP;
	FOREACH name IN ARRAY names LOOP
		EXECUTE format('LOCK TABLE pawl.%I IN ACCESS EXCLUSIVE MODE NOWAIT', name);
		IF low IS NOT NULL AND NOT filled THEN
			EXECUTE format('SELECT EXISTS (SELECT FROM pawl.%I)', name) INTO filled;
		END IF;
	END LOOP;
	IF filled OR pawl.live_between(low, high, 1) <> '{}' THEN
		RAISE EXCEPTION 'the partitions are not empty' USING ERRCODE = '55P03';
	END IF;
	FOREACH name IN ARRAY names LOOP
		EXECUTE format('DROP TABLE pawl.%I', name);
	END LOOP;
	RETURN true;
EXCEPTION
	WHEN lock_not_available OR deadlock_detected THEN
		RETURN false;
END
$$;
