/*
 * sqlpeer.c - pushes and takes messages of the queues that are SQL alone: PgQ, pgmq
 *
 *	sqlpeer QUEUE push			takes the commands of pusher.c
 *	sqlpeer QUEUE until N		a consumer, as noop.c
 *	sqlpeer QUEUE STEP FILE		likewise, until stdin ends
 *
 * QUEUE is pgq or pgmq.  Connects by the PG* variables; the queue "noop", and PgQ's
 * consumer "bench", are there.  PgQ hands out whole batches of events, those between
 * two ticks: it has no claim of a single job.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "clock.h"
#include "memory.h"

#define CHUNK 1000
#define MESSAGE_SIZE 128
#define PAUSE_MS 5
#define TICK_MS 100
#define PAD                                                                            \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"                                         \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

typedef struct sql_consumer
{
	PGconn *conn;
	int64_t until; /* 0: until stdin ends */
	int64_t step;
	FILE *stamps;
	int64_t handled;
	int64_t sum;
	int64_t ticked_ns;
} sql_consumer;

typedef struct sql_queue
{
	const char *name;
	const char *push_many; /* $1: messages, text[] */
	const char *push_one;  /* $1: message */
	const char *tick;      /* NULL: none */
	bool (*take)(sql_consumer *consumer);
} sql_queue;

/* ---------------------------------------------------------------- statements ----- */

static PGconn *
connect_server(void)
{
	PGconn *conn = PQconnectdb("");

	if (PQstatus(conn) != CONNECTION_OK)
	{
		fprintf(stderr, "sqlpeer: could not connect: %s", PQerrorMessage(conn));
		exit(1);
	}
	return conn;
}

/* A result that is good, or the end of the program. */
static PGresult *
execute(PGconn *conn, const char *sql, const char *parameter)
{
	int n = strstr(sql, "$1") != NULL;
	PGresult *result = PQexecParams(conn, sql, n, NULL, &parameter, NULL, NULL, 0);
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
	{
		fprintf(stderr, "sqlpeer: could not execute \"%s\": %s", sql,
		        PQresultErrorMessage(result));
		exit(1);
	}
	return result;
}

/* ---------------------------------------------------------------- consumer ------- */

/* The no-op handler: the number in {"n": 17, "pad": "…"}. */
static void
handle(sql_consumer *consumer, const char *message)
{
	long n = strtol(message + strlen("{\"n\": "), NULL, 10);

	if (consumer->stamps != NULL)
		fprintf(consumer->stamps, "%ld %" PRId64 "\n", n, now_ns());
	consumer->sum += n;
	consumer->handled++;
	if (consumer->step > 0 && consumer->handled % consumer->step == 0)
		printf("{\"handled\": %" PRId64 ", \"time_ns\": %" PRId64 "}\n",
		       consumer->handled, now_ns());
}

static void
handle_events(sql_consumer *consumer, const char *batch)
{
	const char *sql = "SELECT ev_data FROM pgq.get_batch_events($1)";
	PGresult *result;

	if (PQsendQueryParams(consumer->conn, sql, 1, NULL, &batch, NULL, NULL, 0) != 1 ||
	    PQsetSingleRowMode(consumer->conn) != 1)
		abort();
	while ((result = PQgetResult(consumer->conn)) != NULL)
	{
		if (PQresultStatus(result) == PGRES_SINGLE_TUPLE)
			handle(consumer, PQgetvalue(result, 0, 0));
		else if (PQresultStatus(result) != PGRES_TUPLES_OK)
		{
			fprintf(stderr, "sqlpeer: %s", PQresultErrorMessage(result));
			exit(1);
		}
		PQclear(result);
	}
}

static bool
take_pgq(sql_consumer *consumer)
{
	char batch[32];
	PGresult *result;
	bool found;

	if (now_ns() - consumer->ticked_ns > TICK_MS * NS_PER_S / 1000)
	{
		consumer->ticked_ns = now_ns();
		PQclear(execute(consumer->conn, "SELECT pgq.ticker('noop')", NULL));
	}
	result = execute(consumer->conn, "SELECT pgq.next_batch('noop', 'bench')", NULL);
	found = !PQgetisnull(result, 0, 0);
	snprintf(batch, sizeof batch, "%s", PQgetvalue(result, 0, 0));
	PQclear(result);
	if (found)
	{
		handle_events(consumer, batch);
		PQclear(execute(consumer->conn, "SELECT pgq.finish_batch($1)", batch));
	}
	return found;
}

static bool
take_pgmq(sql_consumer *consumer)
{
	char ids[CHUNK * 21 + 3];
	size_t length = 0;
	PGresult *result =
		execute(consumer->conn,
	            "SELECT msg_id, message FROM pgmq.read('noop', 30, 1000)", NULL);
	int n = PQntuples(result);

	for (int i = 0; i < n; i++)
	{
		handle(consumer, PQgetvalue(result, i, 1));
		length += (size_t) snprintf(ids + length, sizeof ids - length, "%c%s",
		                            i == 0 ? '{' : ',', PQgetvalue(result, i, 0));
	}
	PQclear(result);
	snprintf(ids + length, sizeof ids - length, "}");
	if (n > 0)
		PQclear(execute(consumer->conn,
		                "SELECT count(*) FROM pgmq.delete('noop', $1::bigint[])", ids));
	return n > 0;
}

