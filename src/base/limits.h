/*
 * limits.h - a limit on every count and size that comes from outside, with its reason
 *
 * The same figures stand in sql/functions where the server checks them.
 */
#ifndef PAWL_BASE_LIMITS_H
#define PAWL_BASE_LIMITS_H

#define LIMIT_NAME 255            /* kind, queue, key: fits an index entry and a page */
#define KEY_SEPARATOR '\x1f'      /* in no key: between those of a group and a job */
#define LIMIT_JSON (1024 * 1024)  /* args, result: a job is no file store */
#define LIMIT_STAGES 64           /* of a batch: each is read with it */
#define LIMIT_COUNTS 64           /* names that a job counts: they stay in the batch */
#define LIMIT_LOG_LINE (8 * 1024) /* a log line: a page of PostgreSQL */
#define LIMIT_ERROR_TEXT (64 * 1024) /* an error text: a stack trace fits */
#define LIMIT_EXECUTORS 1024         /* threads of one worker */
#define LIMIT_GROUPS 256             /* runners of one worker: each has a connection */
#define LIMIT_MANY 1000              /* jobs that a handler takes at once: one settle */
#define LIMIT_QUEUES 64   /* queues of one worker: each is walked by a claim */
#define LIMIT_KINDS 256   /* handlers of one worker */
#define LIMIT_CLAIM 1000  /* jobs of one claim: the batch that measured best */
#define LIMIT_SETTLE 1000 /* jobs of one settle: likewise */
#define LIMIT_PUSH 1000   /* jobs of one push_many that the library sends */
#define LIMIT_SILENT_WAITS                                                             \
	100                    /* of one look of the watch: the next is a second later */
#define LIMIT_COLUMNS 1000 /* of an upsert: a table has at most 1,600 */
#define LIMIT_UPSERT_ROWS 100000 /* of one transaction: it holds their locks */
#define LIMIT_UPSERT_CHUNK (16 * 1024 * 1024)   /* bytes of one transaction: likewise */
#define LIMIT_UPSERT_SINGLE (256 * 1024 * 1024) /* bytes of all or nothing: in memory */
#define LIMIT_CSV_ROW (16 * 1024 * 1024) /* an open quote would swallow the file */

#endif
