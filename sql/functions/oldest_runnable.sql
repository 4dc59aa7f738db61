-- oldest_runnable: how long the oldest job has been waiting that could run now
--
-- The headline figure of the whole system: near nothing while the workers keep up, and it
-- grows by a second a second when something is wrong, whatever that is.  It costs the same
-- beside ten jobs and ten million: nothing is counted.  It walks over what was deleted
-- while somebody holds a snapshot, like every scan: a tenth of a second for a million.
-- Returns: one row.  job, queue, group_key, place (ready, scheduled: overdue, waiting: head
-- of a group), since and age of the oldest job in queues that are not paused, all NULL when
-- there is none; sure: false when not all could be looked at, so that there may be an older
-- one; paused_job, paused_queue, paused_since, paused_age: of the queues that are paused.
-- A job that has failed before is as old as the end of that attempt.
-- Locks: none.
-- Index: as oldest_jobs; queue_pkey.
CREATE OR REPLACE FUNCTION pawl.oldest_runnable(
	OUT job bigint, OUT queue text, OUT group_key text, OUT place text,
	OUT since timestamptz, OUT age interval, OUT sure boolean,
	OUT paused_job bigint, OUT paused_queue text, OUT paused_since timestamptz,
	OUT paused_age interval)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pawl, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	oldest record;
BEGIN
	sure := true;
	FOR oldest IN SELECT o.*, coalesce(q.paused, false) AS paused
		FROM pawl.oldest_jobs(NULL) o
		LEFT JOIN pawl.queue q ON q.shard = 0 AND q.name = o.queue
		ORDER BY o.since DESC
	LOOP
		IF oldest.job IS NULL THEN
			sure := false;
		ELSIF oldest.paused THEN
			paused_job := oldest.job;
			paused_queue := oldest.queue;
			paused_since := oldest.since;
		ELSE
			job := oldest.job;
			queue := oldest.queue;
			group_key := oldest.group_key;
			place := oldest.place;
			since := oldest.since;
		END IF;
	END LOOP;
	age := greatest(clock_timestamp() - oldest_runnable.since, interval '0');
	paused_age := greatest(clock_timestamp() - oldest_runnable.paused_since, interval '0');
END
$$;
