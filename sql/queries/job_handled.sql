-- job_handled: who could take a ready job
--
-- Parameters: $1 text: its kind; $2 text: its queue.
-- Columns: alive: a worker is alive; kind_handled: one of them handles the kind;
-- both_handled: one handles the kind and takes from the queue; paused: the queue is.
-- A worker that does not say what it handles counts as handling all.
-- Index: none; workers are few.
SELECT count(*) > 0 AS alive,
	coalesce(bool_or(w.kinds IS NULL OR $1::text = ANY (w.kinds)), false) AS kind_handled,
	coalesce(bool_or((w.kinds IS NULL OR $1::text = ANY (w.kinds))
		AND (w.queues IS NULL OR $2::text = ANY (w.queues))), false) AS both_handled,
	EXISTS (SELECT 1 FROM pawl.queues q WHERE q.name = $2::text AND q.paused) AS paused
FROM pawl.workers w
WHERE w.alive
