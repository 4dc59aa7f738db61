-- oldest_runnable: the headline of the whole system
--
-- Parameters: none.
-- Columns: job, queue, group_key, place, age_s, sure; paused_job, paused_queue,
-- paused_age_s; one row.
-- Index: see pawl.oldest_runnable.
SELECT o.job, o.queue, o.group_key, o.place,
	floor(extract(epoch FROM o.age))::bigint AS age_s, o.sure, o.paused_job, o.paused_queue,
	floor(extract(epoch FROM o.paused_age))::bigint AS paused_age_s
FROM pawl.oldest_runnable() o
