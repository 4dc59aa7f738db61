-- retain_jobs(keep): one step of retain for jobs, outcomes and attempts
--
-- Returns: as retain.  Internal.
-- Locks: as retain_attempts, empty_partition and drop_partitions.
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
	busy text;
	drops int := 1;	-- each can cost the pushes 50 ms
BEGIN
	FOR p IN SELECT i.* FROM pawl.id_partitions() i WHERE i.age >= 1 LOOP
		part := p.part;
		step := NULL;
		EXECUTE format('SELECT count(*) FROM (SELECT FROM pawl.%I LIMIT $1) l',
			'job_p' || part)
		INTO n USING few + 1;
		IF n <= few THEN
			gone := pawl.retain_attempts(p.low, p.high, chunk);
			step := CASE WHEN gone > 0 THEN 'attempts' END;
		END IF;
		IF step IS NULL AND n > 0 THEN
			SELECT e.gone, e.kept INTO gone, kept
			FROM pawl.empty_partition(part, p.low, p.high, keep) e;
			step := CASE WHEN gone > 0 THEN 'emptied' WHEN gone = 0 THEN 'busy' END;
		ELSIF step IS NULL AND p.age >= 2 AND drops > 0 THEN
			drops := drops - 1;
			step := CASE WHEN pawl.drop_partitions('{outcome,job}',
				ARRAY['outcome_p' || part, 'job_p' || part], p.low, p.high)
				THEN 'dropped' ELSE 'busy' END;
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
