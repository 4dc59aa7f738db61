-- group_candidates: groups that a worker may take now, in the order to take them
--
-- It only looks, also in a READ ONLY transaction.  First come leases that are over, of
-- whatever group, half of the answer at the most: a group whose only job stands in running
-- has no row in waiting.  Then the groups that have no owner, are not blocked, and whose
-- head the worker may run now (due, of a queue of its own that is not paused, of a kind of
-- its own), or in which there is something to end (a run).  Tenants take turns; each is
-- walked as a ring, so that what cannot be taken fills no answer and hides nothing.
-- Parameters: worker, whose queues and kinds count (NULL: any); tenants and afters, in
-- pairs: after which group the walk of a tenant begins (of others: at the beginning);
-- last_tenant: the turn is the one's after it (NULL: the first's); n: groups at most, 1
-- to 1000; steps: looks at most, 10 to 10000; leases: false: not for those
-- that are over, which is a walk over all of them: once a second is enough.
-- Returns: tenant and group_key; ready: it may be taken.  Rows that are not ready follow
-- those that are: how far the walk of a tenant has come that is not at its end.  Go on
-- from there, and from what was tried of the others.
-- Errors: PW002 when the worker's lease is over; 22023.
-- Locks: none.
-- Index: waiting_walk, by a step for each tenant and group; group_lease_pkey,
-- group_stop_pkey, waiting_run; worker, queue and group_lease are read whole: they hold
-- what is alive or set alone.
CREATE OR REPLACE FUNCTION pawl.group_candidates(
	worker uuid,
	tenants text[] DEFAULT '{}',
	afters text[] DEFAULT '{}',
	last_tenant text DEFAULT NULL,
	n int DEFAULT 50,
	steps int DEFAULT 500,
	leases boolean DEFAULT true)
