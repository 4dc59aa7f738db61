-- blocker: for whom a backend waits
--
-- Read over a connection of its own while that backend waits; works for roles that may
-- not see what the sessions of others do: state and ages are NULL then.
-- Parameters: $1 int: the backend's pid.
-- Columns: relation of the lock that it waits for, NULL when it is not known; the first
-- session that it waits for; the session at the end of the chain, which waits for no lock
-- itself: pid (0: a prepared transaction), application_name, role, state, seconds in that
-- state, seconds since its transaction began; of a prepared one its name instead of the
-- application_name.  No row: it does not wait for a lock.
-- Index: none: views of the server's state, read once.
WITH RECURSIVE locks AS MATERIALIZED (
	SELECT l.pid, l.granted, l.locktype, l.database, l.relation, l.transactionid,
		l.virtualtransaction
	FROM pg_catalog.pg_locks l
), wanted AS (
	SELECT l.*
	FROM locks l
	WHERE l.pid = $1::int AND NOT l.granted
	LIMIT 1
), chain (pid, depth) AS (
	SELECT w.pid, 0 FROM wanted w
	UNION ALL
	SELECT b.pid, c.depth + 1
	FROM chain c, LATERAL (
		SELECT u.pid
		FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids(c.pid)) u (pid)
		ORDER BY EXISTS (SELECT FROM locks l WHERE l.pid = u.pid AND NOT l.granted), u.pid
		LIMIT 1) b
	WHERE c.depth < 8 AND c.pid <> 0
), prepared AS (
	SELECT p.gid, p.owner, p.prepared
	FROM wanted w, pg_catalog.pg_prepared_xacts p
	WHERE p.transaction = w.transactionid OR EXISTS (
		SELECT FROM locks l, locks own
		WHERE l.granted AND l.pid IS NULL AND l.relation = w.relation
			AND l.database = w.database AND own.transactionid = p.transaction
			AND own.pid IS NULL AND own.virtualtransaction = l.virtualtransaction)
	LIMIT 1
)
SELECT
	-- who waits for a transaction to end may still hold the tuple that it is about
	(SELECT r.relname FROM pg_catalog.pg_class r WHERE r.oid = coalesce(w.relation, (
		SELECT l.relation FROM locks l
		WHERE l.pid = w.pid AND l.granted AND l.locktype = 'tuple' LIMIT 1))) AS relation,
	(SELECT c.pid FROM chain c WHERE c.depth = 1) AS first,
	last.pid,
	CASE last.pid WHEN 0 THEN p.gid ELSE a.application_name END AS application_name,
	coalesce(a.usename, p.owner) AS role,
	a.state,
	pg_catalog.date_part('epoch',
		pg_catalog.clock_timestamp() - a.state_change)::bigint AS state_s,
	pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()
		- coalesce(a.xact_start, p.prepared))::bigint AS transaction_s
FROM wanted w
LEFT JOIN LATERAL (
	SELECT c.pid FROM chain c WHERE c.depth > 0 ORDER BY c.depth DESC LIMIT 1) last ON true
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = last.pid AND last.pid <> 0
LEFT JOIN prepared p ON last.pid = 0
