-- silent_waits: the silent waits that the watch has found in the last thirty days
--
-- A session that waits, and the session of the same process that it waits for; answer
-- says what the watch did: cancelled, refused (it may not), NULL (nothing: it ended by
-- itself, or it has not lasted long enough).
-- Newest first: index silent_wait_found.
CREATE OR REPLACE VIEW pawl.silent_waits AS
SELECT s.found_at, s.process, s.waiter, s.waiter_since, s.waiter_job, s.holder,
	s.holder_since, s.holder_job, s.relation, s.key, s.statement, e.answer,
	e.at AS answered_at
FROM pawl.silent_wait s
LEFT JOIN pawl.silent_wait_end e ON e.waiter = s.waiter AND e.waiter_since = s.waiter_since
	AND e.holder = s.holder AND e.holder_since = s.holder_since AND e.shard = s.shard
WHERE s.shard = 0;
