-- Who may do what.  Run after the functions, in the same transaction; everything that is
-- not granted here is refused, also what an older version or somebody else granted to
-- these roles: who needs more gives it to a role of his own.
REVOKE ALL ON SCHEMA pawl
	FROM PUBLIC, pawl_producer, pawl_worker, pawl_reader;
REVOKE ALL ON ALL TABLES IN SCHEMA pawl
	FROM PUBLIC, pawl_producer, pawl_worker, pawl_reader;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA pawl
	FROM PUBLIC, pawl_producer, pawl_worker, pawl_reader;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA pawl
	FROM PUBLIC, pawl_producer, pawl_worker, pawl_reader;

GRANT USAGE ON SCHEMA pawl TO pawl_producer, pawl_worker, pawl_reader;

-- the schema's version, checked by every program
GRANT SELECT ON pawl.migration TO pawl_producer, pawl_worker, pawl_reader;

-- a producer pushes, and may call off what was pushed
GRANT EXECUTE ON FUNCTION pawl.push, pawl.push_many(jsonb),
	pawl.push_many(text, jsonb[], text, int, timestamptz, int, interval, jsonb,
		text[], text, text[], bigint[], bigint, text, bigint, bigint),
	pawl.batch_open, pawl.batch_seal, pawl.batch_cancel, pawl.batch_rerun,
	pawl.batch_progress,
	pawl.cancel, pawl.cancel_many, pawl.retry, pawl.retry_many,
	pawl.queue_pause, pawl.queue_resume, pawl.queue_set,
	pawl.group_release, pawl.group_fail
	TO pawl_producer;

-- a worker claims and settles; its handlers push further jobs
GRANT EXECUTE ON FUNCTION pawl.push, pawl.push_many(jsonb),
	pawl.push_many(text, jsonb[], text, int, timestamptz, int, interval, jsonb,
		text[], text, text[], bigint[], bigint, text, bigint, bigint),
	pawl.batch_open, pawl.batch_seal, pawl.batch_progress, pawl.fold,
	pawl.fold_batches, pawl.next_batch, pawl.fold_ended,
	pawl.worker_start, pawl.heartbeat, pawl.worker_stop, pawl.worker_sleep,
	pawl.worker_wake, pawl.bell, pawl.claim, pawl.claim_few, pawl.held,
	pawl.group_candidates, pawl.group_take, pawl.group_dispatch, pawl.group_hold,
	pawl.group_proceed, pawl.group_renew, pawl.group_give_back,
	pawl.suspects_waiting, pawl.floors, pawl.sweep, pawl.raise_floor,
	pawl.complete, pawl.complete_many, pawl.fail, pawl.fail_many,
	pawl.snooze, pawl.snooze_many, pawl.release, pawl.release_many, pawl.fence, pawl.log,
	pawl.log_many, pawl.upkeep_look, pawl.recover, pawl.promote, pawl.extend_partitions,
	pawl.retain, pawl.work_waiting, pawl.worker_stalled,
	pawl.silent_wait_found, pawl.silent_wait_ended
	TO pawl_worker;

-- a reader looks
GRANT SELECT ON pawl.jobs, pawl.queues, pawl.workers, pawl.attempts, pawl.logs,
	pawl.log_arrays, pawl.silent_waits, pawl.batches, pawl.batch_stages, pawl.groups
	TO pawl_reader;
GRANT EXECUTE ON FUNCTION pawl.job_list, pawl.batch_progress, pawl.queue_list,
	pawl.oldest_runnable, pawl.group_list, pawl.group_show
	TO pawl_reader;
