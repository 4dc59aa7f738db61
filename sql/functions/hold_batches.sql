-- hold_batches(jobs, patience): keep the batches of these jobs from being finished, for
-- their retry
--
-- A job counts back while its batch is neither done nor being cancelled; a completion job
-- may be retried when its batch is done.
-- Returns: refused: the jobs that may not be retried for that reason (NULL: none).  busy:
-- a job at whose batch the patience ended: then all were given back.  Internal.
-- Locks: rows of batch FOR SHARE, by id and epoch; waits at most for patience for who
-- folds, seals, cancels or reruns one.
-- Index: batch_pkey; job by primary key, in the partitions between the smallest and the
-- largest id alone.
CREATE OR REPLACE FUNCTION pawl.hold_batches(jobs bigint[], patience interval,
	OUT refused bigint[], OUT busy bigint)
LANGUAGE plpgsql
SET lock_timeout = '5s'
AS $$
DECLARE
	members bigint[];
	batches bigint[];
	epochs int[];
	last boolean[];
	b record;
	held pawl.batch;
BEGIN
	EXECUTE
		'SELECT array_agg(j.id), array_agg(j.batch), array_agg(j.epoch),
			array_agg(j.stage IS NULL)
		FROM unnest($1) g (id), LATERAL (
			SELECT d.id, d.batch, d.epoch, d.stage FROM pawl.job d
			WHERE d.shard = 0 AND d.id = g.id AND d.id BETWEEN $2 AND $3 OFFSET 0) j
		WHERE j.batch IS NOT NULL'
	INTO members, batches, epochs, last
	USING jobs, (SELECT min(i) FROM unnest(jobs) i), (SELECT max(i) FROM unnest(jobs) i);
	IF members IS NULL THEN
		RETURN;
	ELSIF patience > interval '0' AND patience < interval '5 s' THEN
		PERFORM pawl.limit_setting('lock_timeout', patience);
	END IF;
	FOR b IN SELECT m.batch, m.epoch, min(m.id) AS job
		FROM unnest(batches, epochs, members) m (batch, epoch, id)
		GROUP BY m.batch, m.epoch ORDER BY m.batch, m.epoch LOOP
		busy := b.job;
		SELECT t.* INTO held FROM pawl.batch t
		WHERE t.shard = 0 AND t.id = b.batch AND t.epoch = b.epoch FOR SHARE;
		refused := refused || ARRAY(
			SELECT m.id FROM unnest(members, batches, epochs, last)
				m (id, batch, epoch, last)
			WHERE m.batch = b.batch AND m.epoch = b.epoch
				AND CASE WHEN held.id IS NULL THEN NOT m.last
					WHEN m.last THEN held.done_at IS NULL
					ELSE held.done_at IS NOT NULL OR held.cancelled_at IS NOT NULL END);
	END LOOP;
	busy := NULL;
EXCEPTION WHEN lock_not_available THEN
	refused := NULL;
END
$$;
