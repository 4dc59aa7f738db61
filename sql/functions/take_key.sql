-- take_key(key, until_start, candidate, patience): the live job of a unique key; where
-- there is none, the key is taken for a job that the caller makes in this transaction
--
-- candidate: the id of that job (NULL: a new one, drawn after the transaction has its xid,
-- as all ids are, but not where there is a live job).  patience: wait at most so long; 5 s
-- when it is 0 or more than that.
-- Returns: job; taken: the key was free, and is held for the caller's job now.
-- READ COMMITTED: look; else insert; if that gave nothing look again, for the holder may
-- have ended meanwhile.  A live job whose key is free from its start on is held unclaimed
-- until this transaction ends, so that a run sees what the caller has written.
-- Other isolation levels: insert first, for a look would find a job that has ended since
-- the snapshot; what cannot be told in the snapshot is 40001, never a loop.
-- Internal.
-- Locks: inserts into unique_key, and waits for another transaction that has inserted or
-- deleted the same key; then as hold_jobs.
-- Index: unique_key_pkey.
CREATE OR REPLACE FUNCTION pawl.take_key(key text, until_start boolean, candidate bigint,
	patience interval, OUT job bigint, OUT taken boolean)
LANGUAGE plpgsql
SET lock_timeout = '5s'
SET enable_seqscan = off
SET jit = off
AS $$
DECLARE
	looks constant boolean := current_setting('transaction_isolation')
		IN ('read committed', 'read uncommitted');
	since constant timestamptz := clock_timestamp();
	frees boolean;
	pause_s float8 := 0.001;
BEGIN
	IF patience > interval '0' AND patience < interval '5 s' THEN
		PERFORM pawl.limit_setting('lock_timeout', patience);
	END IF;
	LOOP
		IF looks THEN
			SELECT u.job_id, u.until_start INTO job, frees FROM pawl.unique_key u
			WHERE u.shard = 0 AND u.key = take_key.key;
		END IF;
		IF job IS NULL THEN
			INSERT INTO pawl.unique_key (job_id, until_start, key)
			VALUES (coalesce(candidate, CASE WHEN pg_current_xact_id() IS NOT NULL
				THEN nextval('pawl.job_id') END), until_start, key)
			ON CONFLICT DO NOTHING
			RETURNING job_id INTO job;
			taken := FOUND;
			EXIT WHEN taken OR NOT looks;
		ELSE
			taken := false;
			EXIT WHEN NOT frees OR pawl.hold_jobs(ARRAY[job]);
			PERFORM pg_sleep(pause_s);
			pause_s := least(pause_s * 1.5, 0.02);
		END IF;
		IF clock_timestamp() > since + current_setting('lock_timeout')::interval THEN
			PERFORM pawl.refuse_key(key,
				'Its job is being claimed or moved by another transaction.');
		END IF;
	END LOOP;
	IF NOT looks AND NOT taken THEN
		SELECT u.job_id, u.until_start INTO job, frees FROM pawl.unique_key u
		WHERE u.shard = 0 AND u.key = take_key.key;
		IF NOT FOUND OR (frees AND NOT pawl.hold_jobs(ARRAY[job])) THEN
			RAISE EXCEPTION 'unique key % was taken or freed by another transaction',
				pawl.named_key(key) USING ERRCODE = '40001',
				DETAIL = format('The transaction runs in %s.',
					upper(current_setting('transaction_isolation'))),
				HINT = 'Repeat the transaction.';
		END IF;
	END IF;
END
$$;
