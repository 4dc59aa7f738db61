-- 0001: the tables of jobs, workers and logs
--
-- A job's state is the table that its row is in: ready, scheduled, waiting, running or
-- outcome.  Rows of ready, scheduled, waiting and running are inserted and deleted, never
-- updated; a transition is one statement that deletes from one and inserts into another.
-- Nothing on the hot path updates a row, and no foreign key points at a job.
--
-- Every table carries shard (0 on a single PostgreSQL) in its primary key.  All sequences
-- have CACHE 1: a cached one goes backwards between sessions, and with it fences,
-- positions and the order of jobs.  Columns stand widest first, so that no padding is
-- stored.

CREATE SEQUENCE pawl.job_id AS bigint CACHE 1;
CREATE SEQUENCE pawl.fence AS bigint CACHE 1;
CREATE SEQUENCE pawl.attempt_id AS bigint CACHE 1;
CREATE SEQUENCE pawl.log_id AS bigint CACHE 1;
CREATE SEQUENCE pawl.batch_id AS bigint CACHE 1;
CREATE SEQUENCE pawl.batch_delta_id AS bigint CACHE 1;

CREATE TYPE pawl.terminal_state AS ENUM ('succeeded', 'failed', 'cancelled');
CREATE TYPE pawl.log_level AS ENUM ('debug', 'info', 'warn', 'error');

-- What a live job has behind it: attempts, and how many of them failed or crashed.
CREATE TYPE pawl.tries AS (attempt int, failures int, crashes smallint);

-- What was pushed; immutable.  NULL in max_attempts and timeout means the default.
-- until_start: whether the unique key is free from the first claim on; NULL without one.
-- batch, epoch, stage: of a job that counts in a batch; without a stage it is the batch's
-- completion job, which does not count in it.
-- group_key: jobs that share it run one at a time, in the order of their ids; run_key: of
-- those, the ones that a greater run_key supersedes.
-- Partitions of ten million ids each are attached by pawl.extend_partitions.
CREATE TABLE pawl.job (
	id bigint NOT NULL,
	pushed_at timestamptz NOT NULL,
	run_at timestamptz,
	timeout interval,
	batch bigint,
	run_key bigint,
	epoch int,
	max_attempts int,
	priority smallint NOT NULL,
	shard smallint NOT NULL DEFAULT 0,
	until_start boolean,
	queue text COLLATE "C" NOT NULL,
	kind text COLLATE "C" NOT NULL,
	args jsonb NOT NULL,
	meta jsonb,
	unique_key text COLLATE "C",
	group_key text COLLATE "C",
	stage text COLLATE "C",
	PRIMARY KEY (id, shard)
) PARTITION BY RANGE (id);
CREATE INDEX job_batch ON pawl.job (batch, epoch, id) WHERE batch IS NOT NULL;

-- Due and unclaimed.  shard comes first in the key, here and in running: with one value in
-- front PostgreSQL sees that each session inserts ascending ids, and splits a leaf that two
-- of them fill behind the newest entry instead of in the middle.  pos is drawn after the
-- transaction that inserts the row has an xid, from the sequence of the ids: what is ready
-- from its push on has its id, what comes back draws a new number.
--
-- A row of eight columns has its bitmap of NULLs for nothing, so what few jobs have is
-- NULL, here and below.  tries: NULL for a job that has never been tried.  traits: bits; 1:
-- the job has or had a unique key, 2: it counts in a batch, 4: it is grouped; what has none
-- costs no look elsewhere.  priority, here and in scheduled: ten more than the job's when
-- it has crashed a worker; these suspects have lanes of their own, and a walk for others
-- does not meet them.
CREATE TABLE pawl.ready (
	job_id bigint NOT NULL,
	pos bigint NOT NULL DEFAULT nextval('pawl.job_id'),
	tries pawl.tries,
	priority smallint NOT NULL,
	shard smallint NOT NULL DEFAULT 0,
	traits smallint,
	queue text COLLATE "C" NOT NULL,
	kind text COLLATE "C" NOT NULL,
	PRIMARY KEY (shard, job_id)
);
CREATE INDEX ready_walk ON pawl.ready (shard, queue, priority, pos);

-- Due later: delayed, backing off, snoozed.
CREATE TABLE pawl.scheduled (
	job_id bigint NOT NULL,
	due timestamptz NOT NULL,
	tries pawl.tries,
	priority smallint NOT NULL,
	shard smallint NOT NULL DEFAULT 0,
	traits smallint,
	queue text COLLATE "C" NOT NULL,
	kind text COLLATE "C" NOT NULL,
	PRIMARY KEY (job_id, shard)
);
CREATE INDEX scheduled_due ON pawl.scheduled (shard, due);