/* When there was nothing: waits a little; false when stdin has ended. */
static bool
pause_consumer(void)
{
	struct pollfd input = {.fd = 0, .events = POLLIN};

	return poll(&input, 1, PAUSE_MS) == 0;
}

static int
consume(const sql_queue *queue, sql_consumer *consumer)
{
	int64_t start_ns = now_ns();
	bool going = true;

	consumer->conn = connect_server();
	while (going)
	{
		bool found = queue->take(consumer);

		if (consumer->until > 0)
			going = consumer->handled < consumer->until;
		else if (!found)
			going = pause_consumer();
	}
	PQfinish(consumer->conn);
	printf("{\"handled\": %" PRId64 ", \"sum\": %" PRId64
	       ", \"seconds\": %.6f, \"peak_kib\": %ld}\n",
	       consumer->handled, consumer->sum, seconds_since(start_ns), peak_kib());
	return consumer->stamps != NULL && fclose(consumer->stamps) != 0;
}

/* ---------------------------------------------------------------- pusher --------- */

static const sql_queue queues[] = {
	{"pgq",
     "SELECT count(pgq.insert_event('noop', 'noop', m)) FROM unnest($1::text[]) m",
     "SELECT pgq.insert_event('noop', 'noop', $1::text)", "SELECT pgq.ticker('noop')",
     take_pgq},
	{"pgmq",
     "SELECT count(*) FROM pgmq.send_batch('noop', ARRAY(SELECT m::jsonb"
     " FROM unnest($1::text[]) WITH ORDINALITY u (m, o) ORDER BY o))",
     "SELECT pgmq.send('noop', $1::text::jsonb)", NULL, take_pgmq},
};

static void
say_pushed(long jobs, int64_t start_ns)
{
	printf("{\"jobs\": %ld, \"seconds\": %.6f}\n", jobs, seconds_since(start_ns));
}

static void
push_jobs(const sql_queue *queue, PGconn *conn, long n, long first)
{
	static char messages[CHUNK * (MESSAGE_SIZE + 16)];
	int64_t start_ns = now_ns();

	for (long done = 0; done < n; done += CHUNK)
	{
		size_t length = 0;

		for (long i = done; i < n && i < done + CHUNK; i++)
			length += (size_t) snprintf(messages + length, sizeof messages - length,
			                            "%c\"{\\\"n\\\": %ld, \\\"pad\\\": \\\"" PAD
			                            "\\\"}\"",
			                            i == done ? '{' : ',', first + i);
		snprintf(messages + length, sizeof messages - length, "}");
		PQclear(execute(conn, queue->push_many, messages));
		if (queue->tick != NULL && (done / CHUNK) % 10 == 9)
			PQclear(execute(conn, queue->tick, NULL));
	}
	say_pushed(n, start_ns);
}

static void
push_one(const sql_queue *queue, PGconn *conn, long n)
{
	char message[MESSAGE_SIZE];

	snprintf(message, sizeof message, "{\"n\": %ld, \"pad\": \"" PAD "\"}", n);
	PQclear(execute(conn, queue->push_one, message));
}

static void
push_paced(const sql_queue *queue, PGconn *conn, long rate, long seconds,
           const char *path)
{
	FILE *stamps = fopen(path, "w");
	int64_t start_ns = now_ns();
	unsigned int seed = 1;

	for (long n = 0; stamps != NULL && n < rate * seconds; n++)
	{
		sleep_until(start_ns +
		            (n * 1000 + rand_r(&seed) % 1000) * NS_PER_S / rate / 1000);
		push_one(queue, conn, n);
		fprintf(stamps, "%ld %" PRId64 "\n", n, now_ns());
	}
	if (stamps == NULL || fclose(stamps) != 0)
	{
		fprintf(stderr, "sqlpeer: could not write \"%s\": %m\n", path);
		exit(1);
	}
	say_pushed(rate * seconds, start_ns);
}

static int
take_commands(const sql_queue *queue)
{
	PGconn *conn = connect_server();
	char line[1024], path[512];
	long a, b;

	while (fgets(line, sizeof line, stdin) != NULL)
		if (sscanf(line, "push %ld %ld", &a, &b) == 2)
			push_jobs(queue, conn, a, b);
		else if (sscanf(line, "pace %ld %ld %511s", &a, &b, path) == 3 && a > 0)
			push_paced(queue, conn, a, b, path);
		else
			return fprintf(stderr, "sqlpeer: unknown command: %s", line), 1;
	PQfinish(conn);
	return 0;
}

int
main(int argc, char **argv)
{
	const sql_queue *queue = NULL;
	sql_consumer consumer = {0};

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; argc > 2 && i < sizeof queues / sizeof queues[0]; i++)
		if (strcmp(queues[i].name, argv[1]) == 0)
			queue = &queues[i];
	if (queue != NULL && strcmp(argv[2], "push") == 0)
		return take_commands(queue);
	if (queue != NULL && strcmp(argv[2], "until") == 0 && argc == 4)
		consumer.until = strtoll(argv[3], NULL, 10);
	else if (queue != NULL)
		consumer.step = strtoll(argv[2], NULL, 10);
	if (consumer.until <= 0 && consumer.step <= 0)
		return fprintf(stderr, "usage: sqlpeer QUEUE push | until N | STEP FILE\n"), 2;
	if (consumer.step > 0 && argc == 4 && strcmp(argv[3], "-") != 0)
		consumer.stamps = fopen(argv[3], "w");
	return consume(queue, &consumer);
}
