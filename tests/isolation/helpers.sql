-- helpers of the isolation specs: a reset with fixed ids, and where each job is
--
-- Ids, fences and positions start at 1 in each permutation, so that the specs name them.
CREATE SCHEMA t;
CREATE TABLE t.worker (name text PRIMARY KEY, id uuid NOT NULL);

-- No job, no attempt, no worker but a and b, whose leases outlast every spec.
CREATE FUNCTION t.reset() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM pawl.job;
	DELETE FROM pawl.ready;
	DELETE FROM pawl.scheduled;
	DELETE FROM pawl.waiting;
	DELETE FROM pawl.group_lease;
	DELETE FROM pawl.group_stop;
	DELETE FROM pawl.running;
	DELETE FROM pawl.unique_key;
	DELETE FROM pawl.outcome;
	DELETE FROM pawl.attempt;
	DELETE FROM pawl.batch;
	DELETE FROM pawl.batch_delta;
	DELETE FROM pawl.worker;
	DELETE FROM t.worker;
	PERFORM setval('pawl.job_id', 1, false), setval('pawl.fence', 1, false),
		setval('pawl.batch_id', 1, false);
	INSERT INTO t.worker VALUES
		('a', pawl.worker_start('a', interval '1 hour')),
		('b', pawl.worker_start('b', interval '1 hour'));
END $$;

CREATE FUNCTION t.worker(name text) RETURNS uuid LANGUAGE sql STABLE AS
	'SELECT w.id FROM t.worker w WHERE w.name = worker.name';

-- What claim hands out, by what the specs can name.
CREATE FUNCTION t.claim(name text, n int DEFAULT 1)
RETURNS TABLE (job bigint, fence bigint, attempt int) LANGUAGE sql AS
	'SELECT c.job, c.fence, c.attempt FROM pawl.claim(t.worker(name), n) c';

-- The lease of a worker is over.
CREATE FUNCTION t.expire(name text) RETURNS void LANGUAGE sql AS
	$$UPDATE pawl.worker w SET expires_at = clock_timestamp() - interval '1 s'
	WHERE w.id = t.worker(expire.name)$$;

-- What is scheduled is due.
CREATE FUNCTION t.due() RETURNS void LANGUAGE sql AS
	$$UPDATE pawl.scheduled SET due = clock_timestamp() - interval '1 s'$$;

-- Groups by what the specs can name; the fences give the tokens too, so those start at 1.
CREATE FUNCTION t.take(name text, key text DEFAULT 'g') RETURNS bigint LANGUAGE sql AS
	'SELECT pawl.group_take(t.worker(name), key)';
CREATE FUNCTION t.dispatch(name text, token bigint, size int DEFAULT 1)
RETURNS TABLE (answer text, job bigint, fence bigint) LANGUAGE sql AS
	$$SELECT d.answer, d.job, d.fence
	FROM pawl.group_dispatch(t.worker(name), 'g', token, '{k}', ARRAY[size]) d$$;
CREATE FUNCTION t.hold(name text, token bigint) RETURNS void LANGUAGE sql AS
	$$SELECT pawl.group_hold(t.worker(name), 'g', token)$$;
CREATE FUNCTION t.give_back(name text, token bigint) RETURNS boolean LANGUAGE sql AS
	$$SELECT pawl.group_give_back(t.worker(name), 'g', token)$$;
CREATE FUNCTION t.renew(name text, token bigint) RETURNS SETOF text LANGUAGE sql AS
	$$SELECT pawl.group_renew(t.worker(name), '{g}', ARRAY[token])$$;
CREATE FUNCTION t.candidates(name text) RETURNS SETOF text LANGUAGE sql AS
	'SELECT c.group_key FROM pawl.group_candidates(t.worker(name)) c WHERE c.ready';

-- The leases of a worker's groups are over; its own is not.
CREATE FUNCTION t.lose(name text) RETURNS void LANGUAGE sql AS
	$$UPDATE pawl.group_lease l SET expires_at = '-infinity' WHERE l.worker = t.worker(name)$$;

-- Each group that has a lease: whose, and what it dispatched last.
CREATE VIEW t.leases AS
SELECT l.group_key, w.name AS owner, l.token, l.jobs, l.fences,
	l.expires_at <= clock_timestamp() AS over
FROM pawl.group_lease l JOIN t.worker w ON w.id = l.worker ORDER BY 1;

-- Each job: the tables that have it (one, always), its counts, its attempts.
CREATE VIEW t.jobs AS
SELECT j.id AS job, p.places, p.fence, p.attempt, p.failures, p.crashes,
	(SELECT string_agg(a.category, ' ' ORDER BY a.id) FROM pawl.attempt a
		WHERE a.job_id = j.id) AS attempts
FROM pawl.job j
LEFT JOIN (
	SELECT job_id, string_agg(place, ' ' ORDER BY place) AS places, max(fence) AS fence,
		max(attempt) AS attempt, max(failures) AS failures, max(crashes) AS crashes
	FROM (
		SELECT l.job_id, l.place, l.fence, coalesce((l.tries).attempt, 0) + l.now AS attempt,
			coalesce((l.tries).failures, 0) AS failures,
			coalesce((l.tries).crashes, 0) AS crashes
		FROM (SELECT job_id, 'ready' AS place, NULL::bigint AS fence, tries, 0 AS now
				FROM pawl.ready
			UNION ALL SELECT job_id, 'scheduled', NULL, tries, 0 FROM pawl.scheduled
			UNION ALL SELECT job_id, 'waiting', NULL, tries, 0 FROM pawl.waiting
			UNION ALL SELECT job_id, 'running', fence, tries, 1 FROM pawl.running) l
		UNION ALL
		SELECT job_id, state::text, fence, coalesce(attempt, 1), NULL, NULL FROM pawl.outcome
	) place
	GROUP BY job_id
) p ON p.job_id = j.id
ORDER BY j.id;

-- Each key that is taken, and by which job.
CREATE VIEW t.keys AS
SELECT u.key, u.job_id AS job, u.until_start FROM pawl.unique_key u ORDER BY u.key;

-- Each batch: its state, its counters, and how many deltas are left.
CREATE VIEW t.batches AS
SELECT b.id AS batch, b.epoch, b.state, b.total, b.succeeded, b.failed, b.cancelled,
	(SELECT count(*) FROM pawl.batch_delta d WHERE d.batch = b.id) AS deltas
FROM pawl.batches b ORDER BY b.id;

-- Many keys by one call of push_many.
CREATE FUNCTION t.push_many(VARIADIC keys text[])
RETURNS TABLE (job bigint, created boolean) LANGUAGE sql AS
	$$SELECT p.job, p.created FROM pawl.push_many('k',
		array_fill('{}'::jsonb, ARRAY[cardinality(keys)]), unique_keys => keys) p$$;

-- The naive form of it: the keys in the order in which the caller has them.
CREATE FUNCTION t.push_unsorted(VARIADIC keys text[])
RETURNS SETOF bigint LANGUAGE plpgsql AS $$
DECLARE
	key text;
BEGIN
	FOREACH key IN ARRAY keys LOOP
		RETURN NEXT pawl.push('k', unique_key => key);
	END LOOP;
END $$;