-- Grouped and not running, from the push until the job is terminal; due: not before.  The
-- row of a group with the smallest id is its head, which holds the group until it is due.
-- tenant: the part of the group key before its first slash, '' without one.  retried: it
-- has come back from its end, perhaps behind what the group has done since.
CREATE TABLE pawl.waiting (
	job_id bigint NOT NULL,
	due timestamptz NOT NULL,
	run_key bigint,
	tries pawl.tries,
	shard smallint NOT NULL DEFAULT 0,
	traits smallint,
	retried boolean NOT NULL DEFAULT false,
	tenant text COLLATE "C" NOT NULL,
	group_key text COLLATE "C" NOT NULL,
	queue text COLLATE "C" NOT NULL,
	kind text COLLATE "C" NOT NULL,
	PRIMARY KEY (job_id, shard)
);
CREATE UNIQUE INDEX waiting_walk ON pawl.waiting (shard, tenant, group_key, job_id);
CREATE INDEX waiting_run ON pawl.waiting (shard, tenant, group_key, run_key)
	WHERE run_key IS NOT NULL;
CREATE INDEX waiting_retried ON pawl.waiting (shard, tenant, group_key, job_id)
	WHERE retried;
CREATE INDEX waiting_queue ON pawl.waiting (shard, queue, job_id);

-- Claimed.  A row whose worker has no row in pawl.worker is an orphan.  tries: before this
-- attempt.  What is grouped is named by a row of group_lease.
CREATE TABLE pawl.running (
	job_id bigint NOT NULL,
	fence bigint NOT NULL,
	started_at timestamptz NOT NULL,
	worker uuid NOT NULL,
	tries pawl.tries,
	shard smallint NOT NULL DEFAULT 0,
	traits smallint,
	PRIMARY KEY (shard, job_id)
);

-- Who works on a group.  It is held while its row is not over and its worker has a row in
-- pawl.worker; token: the fence of this taking.  jobs and fences: what was dispatched last,
-- in pairs (NULL: nothing yet); they may have ended since.  floor: no job of the group with
-- a smaller id waits or will, but one that was dispatched last or is retried (NULL: not
-- known); it becomes mark, a head of then, when all transactions before mark_xid have ended.
CREATE TABLE pawl.group_lease (
	worker uuid NOT NULL,
	token bigint NOT NULL,
	jobs bigint[],
	fences bigint[],
	floor bigint,
	mark bigint,
	mark_xid xid8,
	taken_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL,
	shard smallint NOT NULL DEFAULT 0,
	tenant text COLLATE "C" NOT NULL,
	group_key text COLLATE "C" NOT NULL,
	PRIMARY KEY (group_key, shard)
) WITH (fillfactor = 50);

-- A job of a group has failed for good, and the policy of its queue is not to skip it:
-- the group waits for an operator (block), or the rest of the job's run is ended (fail).
-- Inserted by the statement that writes the outcome; insert and delete only.  It is void
-- when its job waits again, or when a newer run waits.
CREATE TABLE pawl.group_stop (
	job_id bigint NOT NULL,
	stopped_at timestamptz NOT NULL,
	run_key bigint,
	shard smallint NOT NULL DEFAULT 0,
	policy text COLLATE "C" NOT NULL CHECK (policy IN ('block', 'fail')),
	tenant text COLLATE "C" NOT NULL,
	group_key text COLLATE "C" NOT NULL,
	queue text COLLATE "C" NOT NULL,
	PRIMARY KEY (group_key, job_id, shard)
);
CREATE INDEX group_stop_job ON pawl.group_stop (job_id);

-- The live job of each unique key.  A row is inserted before the live row of its job, and
-- deleted by the statement that deletes that row, never by another: who holds the live
-- row is alone with it.  until_start: free from the first claim on.  The key of a grouped
-- job is its group key, the character U+001F (which no key contains) and its unique key.
CREATE TABLE pawl.unique_key (
	job_id bigint NOT NULL,
	shard smallint NOT NULL DEFAULT 0,
	until_start boolean NOT NULL,
	key text COLLATE "C" NOT NULL,
	PRIMARY KEY (key, shard),
	UNIQUE (job_id, shard)
);

-- Terminal.  Insert only; an operator's retry alone deletes.  NULL in attempt: the first,
-- of a job that succeeded (WAL is written in steps of eight bytes, and this is one).
CREATE TABLE pawl.outcome (
	job_id bigint NOT NULL,
	fence bigint,
	started_at timestamptz,
	finished_at timestamptz NOT NULL,
	worker uuid,
	attempt int,
	state pawl.terminal_state NOT NULL,
	shard smallint NOT NULL DEFAULT 0,
	result jsonb,
	error text,
	PRIMARY KEY (job_id, shard)
) PARTITION BY RANGE (job_id);
CREATE INDEX outcome_unsuccessful ON pawl.outcome (shard, state, job_id)
	WHERE state <> 'succeeded';

