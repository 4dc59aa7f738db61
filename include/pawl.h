/*
 * pawl.h - background jobs on PostgreSQL: client and embeddable worker
 *
 * libpawl pushes, cancels and retries jobs, and runs a worker whose handlers are
 * C functions.  It needs libpq and threads, nothing else.
 *
 * Representation.  JSON is text: libpawl checks that it is UTF-8 and passes it on;
 * PostgreSQL parses it.  Every string is NUL-terminated UTF-8.  Times are
 * microseconds since 1970-01-01 00:00 UTC (int64_t, suffix _us); durations are
 * milliseconds (int64_t, suffix _ms).
 *
 * Ownership.  What a function takes it copies, unless it says otherwise.  What a
 * handler gets through pawl_job belongs to the worker and lives until the handler
 * returns.  ..._close and ..._free accept NULL.
 *
 * Errors.  Each call that can fail returns a pawl_status and fills the caller's
 * pawl_error (which may be NULL).  Outputs are untouched on failure.  The library
 * never exits, never prints, installs no signal handler and keeps no globals.
 *
 * Threads.  A pawl_client holds one connection, and belongs to the thread that
 * opened it; using it from another thread is a bug of the caller's and ends the
 * process with an assertion.  Any number of clients and workers may live in one
 * process.
 */
