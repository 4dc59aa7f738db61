-- extend_partitions: attach partitions ahead of need, so that no push fails for want of
-- one
--
-- job and outcome have ten million ids a partition: ahead counts from the one that the
-- next id falls into.  log has a day (UTC) a partition: ahead counts from today, 20 at
-- the most, because each read of a log plans them all; yesterday's is there too.
-- pawl.description knows the partitions that are being filled: it is written anew when
-- they are others (see description_text).
-- Parameters: ahead: 1 to 100.
-- Returns: how many were attached.
-- Errors: 22023.
-- Locks: the duty's row in upkeep, SKIP LOCKED (somebody else is attaching: 0); SHARE
-- UPDATE EXCLUSIVE on the parents.  A function that is replaced is not locked.
-- Index: upkeep_pkey.
CREATE OR REPLACE FUNCTION pawl.extend_partitions(ahead int DEFAULT 20)
RETURNS int
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
SET TimeZone = 'UTC'
SET DateStyle = 'ISO'
AS $$
DECLARE
	size constant bigint := 10000000;
	first bigint := (SELECT s.last_value FROM pawl.job_id s) / size;
	today date := current_date;
	days int := least(ahead, 20);
	attached int := 0;
	body text := pawl.description_text(first, size);
	described boolean := EXISTS (SELECT FROM pg_proc p
		WHERE p.oid = to_regprocedure('pawl.description(bigint)') AND p.prosrc = body);
BEGIN
	IF ahead IS NULL OR ahead NOT BETWEEN 1 AND 100 THEN
		RAISE EXCEPTION 'partitions ahead must be 1 to 100, not %',
			coalesce(ahead::text, 'NULL') USING ERRCODE = '22023';
	END IF;
	-- today's, too: the clock may have been set back
	IF to_regclass('pawl.job_p' || first + ahead) IS NOT NULL
		AND to_regclass('pawl.log_p' || to_char(today, 'YYYYMMDD')) IS NOT NULL
		AND to_regclass('pawl.log_p' || to_char(today + days, 'YYYYMMDD')) IS NOT NULL
		AND described THEN
		RETURN 0;
	END IF;
	PERFORM FROM pawl.upkeep u WHERE u.duty = 'partitions' AND u.shard = 0
	FOR NO KEY UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN 0;
	END IF;
	FOR p IN first..first + ahead LOOP
		attached := attached
			+ pawl.attach_partition('job', 'job_p' || p, 'id', (p * size)::text,
				((p + 1) * size)::text)
			+ pawl.attach_partition('outcome', 'outcome_p' || p, 'job_id', (p * size)::text,
				((p + 1) * size)::text);
	END LOOP;
	FOR d IN -1..days LOOP
		attached := attached
			+ pawl.attach_partition('log', 'log_p' || to_char(today + d, 'YYYYMMDD'), 'at',
				(today + d)::text || ' 00:00:00+00', (today + d + 1)::text || ' 00:00:00+00');
	END LOOP;
	IF NOT described THEN
		EXECUTE format('CREATE OR REPLACE FUNCTION pawl.description(job bigint,
			OUT args jsonb, OUT batch bigint, OUT epoch int, OUT stage text,
			OUT meta jsonb, OUT timeout interval) LANGUAGE plpgsql AS %L', body);
		REVOKE ALL ON FUNCTION pawl.description FROM PUBLIC;
	END IF;
	RETURN attached;
END
$$;