-- Each unsuccessful attempt, and what an operator's retry replaced.  Insert only.
CREATE TABLE pawl.attempt (
	job_id bigint NOT NULL,
	id bigint NOT NULL DEFAULT nextval('pawl.attempt_id'),
	fence bigint,
	started_at timestamptz,
	ended_at timestamptz NOT NULL,
	worker uuid,
	attempt int NOT NULL,
	shard smallint NOT NULL DEFAULT 0,
	category text COLLATE "C" NOT NULL
		CHECK (category IN ('error', 'timeout', 'crash', 'cancelled', 'operator')),
	error text,
	detail jsonb,
	PRIMARY KEY (job_id, id, shard)
);
CREATE INDEX attempt_worker ON pawl.attempt (worker, ended_at)
	WHERE category IN ('crash', 'cancelled');
CREATE INDEX attempt_operator ON pawl.attempt (job_id) WHERE category = 'operator';

-- A set of jobs with counters for each of its stages and one completion job: a row for
-- each epoch, of which only the last can be unfinished.  The arrays belong to stages.
-- What has happened since the last fold stands in batch_delta.  folded: all deltas of
-- transactions before it are in the counters.  low: the jobs of the epoch have greater
-- ids.  swept: up to which of them a cancel has come; busy: those before that which it
-- found locked.  crowded: a stage has as many names of counters as it may have.  marks: how
-- many jobs had ended in each stage at marks_at, for the rate; before that, marks_before.
CREATE TABLE pawl.batch (
	id bigint NOT NULL,
	opened_at timestamptz NOT NULL,
	sealed_at timestamptz,
	cancelled_at timestamptz,
	done_at timestamptz,
	folded xid8 NOT NULL,
	low bigint NOT NULL,
	completion bigint,
	swept bigint NOT NULL DEFAULT 0,
	marks_at timestamptz NOT NULL,
	marks_before_at timestamptz NOT NULL,
	epoch int NOT NULL,
	state pawl.terminal_state,
	shard smallint NOT NULL DEFAULT 0,
	crowded boolean NOT NULL DEFAULT false,
	threshold numeric NOT NULL,
	name text NOT NULL,
	reason text,
	stages text[] COLLATE "C" NOT NULL,
	expected bigint[],
	busy bigint[] NOT NULL DEFAULT '{}',
	total bigint[] NOT NULL,
	succeeded bigint[] NOT NULL,
	failed bigint[] NOT NULL,
	cancelled bigint[] NOT NULL,
	marks bigint[] NOT NULL,
	marks_before bigint[] NOT NULL,
	counts jsonb[] NOT NULL,
	on_complete jsonb,
	PRIMARY KEY (id, epoch, shard)
) WITH (fillfactor = 50);
CREATE INDEX batch_unfinished ON pawl.batch (shard, id) WHERE done_at IS NULL;
CREATE INDEX batch_cancelling ON pawl.batch (shard, id)
	WHERE cancelled_at IS NOT NULL AND done_at IS NULL;
CREATE INDEX batch_crowded ON pawl.batch (shard, id) WHERE crowded AND done_at IS NULL;
CREATE INDEX batch_done ON pawl.batch (shard, done_at) WHERE done_at IS NOT NULL;

-- What one statement has added to a stage of a batch.  Inserted by push, settle and retry,
-- deleted by fold, which adds it to the batch's row.  xid leads the key, so that a fold
-- does not walk over what earlier ones have deleted.
CREATE TABLE pawl.batch_delta (
	batch bigint NOT NULL,
	xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
	id bigint NOT NULL DEFAULT nextval('pawl.batch_delta_id'),
	epoch int NOT NULL,
	total int NOT NULL DEFAULT 0,
	succeeded int NOT NULL DEFAULT 0,
	failed int NOT NULL DEFAULT 0,
	cancelled int NOT NULL DEFAULT 0,
	shard smallint NOT NULL DEFAULT 0,
	stage text COLLATE "C" NOT NULL,
	counts jsonb,
	PRIMARY KEY (batch, epoch, xid, id, shard)
);

-- One process that executes jobs, and its lease.  Single-row writes; the heartbeat is a
-- HOT update.
CREATE TABLE pawl.worker (
	id uuid NOT NULL,
	lease interval NOT NULL,
	started_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL,
	shard smallint NOT NULL DEFAULT 0,
	name text NOT NULL,
	queues text[] COLLATE "C",
	kinds text[] COLLATE "C",
	PRIMARY KEY (id, shard)
) WITH (fillfactor = 50);