#ifndef PAWL_H
#define PAWL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define PAWL_BEGIN_DECLS                                                               \
	extern "C"                                                                         \
	{
#define PAWL_END_DECLS }
#else
#define PAWL_BEGIN_DECLS
#define PAWL_END_DECLS
#endif

PAWL_BEGIN_DECLS

#define PAWL_VERSION "0.1.0"

#if defined(__GNUC__)
#define PAWL_CHECK __attribute__((warn_unused_result))
#define PAWL_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define PAWL_CHECK
#define PAWL_PRINTF(f, a)
#endif

/*
 * What a call answers: X(name, exit code of the program, text).
 *
 * TRANSIENT	deadlock, lock timeout, serialization, too little of something; tried
 *				again within the call's bounds already, nothing was done
 * CONNECTION	the connection was lost before COMMIT was sent; nothing was done
 * UNKNOWN		the connection was lost during COMMIT and the server could not be
 *				asked afterwards
 * DATABASE		any other error of the server; see sqlstate
 */
#define PAWL_STATUS_LIST(X)                                                            \
	X(OK, 0, "ok")                                                                     \
	X(ERR_ARGUMENT, 2, "invalid argument")                                             \
	X(ERR_NOT_FOUND, 3, "not found")                                                   \
	X(ERR_CONNECT, 4, "could not connect")                                             \
	X(ERR_CONNECTION, 4, "connection lost")                                            \
	X(ERR_STALE, 5, "fence is stale")                                                  \
	X(ERR_LEASE, 5, "lease is over")                                                   \
	X(ERR_CONFLICT, 5, "conflict")                                                     \
	X(ERR_REFUSED, 5, "refused")                                                       \
	X(ERR_BUSY, 5, "busy")                                                             \
	X(ERR_SCHEMA, 6, "schema is missing or of another version")                        \
	X(ERR_UNKNOWN, 7, "outcome unknown")                                               \
	X(ERR_TRANSIENT, 1, "transient error")                                             \
	X(ERR_DATABASE, 1, "database error")                                               \
	X(ERR_MEMORY, 1, "out of memory")                                                  \
	X(ERR_SYSTEM, 1, "system error")                                                   \
	X(ERR_TIMEOUT, 124, "timed out")

typedef enum pawl_status
{
#define X(name, exit_code, text) PAWL_##name,
	PAWL_STATUS_LIST(X)
#undef X
} pawl_status;

/*
 * A report, of fixed size: filling it never allocates.  In PostgreSQL's style:
 * message in lower case without a full stop; detail and hint are sentences.  What
 * does not fit is cut at a character and ends in "...".
 */
typedef struct pawl_error
{
	pawl_status status;
	char sqlstate[6]; /* "" when the server did not say one */
	char message[512];
	char detail[1024]; /* may be "" */
	char hint[512];    /* may be "" */
} pawl_error;

const char *pawl_version(void);
const char *pawl_status_name(pawl_status status); /* "PAWL_ERR_STALE" */
const char *pawl_status_text(pawl_status status); /* "fence is stale" */

/* ---------------------------------------------------------------- client -------- */

typedef struct pawl_client pawl_client;

/*
 * Open a connection.  conninfo is libpq's ("" or NULL: the PG* variables).  The
 * schema's version is checked: ERR_SCHEMA when it is missing, older or newer.
 */
PAWL_CHECK pawl_status pawl_client_open(const char *conninfo, pawl_client **ret_client,
                                        pawl_error *error);
void pawl_client_close(pawl_client *client);

/*
 * How long a job keeps its unique key: until it has ended, or until it is claimed.
 * Of a key that is free since the claim, a push makes a new job while the old one runs:
 * what was written before that push is seen by a run.
 */
typedef enum pawl_unique_until
{
	PAWL_UNTIL_END,
	PAWL_UNTIL_START
} pawl_unique_until;

struct pawl_job;

/*
 * A job to push.  Begin with PAWL_JOB_SPEC_INIT, which means the queue's default
 * everywhere, and set at least kind.
 *
 * At most one live job has a unique key: pushing the key again answers that job and
 * changes nothing, neither its args nor its settings.
 */
typedef struct pawl_job_spec
{
	const char *kind;               /* 1 to 255 bytes */
	const char *args;               /* JSON, at most 1 MiB; NULL: {} */
	const char *queue;              /* 1 to 255 bytes; NULL: default */
	int priority;                   /* 0 is claimed first, 9 last; -1: 5 */
	int64_t run_at_us;              /* not before; 0: at once */
	const char *unique_key;         /* 1 to 255 bytes; NULL: none */
	pawl_unique_until unique_until; /* of the unique key */
	int max_attempts;               /* 0: 20 */
	int64_t timeout_ms;             /* of an attempt; -1: 15 min; 0: none */
	const char *meta;               /* JSON that the handler is handed; NULL: none */
	int64_t batch;                  /* that it counts in; 0: none */
	const char *stage;              /* of the batch; NULL: its first */

	/*
	 * The running job that pushes this one, as its handler has it: into its own batch it
	 * may push when that is sealed.  ERR_STALE when its claim has ended.  NULL: none.
	 */
	const struct pawl_job *parent;

	/*
	 * Jobs of a group run one at a time, in the order in which they were pushed, over all
	 * workers.  What comes before the first '/' is its tenant: tenants take turns.  A
	 * unique key is then one of the group.  1 to 255 bytes; NULL: none.
	 */
	const char *group_key;

	/*
	 * The run that it belongs to: jobs of its group that belong to a smaller run and have
	 * not begun are cancelled when one of a greater run waits.  0: none.
	 */
	int64_t run_key;
} pawl_job_spec;

#define PAWL_JOB_SPEC_INIT                                                             \
	{                                                                                  \
		.priority = -1, .timeout_ms = -1                                               \
	}

/*
 * Push one job, or n jobs in one transaction: all or none.  ret_jobs has room for n
 * ids, in the order of specs.  ret_created, NULL or of the same length, is false where
 * the answer is a job that was there: its key had a live job, or stands twice in specs.
 *
 * The order of specs does not matter to others: keys are taken in the order of their
 * bytes, so that pushes that run side by side cannot deadlock.  A push waits for
 * another transaction that has pushed one of its keys and is still open, 5 s for each.
 */
PAWL_CHECK pawl_status pawl_push(pawl_client *client, const pawl_job_spec *spec,
                                 int64_t *ret_job, bool *ret_created,
                                 pawl_error *error);
PAWL_CHECK pawl_status pawl_push_many(pawl_client *client, const pawl_job_spec *specs,
                                      size_t n, int64_t *ret_jobs, bool *ret_created,
                                      pawl_error *error);

/*
 * A batch: jobs that are counted together.  They are pushed into it until it is sealed;
 * when it is sealed and all of them have ended it is done, and its completion job becomes
 * ready in the same transaction.
 */
typedef struct pawl_batch_spec
{
	const char *name;          /* for people, 1 to 255 bytes */
	const char *const *stages; /* NULL-terminated, at most 64; NULL: main alone */
	double threshold;          /* 0 to 1: it has failed when more of its jobs have */
	const char *on_complete;   /* JSON, the completion job; NULL: none */
	const int64_t *expected;   /* how many jobs each stage will have; NULL: not known */
} pawl_batch_spec;

/*
 * ERR_CONFLICT when the unique key of the completion job has a live job; ERR_NOT_FOUND
 * when there is no such batch to seal.  Sealing twice does nothing.
 */
PAWL_CHECK pawl_status pawl_batch_open(pawl_client *client, const pawl_batch_spec *spec,
                                       int64_t *ret_batch, pawl_error *error);
PAWL_CHECK pawl_status pawl_batch_seal(pawl_client *client, int64_t batch,
                                       pawl_error *error);

/* The states of a job (INTERFACE: derived from where its row is). */
typedef enum pawl_state
{
	PAWL_STATE_READY,
	PAWL_STATE_SCHEDULED,
	PAWL_STATE_WAITING,
	PAWL_STATE_RUNNING,
	PAWL_STATE_SUCCEEDED,
	PAWL_STATE_FAILED,
	PAWL_STATE_CANCELLED
} pawl_state;

const char *pawl_state_name(pawl_state state); /* "ready" */

/* ERR_NOT_FOUND when there is no such job. */
PAWL_CHECK pawl_status pawl_job_state(pawl_client *client, int64_t job,
                                      pawl_state *ret_state, pawl_error *error);

/*
 * Cancel a job in any live state.  *ret_was is the state that it was in; a terminal
 * one means that nothing was changed.  ERR_BUSY: a handler's open transaction has
 * fenced it.  reason may be NULL.
 */
PAWL_CHECK pawl_status pawl_cancel(pawl_client *client, int64_t job, const char *reason,
                                   pawl_state *ret_was, pawl_error *error);

/*
 * An operator's retry of a failed or cancelled job; ERR_REFUSED for any other,
 * ERR_CONFLICT when another live job has its unique key.
 */
PAWL_CHECK pawl_status pawl_retry(pawl_client *client, int64_t job, pawl_state *ret_was,
                                  pawl_error *error);

/* ---------------------------------------------------------------- upsert -------- */

/* What was done: rows = created + existing. */
typedef struct pawl_upsert_result
{
	int64_t rows;     /* that were given */
	int64_t created;  /* rows that the table has now and had not before */
	int64_t existing; /* rows whose key the table had, or an earlier row brought */
} pawl_upsert_result;

/*
 * Rows for a table of the user's own: those whose key is new are inserted, the others
 * left alone or updated.  It does not deadlock with any number of its like on the same
 * table, nor with other programs that write in the same order: each transaction takes
 * its rows in ascending order of the key columns, text in COLLATE "C".  A second unique
 * index of the table, or a trigger, can defeat any order: a deadlock (40P01) is then
 * tried again, within timeout_ms.
 */
typedef struct pawl_upsert_spec
{
	/* As in SQL: "films", "public.films"; folded to lower case unless quoted. */
	const char *table;

	/*
	 * Names of columns, exactly as they are, each list ended by NULL.  keys: the columns
	 * of a unique index or primary key of the table, in any order.  values: the other
	 * columns of the rows; NULL: none.  update: those of values that are overwritten
	 * where the key exists; NULL or empty: such a row is left alone.
	 */
	const char *const *keys;
	const char *const *values;
	const char *const *update;

	int64_t lock_timeout_ms; /* of each wait for a lock; 0: 5 s */
	int64_t timeout_ms;      /* of each transaction, with its tries; 0: 30 s */
	int chunk_rows;          /* of one transaction, at most 100,000; 0: 10,000 */

	/* All or nothing: one transaction, at most 256 MiB of text; timeout_ms is its. */
	bool single_transaction;

	/* Told after each commit, with the sums so far; NULL: nobody. */
	void (*progress)(const pawl_upsert_result *so_far, void *closure);
	void *progress_closure;
} pawl_upsert_spec;

/*
 * Upsert n rows.  cells has n times the columns, keys first, then values, as
 * PostgreSQL's text input; NULL is SQL's NULL, and none in a key.  Of several rows with
 * one key the first counts, or with update the last.
 *
 * Runs in transactions of its own, of chunk_rows rows each, and holds nothing between
 * them; what was committed before a failure stays, and a repeat brings the rest.  It
 * keeps the session's search_path, and works through a pooler in transaction mode.
 *
 * ERR_TRANSIENT	a lock was not had within lock_timeout_ms (55P03): the error names
 *					relation, key and blocking session where they can be found; other
 *					transient errors after the last try
 * ERR_TIMEOUT		a transaction did not end within timeout_ms
 * ERR_NOT_FOUND	there is no such table or column
 * ERR_ARGUMENT		NULL in a key, a column that cannot be written, no unique index on
 *					the key columns, too large
 * ERR_DATABASE		a row that the table refuses; message begins with "row 17: ", rows
 *					counted from 1, where one row alone is the cause
 *
 * To name a key or a row it is searched for, by inserting parts of the chunk in
 * transactions that are rolled back.
 */
PAWL_CHECK pawl_status pawl_upsert(pawl_client *client, const pawl_upsert_spec *spec,
                                   const char *const *cells, size_t n,
                                   pawl_upsert_result *ret_result, pawl_error *error);

/* ---------------------------------------------------------------- worker -------- */

typedef struct pawl_worker pawl_worker;
typedef struct pawl_context pawl_context;

/* A claimed job as its handler sees it. */
typedef struct pawl_job
{
	int64_t id;
	int64_t fence; /* of this claim; present it in your own writes */
	const char *kind;
	const char *queue;
	const char *args;   /* JSON text */
	const char *meta;   /* JSON text or NULL */
	int attempt;        /* from 1 */
	int64_t timeout_ms; /* of this attempt, from the handler's start; 0: none */
	int64_t batch;      /* that it belongs to; 0: none */
	const char *stage;  /* that it counts in; NULL: none (a completion job) */

	const char *group_key; /* NULL: none */
	int64_t run_key;       /* of its group; 0: none */
} pawl_job;

/* What a handler decides. */
typedef enum pawl_verdict
{
	PAWL_COMPLETE,   /* succeeded; see pawl_context_result */
	PAWL_FAIL,       /* failed, to be tried again */
	PAWL_FAIL_FINAL, /* failed for good */
	PAWL_SNOOZE,     /* not now; see pawl_context_delay */
	PAWL_RELEASE     /* given back as it was */
} pawl_verdict;

/*
 * A handler.  Runs on one of the worker's executor threads, for a job of a group on the
 * thread of the group's runner; several at a time.  It
 * must return soon after pawl_context_interrupted answers anything but
 * PAWL_RUNNING_ON: a C function cannot be stopped from outside.  closure is what was
 * registered with it.
 */
typedef pawl_verdict (*pawl_handler)(pawl_context *context, const pawl_job *job,
                                     void *closure);

/*
 * A handler of several jobs at once: n jobs of one group that come one after the other,
 * ascending by id, at most as many as were asked for when it was registered.  It sets
 * verdicts[i] for each, which are PAWL_FAIL before.  What has no group comes alone (n is
 * 1), and so does what has failed before or crashed a worker.
 *
 * Who must keep the order stops at the first job that cannot be completed, and answers
 * PAWL_RELEASE for those after it.
 */
typedef void (*pawl_many_handler)(pawl_context *context, const pawl_job *const *jobs,
                                  size_t n, pawl_verdict *verdicts, void *closure);

/*
 * Of which of the jobs of a pawl_many_handler the next calls speak: result, count, error,
 * delay, log, interrupted.  The first one's before.
 */
void pawl_context_select(pawl_context *context, size_t i);

typedef enum pawl_interrupt
{
	PAWL_RUNNING_ON, /* no interrupt */
	PAWL_CANCELLED,  /* the claim has ended; what it returns is ignored */
	PAWL_LEASE_LOST, /* the worker's lease is over; likewise */
	PAWL_TIMED_OUT,  /* the timeout has passed; what it returns still counts */
	PAWL_DRAINING    /* the worker must end now; the job is given back */
} pawl_interrupt;

/* For a pawl_many_handler: a cancel is told of the selected job alone, the rest of all. */
pawl_interrupt pawl_context_interrupted(pawl_context *context);

/* A descriptor that becomes readable when an interrupt (but a timeout) comes. */
int pawl_context_interrupt_fd(pawl_context *context);

/* The result of a PAWL_COMPLETE: JSON text, copied, at most 1 MiB (more: a failure). */
void pawl_context_result(pawl_context *context, const char *json);

/*
 * Add to a named counter of the job's stage.  Counted once, with the PAWL_COMPLETE that
 * ends the job, however often that is delivered; what an attempt has counted that ended
 * otherwise, or that belongs to no stage, is forgotten.  At most 64 names of 1 to 255
 * bytes of UTF-8; more, or a sum beyond int64_t, is a failure of the attempt.
 */
void pawl_context_count(pawl_context *context, const char *name, int64_t n);

/* The error text of a PAWL_FAIL or PAWL_FAIL_FINAL: copied, cut at 64 KiB. */
void
pawl_context_error(pawl_context *context, const char *format, ...) PAWL_PRINTF(2, 3);

/* How long to wait before the next attempt (PAWL_FAIL: instead of the backoff;
 * PAWL_SNOOZE: 60 s unless told). */
void pawl_context_delay(pawl_context *context, int64_t delay_ms);

/*
 * The own connection of the job's group, a libpq connection inside an open transaction,
 * which begins with the first call: what is written there takes effect exactly once, with
 * the PAWL_COMPLETE that the handler answers, in one transaction with the job's end.  Any
 * other verdict rolls it back, and for several jobs any other verdict of one of them: those
 * that were to be completed are then given back.
 *
 * Its isolation level is READ COMMITTED; a statement of it may take as long as is left of
 * the attempt's timeout, and so may the handler between two statements; a lock is waited
 * for for 5 s.  Use it on the handler's thread, and do not close it.  A handler that ends
 * the transaction itself, or leaves a statement failed or unfinished, has failed, whatever
 * it answers.  What it sets for the session is forgotten.
 *
 * NULL for a job without a group, and when the connection is lost: answer PAWL_FAIL.
 */
struct pg_conn; /* libpq's PGconn */
struct pg_conn *pawl_context_connection(pawl_context *context);

typedef enum pawl_level
{
	PAWL_DEBUG,
	PAWL_INFO,
	PAWL_WARN,
	PAWL_ERROR
} pawl_level;

/*
 * Log a line of the job's.  Never blocks: stored by the worker's log writer on its
 * own connection, whatever becomes of the handler's transactions.  message may hold
 * any bytes (escaped, cut at 8 KiB); context is JSON text or NULL.  A context of more
 * than 8 KiB is stored as {"bytes_cut": n}, one that jsonb does not take (broken JSON,
 * \u0000) as {"cut": "not jsonb"}, one that is no text as {"cut": "not UTF-8"}.
 */
void pawl_context_log(pawl_context *context, pawl_level level, const char *message,
                      size_t length, const char *context_json);

/* Begin with PAWL_WORKER_OPTIONS_INIT.  0 or NULL means the default. */
typedef struct pawl_worker_options
{
	const char *conninfo;      /* as in pawl_client_open */
	const char *name;          /* for people; NULL: host name and pid */
	const char *const *queues; /* NULL-terminated; NULL: default alone */
	int executors;             /* jobs at a time; 0: processors */
	int groups;                /* groups at a time, besides; 0: 16; negative: none */
	int group_jobs;            /* given to others who wait after so many jobs (100) */
	int64_t group_ms;          /* or after so long (60 s) */
	int64_t lease_ms;          /* 30 s */
	int64_t poll_ms;           /* 1 s */
	int64_t drain_ms;          /* 30 s */

	/*
	 * A statement of a handler's that waits for another connection of the same process,
	 * which cannot go on, is cancelled when that has lasted so long (30 s); negative:
	 * it is only reported.  See docs/operations.md, "The wait that PostgreSQL cannot
	 * see".
	 */
	int64_t wait_cancel_ms;
	bool once; /* end when nothing is ready any more */

	/*
	 * Told about what is worth a line in the program's own log (connection lost,
	 * lease lost, lines dropped); NULL: nobody.  Called from the worker's threads.
	 */
	void (*notice)(pawl_level level, const char *message, void *closure);
	void *notice_closure;
} pawl_worker_options;

#define PAWL_WORKER_OPTIONS_INIT                                                       \
	{                                                                                  \
		0                                                                              \
	}

PAWL_CHECK pawl_status pawl_worker_new(const pawl_worker_options *options,
                                       pawl_worker **ret_worker, pawl_error *error);

/* Before pawl_worker_run; one handler a kind (ERR_CONFLICT).  closure is not copied. */
PAWL_CHECK pawl_status pawl_worker_handle(pawl_worker *worker, const char *kind,
                                          pawl_handler handler, void *closure,
                                          pawl_error *error);

/* The same for up to max jobs of a group at once, 1 to 1,000. */
PAWL_CHECK pawl_status pawl_worker_handle_many(pawl_worker *worker, const char *kind,
                                               size_t max, pawl_many_handler handler,
                                               void *closure, pawl_error *error);

/*
 * Run until pawl_worker_stop; returns OK after a drain.  Connection failures are
 * ridden out; only a first connection that cannot be made, a schema of another
 * version, or a user who may not work ends it with an error.
 */
PAWL_CHECK pawl_status pawl_worker_run(pawl_worker *worker, pawl_error *error);

/*
 * Ask it to drain: no new claims, what runs has drain_ms, the rest is interrupted and
 * given back.  Asked a second time it interrupts at once.  From any thread, and safe
 * in a signal handler.
 */
void pawl_worker_stop(pawl_worker *worker);
void pawl_worker_free(pawl_worker *worker);

PAWL_END_DECLS

#endif /* PAWL_H */