RETURNS TABLE (tenant text, group_key text, ready boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pawl, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_indexscan = on
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_variable
DECLARE
	stamp constant timestamptz := statement_timestamp();
	present constant timestamptz := clock_timestamp();
	owner record;
	alive constant uuid[] := ARRAY(SELECT w.id FROM pawl.worker w
		WHERE w.shard = 0 AND w.expires_at > stamp);
	paused constant text[] := ARRAY(SELECT q.name FROM pawl.queue q
		WHERE q.shard = 0 AND q.paused);
	stops constant boolean := EXISTS (SELECT FROM pawl.group_stop s WHERE s.shard = 0);
	over_ones text[] := '{}';
	looks int := 0;
	answered int := 0;
	met text := last_tenant;	-- the tenant that was met last
	wrapped boolean := last_tenant IS NULL;
	complete boolean := false;	-- all tenants have been met
	names text[];	-- tenants whose turn it is, and of each of them:
	starts text[];	-- where its walk began, where it has come, how often it is at its end,
	places text[];	-- and whether the group there is among the answers
	rounds int[];
	told boolean[];
	turns int;
	marked text;
	head record;
BEGIN
	SELECT w.queues, w.kinds INTO owner FROM pawl.worker w
	WHERE w.id = worker AND w.shard = 0 AND w.expires_at > stamp;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'lease of worker % is over', coalesce(worker::text, 'NULL')
			USING ERRCODE = 'PW002', HINT = 'Start anew with pawl.worker_start().';
	ELSIF (n BETWEEN 1 AND 1000 AND steps BETWEEN 10 AND 10000
		AND cardinality(tenants) = cardinality(afters)) IS NOT TRUE THEN
		RAISE EXCEPTION 'candidates need n of 1 to 1000, steps of 10 to 10000, and afters for '
			'tenants' USING ERRCODE = '22023';
	END IF;
	IF array_lower(tenants, 1) <> 1 OR array_lower(afters, 1) <> 1 THEN
		tenants := ARRAY(SELECT unnest(tenants));
		afters := ARRAY(SELECT unnest(afters));
	END IF;
	ready := true;
	FOR tenant, group_key IN
		SELECT o.tenant, o.group_key
		FROM (SELECT l.tenant, l.group_key,
				(l.tenant <= last_tenant) IS TRUE AS passed_tenant,
				(l.group_key <= afters[array_position(tenants, l.tenant)]) IS TRUE AS passed
			FROM pawl.group_lease l
			WHERE leases AND l.shard = 0
				AND (l.expires_at <= stamp OR l.worker <> ALL (alive))) o
		ORDER BY o.passed_tenant, o.tenant, o.passed, o.group_key
		LIMIT (n + 1) / 2
	LOOP
		over_ones := over_ones || group_key;
		answered := answered + 1;
		RETURN NEXT;
	END LOOP;
	LOOP
		names := '{}';
		turns := looks + (steps - looks + 1) / 2;
		WHILE NOT complete AND cardinality(names) < n AND looks < steps
			AND (looks < turns OR names = '{}') LOOP
			looks := looks + 1;
			tenant := pawl.next_tenant(met);
			IF tenant IS NULL AND NOT wrapped THEN
				wrapped := true;
				met := NULL;
			ELSIF tenant IS NULL OR (wrapped AND tenant > last_tenant COLLATE "C") THEN
				complete := true;
				EXIT;
			ELSE
				met := tenant;
				names := names || tenant;
			END IF;
		END LOOP;
		EXIT WHEN names = '{}';
		starts := ARRAY(SELECT coalesce(afters[array_position(tenants, u.name)], '')
			FROM unnest(names) WITH ORDINALITY u (name, o) ORDER BY u.o);
		places := starts;
		rounds := array_fill(0, ARRAY[cardinality(names)]);
		told := array_fill(true, ARRAY[cardinality(names)]);
		turns := cardinality(names);
		WHILE turns > 0 AND answered < n AND looks < steps LOOP
			FOR i IN 1..cardinality(names) LOOP
				EXIT WHEN answered = n OR looks = steps;
				group_key := NULL;
				WHILE group_key IS NULL AND rounds[i] < 2 AND looks < steps LOOP
					looks := looks + 1;
					SELECT w.group_key, w.due, w.queue, w.kind, w.run_key INTO head
					FROM pawl.waiting w
					WHERE w.shard = 0 AND w.tenant = names[i] AND w.group_key > places[i]
					ORDER BY w.group_key, w.job_id LIMIT 1;
					group_key := head.group_key;
					IF group_key IS NULL
						OR (rounds[i] = 1 AND group_key > starts[i] COLLATE "C") THEN
						group_key := NULL;
						rounds[i] := CASE WHEN starts[i] = '' THEN 2 ELSE rounds[i] + 1 END;
						places[i] := '';
						told[i] := false;
						turns := turns - (rounds[i] = 2)::int;
					END IF;
				END LOOP;
				CONTINUE WHEN group_key IS NULL;
				places[i] := group_key;
				ready := (head.due <= present AND head.queue <> ALL (paused)
					AND (head.queue <> ALL (owner.queues)) IS NOT TRUE
					AND (head.kind <> ALL (owner.kinds)) IS NOT TRUE);
				IF stops OR (NOT ready AND head.run_key IS NOT NULL) THEN
					ready := pawl.may_go_on(names[i], group_key, head.run_key, ready);
				END IF;
				IF ready THEN
					ready := NOT EXISTS (SELECT FROM pawl.group_lease l
						WHERE l.shard = 0 AND l.group_key = group_key
							AND l.expires_at > stamp AND l.worker = ANY (alive));
				END IF;
				told[i] := ready AND group_key <> ALL (over_ones);
				IF told[i] THEN
					answered := answered + 1;
					tenant := names[i];
					RETURN NEXT;
				END IF;
			END LOOP;
		END LOOP;
		EXIT WHEN answered = n OR looks >= steps;
	END LOOP;
	ready := false;
	FOR i IN 1..coalesce(cardinality(names), 0) LOOP
		IF NOT told[i] AND rounds[i] < 2 THEN
			marked := names[i];
			tenant := marked;
			group_key := places[i];
			RETURN NEXT;
		END IF;
	END LOOP;
	IF answered = 0 AND NOT complete AND marked IS DISTINCT FROM met THEN
		tenant := met;
		group_key := '';
		RETURN NEXT;
	END IF;
END
$$;
