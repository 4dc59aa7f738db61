-- retain_jobs(keep): one step of retain for jobs, outcomes and attempts
--
-- Returns: as retain.  Internal.
-- Locks: as retain_attempts, retain_stops, empty_partition and drop_partition.
-- Index: primary keys.
CREATE OR REPLACE FUNCTION pawl.retain_jobs(keep interval)
RETURNS TABLE (step text, part text, gone bigint, kept bigint)
LANGUAGE plpgsql
AS $$
#variable_conflict use_variable
DECLARE
	few constant int := 5000;
	chunk constant int := 5000;
	p record;
	n int;
	described boolean;
	parent text;
	busy text;
	drops int := 1;	-- each can cost the pushes 50 ms
BEGIN
	FOR p IN SELECT i.* FROM pawl.id_partitions() i WHERE i.age >= 1 LOOP
		part := p.part;
		step := NULL;
		n := 0;
		described := to_regclass(format('pawl.%I', 'job_p' || part)) IS NOT NULL;
		IF described THEN
			EXECUTE format('SELECT count(*) FROM (SELECT FROM pawl.%I LIMIT $1) l',
				'job_p' || part)
			INTO n USING few + 1;
		END IF;
		IF n <= few THEN
			gone := pawl.retain_attempts(p.low, p.high, chunk);
			step := CASE WHEN gone > 0 THEN 'attempts' END;
			IF step IS NULL THEN
				gone := pawl.retain_stops(p.low, p.high, chunk);
				step := CASE WHEN gone > 0 THEN 'stops' END;
			END IF;
		END IF;
		IF step IS NULL AND n > 0 THEN
			SELECT e.gone, e.kept INTO gone, kept
			FROM pawl.empty_partition(part, p.low, p.high, keep) e;
			step := CASE WHEN gone > 0 THEN 'emptied' WHEN gone = 0 THEN 'busy' END;
		ELSIF step IS NULL AND p.age >= 2 AND drops > 0 THEN
			drops := drops - 1;
			-- first that of job, so that nothing can come into the other one
			parent := CASE WHEN described THEN 'job' ELSE 'outcome' END;
			step := CASE WHEN pawl.drop_partition(parent, parent || '_p' || part,
				p.low, p.high) THEN 'dropped' ELSE 'busy' END;
		END IF;
		IF step = 'busy' THEN
			busy := coalesce(busy, part);
		ELSIF step IS NOT NULL THEN
			RETURN NEXT;
			RETURN;
		END IF;
	END LOOP;
	IF busy IS NOT NULL THEN
		RETURN QUERY SELECT 'busy', busy, NULL::bigint, NULL::bigint;
	END IF;
END
$$;
