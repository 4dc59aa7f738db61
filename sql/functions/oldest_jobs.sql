-- oldest_jobs(of_queue): the oldest job of each queue that could run now, by place
--
-- ready, lane by lane, by their positions; scheduled: what is overdue and was not promoted;
-- waiting: heads of groups that could be dispatched.  Nothing is counted, and everything is
-- bounded: a thousand lanes, the first 500 jobs that are overdue, 200 rows and 200 groups
-- of waiting (due_heads).  Paused queues are not left out.
-- Parameters: of_queue: only this queue (NULL: all).
-- Returns: at most one row for each queue and place; and one without a job when a bound
-- kept it from looking at all there is.  Internal.
-- Locks: none.
-- Index: ready_walk, scheduled_due, and as ready_since and due_heads; the settings pin them.
CREATE OR REPLACE FUNCTION pawl.oldest_jobs(of_queue text)
RETURNS TABLE (place text, queue text, job bigint, kind text, group_key text,
	since timestamptz)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
	lanes constant int := 1000;
	overdue constant int := 500;
	steps constant int := 200;
	lane pawl.ready;
	at_queue text := coalesce(of_queue, '');
	at_priority int := -1;
	stamp timestamptz;
BEGIN
	-- of a queue's lanes the oldest counts: rows of one queue follow each other
	place := 'ready';
	FOR step IN 1..lanes LOOP
		SELECT r.* INTO lane FROM pawl.ready r
		WHERE r.shard = 0 AND (r.queue, r.priority) > (at_queue, at_priority::smallint)
		ORDER BY r.queue, r.priority, r.pos LIMIT 1;
		EXIT WHEN NOT FOUND OR lane.queue <> of_queue;
		IF lane.queue <> at_queue AND oldest_jobs.job IS NOT NULL THEN
			RETURN NEXT;
			job := NULL;
		END IF;
		stamp := pawl.ready_since(lane);
		IF oldest_jobs.job IS NULL OR stamp < oldest_jobs.since THEN
			queue := lane.queue;
			job := lane.job_id;
			kind := lane.kind;
			since := stamp;
		END IF;
		at_queue := lane.queue;
		at_priority := lane.priority;
	END LOOP;
	IF oldest_jobs.job IS NOT NULL THEN
		RETURN NEXT;
	END IF;
	IF lane.job_id IS NOT NULL AND of_queue IS NULL THEN
		RETURN QUERY SELECT 'ready', NULL, NULL::bigint, NULL, NULL, NULL::timestamptz;
	END IF;
	RETURN QUERY SELECT DISTINCT ON (s.queue)
		'scheduled', s.queue, s.job_id, s.kind, NULL, s.due
	FROM (SELECT s.* FROM pawl.scheduled s
		WHERE s.shard = 0 AND s.due <= statement_timestamp()
		ORDER BY s.due LIMIT overdue) s
	WHERE s.queue = of_queue OR of_queue IS NULL
	ORDER BY s.queue, s.due;
	RETURN QUERY SELECT DISTINCT ON (h.queue)
		'waiting', h.queue, h.job, h.kind, h.group_key, h.since
	FROM pawl.due_heads(of_queue, steps) h
	ORDER BY h.queue, h.since;
END
$$;
