-- due_heads(queue, steps): heads of groups that could run now, the oldest jobs first
--
-- What is due, in a group that nobody holds and that is not stopped.  The rows of waiting
-- with the smallest ids are looked at, until fifty have been found; if none of them can
-- run, the first groups by their key.  Paused queues are not left out.
-- Parameters: queue: only heads of this queue (NULL: all); steps: so many rows, and then
-- groups, are looked at.
-- Returns: a row for each of them, since: when it became due; and one without a job if
-- there may be an older one than these.  Internal.
-- Locks: none.
-- Index: waiting_pkey, waiting_queue, waiting_walk; the settings pin them.
CREATE OR REPLACE FUNCTION pawl.due_heads(of_queue text, steps int)
RETURNS TABLE (job bigint, queue text, kind text, group_key text, since timestamptz)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
	head pawl.waiting;
	looked int := 0;
	enough constant int := 50;
	runnable int := 0;
BEGIN
	FOR head IN EXECUTE 'SELECT w.* FROM pawl.waiting w WHERE w.shard = 0'
		|| CASE WHEN of_queue IS NULL THEN '' ELSE ' AND w.queue = $1' END
		|| ' ORDER BY w.job_id LIMIT $2' USING of_queue, steps
	LOOP
		looked := looked + 1;
		IF pawl.can_run(head) THEN
			runnable := runnable + 1;
			RETURN QUERY SELECT head.job_id, head.queue, head.kind, head.group_key,
				head.due;
		END IF;
		EXIT WHEN runnable = enough;
	END LOOP;
	IF runnable > 0 OR looked < steps THEN
		RETURN;
	END IF;
	head := NULL;
	FOR step IN 1..steps LOOP
		SELECT w.* INTO head FROM pawl.waiting w
		WHERE w.shard = 0
			AND (w.tenant, w.group_key)
				> (coalesce(head.tenant, ''), coalesce(head.group_key, ''))
		ORDER BY w.tenant, w.group_key, w.job_id LIMIT 1;
		EXIT WHEN NOT FOUND;
		IF (of_queue IS NULL OR head.queue = of_queue) AND pawl.can_run(head) THEN
			RETURN QUERY SELECT head.job_id, head.queue, head.kind, head.group_key,
				head.due;
		END IF;
	END LOOP;
	IF head.job_id IS NOT NULL THEN
		RETURN QUERY SELECT NULL::bigint, NULL, NULL, NULL, NULL::timestamptz;
	END IF;
END
$$;