-- Who sleeps on which queue: whoever makes a job ready there rings.  The flag of a worker
-- is set and cleared as its rate falls and rises, never per sleep.
CREATE TABLE pawl.sleeper (
	worker uuid NOT NULL,
	shard smallint NOT NULL DEFAULT 0,
	queue text COLLATE "C" NOT NULL,
	PRIMARY KEY (queue, worker, shard)
);
-- A table without statistics is taken for one of ten pages.  As what it is, a scan of it
-- costs each push 4 us less than a look into the index; it is planned anew as it grows.
ANALYZE pawl.sleeper;

-- Workers that are alive and make no progress while there is work.  Each row is its own
-- worker's alone; inserted and deleted, never in between.  Of a worker that is gone it is
-- void.
CREATE TABLE pawl.stall (
	worker uuid NOT NULL,
	since timestamptz NOT NULL,
	shard smallint NOT NULL DEFAULT 0,
	reason text COLLATE "C" NOT NULL,
	detail text,
	PRIMARY KEY (worker, shard)
);

-- Lines of jobs' logs.  Insert only; partitions of a day each are attached by
-- pawl.extend_partitions.
CREATE TABLE pawl.log (
	id bigint NOT NULL DEFAULT nextval('pawl.log_id'),
	job_id bigint NOT NULL,
	fence bigint,
	at timestamptz NOT NULL,
	level pawl.log_level NOT NULL,
	shard smallint NOT NULL DEFAULT 0,
	message text NOT NULL,
	context jsonb,
	PRIMARY KEY (job_id, id, at, shard)
) PARTITION BY RANGE (at);
-- With shard, or a planner without statistics takes the primary key, whose condition has it.
CREATE INDEX log_level ON pawl.log (job_id, id, shard) WHERE level >= 'warn';

-- Settings of a queue; a queue without a row has the defaults.  on_group_failure: what
-- becomes of a group when a job of it fails for good (NULL: block).
CREATE TABLE pawl.queue (
	name text COLLATE "C" NOT NULL,
	paused boolean NOT NULL DEFAULT false,
	shard smallint NOT NULL DEFAULT 0,
	on_group_failure text COLLATE "C"
		CHECK (on_group_failure IN ('block', 'fail', 'skip')),
	PRIMARY KEY (name, shard)
);

-- Below a lane's floor there is no ready job of that kind, nor will one come: what is
-- there in the index is dead.  A claim without a mark of its own begins here.
CREATE TABLE pawl.lane (
	floor bigint NOT NULL DEFAULT 0,
	priority smallint NOT NULL,
	shard smallint NOT NULL DEFAULT 0,
	queue text COLLATE "C" NOT NULL,
	kind text COLLATE "C" NOT NULL,
	PRIMARY KEY (queue, priority, kind, shard)
) WITH (fillfactor = 50);

-- The fleet's duties, each held by one worker at a time through a lease.  A duty done
-- by two is harmless: the lease saves work, nothing rests on it.
CREATE TABLE pawl.upkeep (
	duty text COLLATE "C" NOT NULL,
	worker uuid,
	expires_at timestamptz NOT NULL DEFAULT '-infinity',
	shard smallint NOT NULL DEFAULT 0,
	PRIMARY KEY (duty, shard)
) WITH (fillfactor = 50);
INSERT INTO pawl.upkeep (duty) VALUES ('recover'), ('promote'), ('fold'), ('partitions'),
	('watch'), ('retain');

-- Waits that never end and that PostgreSQL cannot see (see sql/queries/waits.sql), as the
-- watch has found them: by session and statement.  Insert only; after thirty days a row
-- is removed.
CREATE TABLE pawl.silent_wait (
	found_at timestamptz NOT NULL,
	waiter_since timestamptz NOT NULL,
	holder_since timestamptz NOT NULL,
	waiter_job bigint,
	holder_job bigint,
	waiter int NOT NULL,
	holder int NOT NULL,
	shard smallint NOT NULL DEFAULT 0,
	process text NOT NULL,
	relation text,
	key text,
	statement text,
	PRIMARY KEY (waiter, waiter_since, holder, holder_since, shard)
);
CREATE INDEX silent_wait_found ON pawl.silent_wait (found_at);

-- What became of them by the watch's doing.  Insert only, likewise.
CREATE TABLE pawl.silent_wait_end (
	at timestamptz NOT NULL,
	waiter_since timestamptz NOT NULL,
	holder_since timestamptz NOT NULL,
	waiter int NOT NULL,
	holder int NOT NULL,
	shard smallint NOT NULL DEFAULT 0,
	answer text COLLATE "C" NOT NULL CHECK (answer IN ('cancelled', 'refused')),
	PRIMARY KEY (waiter, waiter_since, holder, holder_since, shard)
);
CREATE INDEX silent_wait_end_at ON pawl.silent_wait_end (at);
