-- enter_batch(batch, stage, parent, parent_fence): hold a batch for a push into it
--
-- Into an open batch everybody may push; into a sealed one only a running job of it, its
-- parent, which is fenced first: it cannot end before its children are counted.
-- Returns: the epoch that the job counts in, that of its parent if there is one; the stage
-- (given NULL: the first).  NULLs without a batch: then the fence alone is taken.
-- Raises P0002, 22023, PW001 when the fence is stale, PW004 when the batch is sealed or
-- cancelled.  Internal.
-- Locks: as fence; then the batch's last row FOR KEY SHARE, which waits for who seals,
-- cancels or reruns it; in other isolation levels than READ COMMITTED FOR SHARE.
-- Index: batch_pkey; without parent it looks through running.
CREATE OR REPLACE FUNCTION pawl.enter_batch(batch bigint, stage text, parent bigint,
	parent_fence bigint, OUT epoch int, OUT into_stage text)
LANGUAGE plpgsql
SET lock_timeout = '5s'
AS $$
#variable_conflict use_variable
DECLARE
	held pawl.batch;
BEGIN
	IF parent IS NOT NULL AND parent_fence IS NULL THEN
		RAISE EXCEPTION 'parent needs parent_fence' USING ERRCODE = '22023';
	ELSIF batch IS NULL AND stage IS NOT NULL THEN
		RAISE EXCEPTION 'stage needs a batch' USING ERRCODE = '22023';
	ELSIF parent_fence IS NOT NULL AND parent IS NULL THEN
		SELECT r.job_id INTO parent FROM pawl.running r
		WHERE r.shard = 0 AND r.fence = parent_fence;
	END IF;
	IF parent_fence IS NOT NULL THEN
		PERFORM pawl.fence(parent, parent_fence);
	END IF;
	IF batch IS NULL THEN
		RETURN;
	END IF;
	IF parent_fence IS NOT NULL THEN
		EXECUTE 'SELECT j.epoch FROM pawl.job j WHERE j.shard = 0 AND j.id = $1
			AND j.batch = $2 AND j.stage IS NOT NULL'
		INTO epoch USING parent, batch;
		IF epoch IS NULL THEN
			RAISE EXCEPTION 'job % is not of batch %', parent, batch USING ERRCODE = '22023';
		END IF;
	END IF;
	IF current_setting('transaction_isolation') = 'read committed' THEN
		-- Of a row that a fold has written since, it takes the version that it saw, and
		-- goes past a seal behind that fold: what it says is read when it is held.
		SELECT b.epoch INTO epoch FROM pawl.batch b
		WHERE b.shard = 0 AND b.id = batch AND (epoch IS NULL OR b.epoch = epoch)
		ORDER BY b.epoch DESC LIMIT 1 FOR KEY SHARE;
		SELECT b.* INTO held FROM pawl.batch b
		WHERE b.shard = 0 AND b.id = batch AND b.epoch = enter_batch.epoch;
	ELSE	-- cannot read it again: 40001 when it was written since
		SELECT b.* INTO held FROM pawl.batch b
		WHERE b.shard = 0 AND b.id = batch AND (epoch IS NULL OR b.epoch = epoch)
		ORDER BY b.epoch DESC LIMIT 1 FOR SHARE;
	END IF;
	IF held.id IS NULL THEN
		RAISE EXCEPTION 'batch % does not exist', batch USING ERRCODE = 'P0002';
	END IF;
	PERFORM pawl.check_open(held, parent_fence IS NOT NULL);
	epoch := held.epoch;
	into_stage := coalesce(stage, held.stages[1]);
	IF into_stage COLLATE "C" <> ALL (held.stages) THEN
		RAISE EXCEPTION 'batch % has no stage "%"', batch, into_stage
			USING ERRCODE = '22023',
			HINT = format('Its stages are %s.', array_to_string(held.stages, ', '));
	END IF;
END
$$;
