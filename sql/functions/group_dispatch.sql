-- group_dispatch: take the head of a group for execution
--
-- The head is the job of the group with the smallest id that waits.  Before it is chosen,
-- what a newer run supersedes and what is left of a failed run is ended, in chunks.
-- It is looked for from the lease's floor on, for while a snapshot is held all that the
-- group has done stays in the index.  Behind a head, a job can only come from a transaction
-- that had its xid when the head was pushed (push draws the xid first): so a head of some
-- dispatch becomes the floor when all transactions before the xid of the next one have
-- ended, and nothing has turned up before it.  What was dispatched last may come back, and
-- is behind no floor; what an operator retries has an index of its own.
-- Parameters: worker, group_key and token: the owner; kinds: those that it has a handler
-- for (NULL: the worker's); sizes: for each of them, how many consecutive due jobs its
-- handler takes at once, at most 1,000 (NULL: one).  A job that has crashed a worker, or
-- failed, goes alone: one that fails all that go with it is found so.
-- Returns: a row for each job, ascending, with the answer job; or one row with another
-- answer and no job.  none: no job waits; later: the head is not due; busy: what was
-- dispatched last still runs, or the head is locked; blocked: by a job that failed for
-- good; foreign: the head's queue or kind is not the worker's, or its queue is paused;
-- again: a chunk of a run was ended, or the head, whose batch is being cancelled: call
-- again.  Other columns as claim's.
-- Errors: PW002 when the lease of the group, or that of the worker, is over; 22023; 25001
-- outside READ COMMITTED.
-- Locks: the lease's row FOR UPDATE; the worker's row FOR KEY SHARE; then as end_runs and
-- as run_waiting; of jobs of batches then as end_cancelled.  Renews the lease.
-- Index: group_lease_pkey, worker_pkey, waiting_walk, waiting_retried; job by primary key.
CREATE OR REPLACE FUNCTION pawl.group_dispatch(
	worker uuid,
	INOUT group_key text,
	token bigint,
	kinds text[] DEFAULT NULL,
	sizes int[] DEFAULT NULL,
	OUT answer text, OUT job bigint, OUT fence bigint, OUT kind text, OUT args jsonb,
	OUT queue text, OUT attempt int, OUT deadline_at timestamptz, OUT batch bigint,
	OUT stage text, OUT meta jsonb, OUT timeout_ms bigint, OUT run_key bigint,
	OUT crashes int)
RETURNS SETOF record
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
SET enable_seqscan = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_variable
DECLARE
	default_timeout constant interval := '15 min';
	held record;
	lease pawl.group_lease;
	owner record;
	head pawl.waiting;
	look record;
	taken record;
	patience interval;
BEGIN
	PERFORM pawl.check_isolation('group_dispatch');
	IF sizes IS NOT NULL AND cardinality(sizes) IS DISTINCT FROM cardinality(kinds) THEN
		RAISE EXCEPTION 'kinds and sizes must have the same length' USING ERRCODE = '22023';
	END IF;
	SELECT l AS lease, l.ctid AS place INTO held FROM pawl.group_lease l
	WHERE l.shard = 0 AND l.group_key = group_key AND l.token = token
		AND l.worker = worker AND l.expires_at > statement_timestamp()
	FOR UPDATE;
	IF NOT FOUND THEN
		PERFORM pawl.refuse_group(group_key);
	END IF;
	lease := held.lease;
	SELECT * INTO owner FROM pawl.hold_worker(worker);
	kinds := coalesce(kinds, owner.kinds);
	IF lease.jobs IS NOT NULL AND pawl.still_runs(lease.jobs, lease.fences) THEN
		answer := 'busy';
	ELSIF EXISTS (SELECT FROM pawl.group_stop s
			WHERE s.shard = 0 AND s.group_key = group_key)
		OR EXISTS (SELECT FROM pawl.waiting w
			WHERE w.shard = 0 AND w.tenant = lease.tenant AND w.group_key = group_key
				AND w.run_key IS NOT NULL) THEN
		answer := pawl.end_runs(lease);
	END IF;
	IF answer IS NULL THEN
		SELECT f.head, pg_snapshot_xmin(pg_current_snapshot()) AS ended INTO look
		FROM ((SELECT w AS head, w.job_id FROM pawl.waiting w
				WHERE w.shard = 0 AND w.tenant = lease.tenant AND w.group_key = group_key
					AND w.job_id >= least(coalesce(lease.floor, 0), lease.jobs[1])
				ORDER BY w.job_id LIMIT 1)
			UNION ALL
			(SELECT w, w.job_id FROM pawl.waiting w
				WHERE w.shard = 0 AND w.tenant = lease.tenant AND w.group_key = group_key
					AND w.retried
				ORDER BY w.job_id LIMIT 1)) f
		ORDER BY f.job_id LIMIT 1;
		head := look.head;
		IF lease.mark_xid <= look.ended THEN
			lease.floor := least(lease.mark, head.job_id);
			lease.mark := NULL;
			lease.mark_xid := NULL;
		ELSIF lease.mark IS NOT NULL AND lease.mark_xid IS NULL THEN
			lease.mark_xid := pg_current_xact_id();
		END IF;
		answer := CASE
			WHEN head.job_id IS NULL THEN 'none'
			WHEN head.due > clock_timestamp() THEN 'later'
			WHEN head.kind <> ALL (kinds) OR head.queue <> ALL (owner.queues)
				OR EXISTS (SELECT FROM pawl.queue q
					WHERE q.shard = 0 AND q.name = head.queue AND q.paused) THEN 'foreign'
			END;
	END IF;
	IF answer IS NULL THEN
		SELECT * INTO taken FROM pawl.run_waiting(worker, head,
			CASE WHEN coalesce((head.tries).crashes + (head.tries).failures, 0) = 0 THEN
				least(coalesce((SELECT u.size FROM unnest(kinds, sizes) u (kind, size)
					WHERE u.kind = head.kind LIMIT 1), 1), 1000)
			ELSE 1 END);
		answer := CASE WHEN taken.jobs IS NULL THEN 'busy' ELSE 'job' END;
		IF answer = 'job'
			AND (pawl.is_batched(head.traits) OR cardinality(taken.jobs) > 1) THEN
			SELECT array_agg(t.job ORDER BY t.job), array_agg(t.fence ORDER BY t.job),
				array_agg(t.attempt ORDER BY t.job)
			INTO taken.jobs, taken.fences, taken.attempts
			FROM unnest(taken.jobs, pawl.end_cancelled(taken.jobs, taken.fences),
				taken.attempts) t (job, fence, attempt)
			WHERE t.fence IS NOT NULL;
			answer := CASE WHEN taken.jobs IS NULL THEN 'again' ELSE 'job' END;
		END IF;
		lease.jobs := coalesce(taken.jobs, lease.jobs);
		lease.fences := coalesce(taken.fences, lease.fences);
		IF lease.mark IS NULL AND head.job_id >= coalesce(lease.floor, 0) THEN
			lease.mark := head.job_id;
		END IF;
	END IF;
	-- one row, which is held; not by its key, which has all of its versions
	UPDATE pawl.group_lease l
	SET jobs = lease.jobs, fences = lease.fences, floor = lease.floor, mark = lease.mark,
		mark_xid = lease.mark_xid, expires_at = clock_timestamp() + owner.lease
	WHERE l.ctid = held.place;
	IF answer <> 'job' THEN
		RETURN NEXT;
		RETURN;
	END IF;
	kind := head.kind;
	queue := head.queue;
	run_key := head.run_key;
	FOR i IN 1..cardinality(taken.jobs) LOOP
		job := taken.jobs[i];
		fence := taken.fences[i];
		attempt := taken.attempts[i];
		crashes := CASE WHEN i = 1 THEN coalesce((head.tries).crashes, 0) ELSE 0 END;
		EXECUTE 'SELECT d.args, d.batch, d.stage, d.meta, d.timeout FROM pawl.job d
			WHERE d.shard = 0 AND d.id = $1'
		INTO args, batch, stage, meta, patience USING job;
		patience := coalesce(patience, default_timeout);
		deadline_at := CASE WHEN patience > interval '0' THEN taken.started_at + patience END;
		timeout_ms := extract(epoch FROM patience) * 1000;
		RETURN NEXT;
	END LOOP;
END
$$;
