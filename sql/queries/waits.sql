-- waits: sessions that wait for locks, and for whom; marks the silent waits
--
-- A silent wait is one that never ends and that PostgreSQL cannot see: a session waits,
-- directly or through others that wait, for one that is idle in transaction and belongs
-- to the same process.  That process cannot go on with the second before the first has
-- its answer, if its one thread stands in that call.  The cycle is closed inside a
-- process, also when it leads through several of them; PostgreSQL sees only its rest.
--
-- Sessions of one process have the same user, the same address, and a name of Pawl's:
-- "pawl worker UUID" or "pawl worker UUID JOB", or "pawl job JOB".  The caller's rights
-- decide what is seen: states and statements of other roles' sessions need
-- pg_read_all_stats, and without them no wait of theirs is marked.  What has lasted less than a second is no silent wait yet.
--
-- Parameters: $1 boolean: the silent ones alone; $2 int: at most so many rows; $3 int,
-- $4 bigint, $5 int, $6 bigint: waiter, waiter_us, holder and holder_us of a silent wait
-- to be cancelled, if it still is one; else NULL.
-- Columns: a row for each waiter and each session that it waits for directly; times in
-- UTC.  holder: of a silent wait, the idle session of the waiter's own process; knot:
-- equal for waits of one cycle; cancelled: $3 was.
-- Index: none; reads no table.  Nothing but pg_stat_activity is read when $1 is true and
-- no process has both a waiting and an idle session.
WITH RECURSIVE session AS MATERIALIZED (
	SELECT a.pid, a.application_name AS name, a.usename AS role, a.usesysid AS user_id,
		a.client_addr AS address, a.datname AS database, a.state, a.query_start, a.state_change,
		CASE WHEN a.state IS NOT NULL THEN left(a.query, 1000) END AS query,
		coalesce(n.part[1], n.part[3])::bigint AS job, n.part[2]::uuid AS worker,
		CASE WHEN n.part IS NOT NULL THEN coalesce(n.part[2], 'job ' || n.part[1]) END
			AS process,
		coalesce(a.wait_event_type = 'Lock', false) AS waits,
		coalesce(a.state LIKE 'idle in transaction%'
			AND a.state_change <= clock_timestamp() - interval '1 s', false) AS idle
	FROM pg_stat_activity a
	CROSS JOIN LATERAL regexp_match(a.application_name, '^pawl (?:job ([0-9]{1,18})|[a-z]+ '
		|| '([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})'
		|| '(?: ([0-9]{1,18}))?)$') n (part)
), pair AS MATERIALIZED (
	-- an idle session, and one that waits, of the same process
	SELECT h.pid AS holder, w.pid AS waiter, h.state_change
	FROM session h
	JOIN session w ON w.process = h.process AND w.user_id = h.user_id
		AND w.address IS NOT DISTINCT FROM h.address
	WHERE h.idle AND w.waits
), held AS MATERIALIZED (
	SELECT l.pid, l.locktype, l.mode, l.granted, l.relation, l.page, l.tuple,
		-- since when it waits: a column of PostgreSQL 14
		(to_jsonb(l) ->> 'waitstart')::timestamptz AS wait_start
	FROM pg_locks l
	WHERE NOT $1::boolean OR EXISTS (SELECT FROM pair)
), edge AS MATERIALIZED (
	SELECT DISTINCT w.pid, b.pid AS blocker
	FROM (SELECT DISTINCT l.pid FROM held l WHERE NOT l.granted) w
	CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) b (pid)
), step AS MATERIALIZED (
	SELECT e.pid, e.blocker FROM edge e
	UNION ALL
	SELECT p.holder, p.waiter FROM pair p
), back AS (
	-- who waits, in the end, for that idle session
	SELECT p.holder, p.holder AS pid FROM pair p
	UNION
	SELECT b.holder, s.pid FROM back b JOIN step s ON s.blocker = b.pid
), silent AS MATERIALIZED (
	SELECT DISTINCT ON (p.waiter) p.waiter, p.holder
	FROM pair p
	JOIN back b ON b.holder = p.holder AND b.pid = p.waiter
	JOIN session w ON w.pid = p.waiter
	WHERE w.query_start <= clock_timestamp() - interval '1 s'
	ORDER BY p.waiter, p.state_change DESC, p.holder
), tie AS MATERIALIZED (
	-- whose waiters wait, in the end, for whose idle session
	SELECT DISTINCT q.holder, b.holder AS other
	FROM silent q
	JOIN back b ON b.pid = q.waiter
), knotted AS MATERIALIZED (
	SELECT f.holder, min(f.other) AS knot
	FROM tie f
	JOIN tie g ON g.holder = f.other AND g.other = f.holder
	GROUP BY f.holder
), wanted AS (
	SELECT DISTINCT ON (l.pid) l.pid, l.locktype, l.mode, l.wait_start,
		coalesce(l.relation, t.relation) AS relation,
		CASE WHEN l.locktype = 'tuple' THEN l.page ELSE t.page END AS page,
		CASE WHEN l.locktype = 'tuple' THEN l.tuple ELSE t.tuple END AS tuple
	FROM held l
	-- who waits for the end of a transaction because of a row has that row's lock
	LEFT JOIN held t ON t.pid = l.pid AND t.granted AND t.locktype = 'tuple'
		AND l.locktype = 'transactionid'
	WHERE NOT l.granted
	ORDER BY l.pid
), target AS (
	-- else it writes one of the tables whose indexes it has locked
	SELECT f.pid, string_agg(f.name, ', ' ORDER BY f.name) AS names
	FROM (SELECT DISTINCT w.pid, i.indrelid::regclass::text AS name,
			position(c.relname IN coalesce(s.query, '')) > 0 AS said,
			bool_or(position(c.relname IN coalesce(s.query, '')) > 0)
				OVER (PARTITION BY w.pid) AS any_said
		FROM wanted w
		JOIN held l ON l.pid = w.pid AND l.granted AND l.mode = 'RowExclusiveLock'
		JOIN pg_index i ON i.indexrelid = l.relation
		JOIN pg_class c ON c.oid = i.indrelid
		LEFT JOIN session s ON s.pid = w.pid
		WHERE w.relation IS NULL AND w.locktype IN ('transactionid', 'spectoken')) f
	WHERE f.said OR NOT f.any_said
	GROUP BY f.pid
)
SELECT e.pid AS waiter, w.name AS session, w.job, w.worker, w.role,
	to_char(coalesce(o.wait_start, w.query_start) AT TIME ZONE 'UTC',
		'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS since,
	coalesce(o.relation::regclass::text, t.names) AS relation, NULL AS key,
	o.locktype || ' ' || o.mode AS lock,
	NULLIF(e.blocker, 0) AS blocker,
	CASE WHEN e.blocker = 0 THEN 'prepared transaction' ELSE b.name END AS blocker_session,
	b.job AS blocker_job, b.role AS blocker_role, b.state AS blocker_state,
	to_char(b.state_change AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
		AS blocker_since,
	q.waiter IS NOT NULL AS silent, q.holder,
	regexp_replace(left(w.query, 200), '\s+', ' ', 'g') AS statement,
	-- what follows is for the watch
	o.relation::oid::bigint AS relation_id, '(' || o.page || ',' || o.tuple || ')' AS tuple,
	(extract(epoch FROM w.query_start) * 1000000)::bigint AS waiter_us,
	(extract(epoch FROM h.state_change) * 1000000)::bigint AS holder_us,
	w.process, h.name AS holder_session, h.job AS holder_job, y.knot,
	CASE WHEN q.waiter = $3::int AND q.holder = $5::int
		AND (extract(epoch FROM w.query_start) * 1000000)::bigint = $4::bigint
		AND (extract(epoch FROM h.state_change) * 1000000)::bigint = $6::bigint
		THEN pg_cancel_backend(q.waiter) END AS cancelled
FROM edge e
JOIN wanted o ON o.pid = e.pid
LEFT JOIN target t ON t.pid = e.pid
JOIN session w ON w.pid = e.pid
LEFT JOIN session b ON b.pid = e.blocker
LEFT JOIN silent q ON q.waiter = e.pid
LEFT JOIN knotted y ON y.holder = q.holder
LEFT JOIN session h ON h.pid = q.holder
WHERE w.database = current_database()
	AND (NOT $1::boolean OR q.waiter IS NOT NULL)
ORDER BY y.knot, w.query_start DESC, e.pid, e.blocker
LIMIT $2::int
