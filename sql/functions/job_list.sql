-- job_list: jobs, newest first
--
-- Parameters: state, queue, kind: only these (NULL: all); before: only ids below it, the
-- cursor for the next page; n: at most so many, 1 to 10000; group_key: only the live jobs
-- of this group (what has ended is not found by its group).
-- Returns: rows of pawl.jobs in descending order of id.  Never counts.
-- Errors: 22023.
-- Locks: none.
-- Index: the primary key of the state's own table, walked backwards; for failed and
-- cancelled outcome_unsuccessful.  OFFSET 0 makes the description a lookup for each job,
-- whatever the statistics say.  Of a group waiting_walk and group_lease_pkey.
CREATE OR REPLACE FUNCTION pawl.job_list(
	state text DEFAULT NULL,
	queue text DEFAULT NULL,
	kind text DEFAULT NULL,
	before bigint DEFAULT NULL,
	n int DEFAULT 50,
	group_key text DEFAULT NULL)
RETURNS SETOF pawl.jobs
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pawl, pg_temp
AS $$
DECLARE
	source text := CASE
		WHEN group_key IS NOT NULL THEN 'SELECT g.job_id FROM (
			(SELECT t.job_id, t.queue, t.kind, ''waiting'' AS state FROM pawl.waiting t
			WHERE t.shard = 0 AND t.tenant = pawl.tenant_of($5) AND t.group_key = $5
				AND t.job_id < $1 AND ($2 IS NULL OR t.queue = $2)
				AND ($3 IS NULL OR t.kind = $3) ORDER BY t.job_id DESC LIMIT $4)
			UNION ALL SELECT x.job_id, d.queue, d.kind, ''running''
			FROM pawl.group_lease l, unnest(l.jobs) u (id), LATERAL (
				SELECT x.job_id FROM pawl.running x
				WHERE x.shard = 0 AND x.job_id = u.id OFFSET 0) x, LATERAL (
				SELECT d.queue, d.kind FROM pawl.job d
				WHERE d.shard = 0 AND d.id = u.id OFFSET 0) d
			WHERE l.shard = 0 AND l.group_key = $5) g
			WHERE g.job_id < $1 AND ($2 IS NULL OR g.queue = $2)
				AND ($3 IS NULL OR g.kind = $3) AND ($6 IS NULL OR g.state = $6)
			ORDER BY g.job_id DESC'
		WHEN state IS NULL THEN 'SELECT j.id FROM pawl.job j
			WHERE j.shard = 0 AND j.id < $1 AND ($2 IS NULL OR j.queue = $2)
				AND ($3 IS NULL OR j.kind = $3) ORDER BY j.id DESC'
		WHEN state IN ('ready', 'scheduled', 'waiting') THEN format('SELECT t.job_id FROM pawl.%I t
			WHERE t.shard = 0 AND t.job_id < $1 AND ($2 IS NULL OR t.queue = $2)
				AND ($3 IS NULL OR t.kind = $3) ORDER BY t.job_id DESC', state)
		WHEN state = 'running' THEN 'SELECT t.job_id FROM pawl.running t
			JOIN LATERAL (SELECT d.queue, d.kind FROM pawl.job d
				WHERE d.shard = 0 AND d.id = t.job_id OFFSET 0) j ON true
			WHERE t.shard = 0 AND t.job_id < $1 AND ($2 IS NULL OR j.queue = $2)
				AND ($3 IS NULL OR j.kind = $3) ORDER BY t.job_id DESC'
		WHEN state IN ('succeeded', 'failed', 'cancelled') THEN format(
			'SELECT t.job_id FROM pawl.outcome t
			JOIN LATERAL (SELECT d.queue, d.kind FROM pawl.job d
				WHERE d.shard = 0 AND d.id = t.job_id OFFSET 0) j ON true
			WHERE t.shard = 0 AND t.job_id < $1 AND t.state = %L
				AND ($2 IS NULL OR j.queue = $2) AND ($3 IS NULL OR j.kind = $3)
			ORDER BY t.job_id DESC', state)
		END;
	ids bigint[];
BEGIN
	IF source IS NULL OR state NOT IN ('ready', 'scheduled', 'waiting', 'running',
		'succeeded', 'failed', 'cancelled') THEN
		RAISE EXCEPTION 'unknown state "%"', state USING ERRCODE = '22023',
			HINT = 'States are ready, scheduled, waiting, running, succeeded, failed and '
				'cancelled.';
	ELSIF n IS NULL OR n NOT BETWEEN 1 AND 10000 THEN
		RAISE EXCEPTION 'n of a list must be 1 to 10000, not %', coalesce(n::text, 'NULL')
			USING ERRCODE = '22023';
	END IF;
	IF group_key IS NOT NULL AND state IN ('succeeded', 'failed', 'cancelled') THEN
		RAISE EXCEPTION 'jobs that have ended cannot be listed by their group'
			USING ERRCODE = '22023', HINT = 'Live ones can: waiting and running.';
	END IF;
	EXECUTE 'SELECT array_agg(s.id) FROM (' || source || ' LIMIT $4) s (id)'
	INTO ids USING coalesce(before, 9223372036854775807), queue, kind, n, group_key, state;
	RETURN QUERY EXECUTE
		'SELECT v.* FROM pawl.jobs v
		WHERE v.id = ANY ($1) AND v.id BETWEEN $2 AND $3 ORDER BY v.id DESC'
	USING ids, (SELECT min(i) FROM unnest(ids) i), (SELECT max(i) FROM unnest(ids) i);
END
$$;
