/*
 * messages.c - what an exec handler's program says on descriptor 3
 *
 * Jansson checks each line and takes the small members apart; the text of a result is
 * cut out of the line by json_member.
 */
#include "handler/messages.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "handler/json_member.h"

/* Big integers are read as reals: they need only be valid here. */
#define DECODE_FLAGS (JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL)

static void
log_text(messages *m, pawl_level level, const char *text, const char *context)
{
	pawl_context_log(m->context, level, text, strlen(text), context);
}

/* ------------------------------------------------------------ members ------------ */

static void
take_result(messages *m, const char *line, size_t length)
{
	buffer_clear(&m->result);
	m->has_result = json_member(line, length, "result", &m->result);
	m->oversize = m->result.length > LIMIT_JSON ? m->result.length : 0;
}

static void
take_retry_after(messages *m, const json_t *value)
{
	double seconds = json_number_value(value);

	if (!json_is_number(value) || !(seconds >= 0))
		log_text(m, PAWL_WARN, "retry_after_s is not a number of seconds", NULL);
	else
		m->delay_ms =
			(int64_t) ((seconds < LIMIT_RETRY_S ? seconds : LIMIT_RETRY_S) * 1000);
}

/* Without strcasecmp, to which a Turkish I is no i. */
static bool
same_letters(const char *lower, const char *name)
{
	size_t i = 0;

	while (lower[i] != '\0' && (name[i] | 0x20) == lower[i])
		i++;
	return lower[i] == '\0' && name[i] == '\0';
}

/*
 * Also as other programs' loggers call them, in capitals or not.  Where a level is given
 * and is none of these, who looks for what went wrong had better see the line.
 */
static pawl_level
level_of(const json_t *value)
{
	static const struct
	{
		const char *name;
		pawl_level level;
	} levels[] = {
		{"debug", PAWL_DEBUG},  {"info", PAWL_INFO},   {"warn", PAWL_WARN},
		{"warning", PAWL_WARN}, {"error", PAWL_ERROR}, {"critical", PAWL_ERROR},
		{"fatal", PAWL_ERROR},
	};
	const char *name = json_string_value(value);

	if (value == NULL || json_is_null(value))
		return PAWL_INFO;
	for (size_t i = 0; name != NULL && i < sizeof(levels) / sizeof(levels[0]); i++)
	{
		if (same_letters(levels[i].name, name))
			return levels[i].level;
	}
	return PAWL_WARN;
}

/* The context of a log member, as it was written, however long; false: there is none. */
static bool
log_context(const char *line, size_t length, buffer *out)
{
	auto_buffer member = BUFFER_INIT;

	return json_member(line, length, "log", &member) && buffer_ok(&member) &&
	       json_member(member.data, member.length, "context", out) && buffer_ok(out);
}

static void
take_log(messages *m, const json_t *value, const char *line, size_t length)
{
	const json_t *message = json_object_get(value, "message");
	pawl_level level = level_of(json_object_get(value, "level"));
	auto_buffer context = BUFFER_INIT;
	bool has_context;

	if (!json_is_string(message))
	{
		log_text(m, PAWL_WARN, "log has no message", NULL);
		return;
	}
	has_context = log_context(line, length, &context);
	pawl_context_log(m->context, level, json_string_value(message),
	                 json_string_length(message), has_context ? context.data : NULL);
}

/*
 * {"detections": 17}: what is no whole number that a double holds exactly is told and left
 * out.
 */
static void
take_counts(messages *m, json_t *value)
{
	const char *name;
	json_t *number;

	if (!json_is_object(value))
		log_text(m, PAWL_WARN, "count is not an object of numbers", NULL);
	json_object_foreach(value, name, number)
	{
		double n = json_number_value(number);

		if (json_is_number(number) && fabs(n) <= LIMIT_COUNT && n == trunc(n))
			pawl_context_count(m->context, name, (int64_t) n);
		else
			log_text(m, PAWL_WARN, "a count is not a whole number", NULL);
	}
}

/* Progress and counts are kept where a person finds them, too: in the job's log. */
static void
log_member(messages *m, const char *line, size_t length, const char *name)
{
	auto_buffer context = BUFFER_INIT;

	buffer_appendf(&context, "{\"%s\":", name);
	(void) json_member(line, length, name, &context);
	buffer_append(&context, "}");
	if (buffer_ok(&context))
		log_text(m, PAWL_DEBUG, name, context.data);
}

/* ------------------------------------------------------------ several jobs ------- */

/* Of which job an object speaks.  False: of none that it was given, which is told. */
static bool
select_job(messages *m, const json_t *object, size_t *ret_i)
{
	const json_t *job = json_object_get(object, "job");
	double id = json_number_value(job); /* as all numbers are read here */

	*ret_i = 0;
	if (job == NULL)
		return true;
	for (size_t i = 0; i < m->n && json_is_number(job); i++)
	{
		if ((double) m->jobs[i]->id != id)
			continue;
		*ret_i = i;
		pawl_context_select(m->context, i);
		return true;
	}
	log_text(m, PAWL_WARN, "a message names a job that this program was not given",
	         NULL);
	return false;
}

/* The result of the selected job. */
static void
keep_result(messages *m, messages_said *said)
{
	*said = (messages_said){.verdict_set = true, .verdict = PAWL_FAIL};
	if (m->oversize > 0)
		pawl_context_error(m->context,
		                   "result of %zu bytes exceeds the limit of %d bytes",
		                   m->oversize, LIMIT_JSON);
	else if (!buffer_ok(&m->result))
		pawl_context_error(m->context, "out of memory while reading the result");
	else
	{
		pawl_context_result(m->context, m->result.data);
		said->verdict = PAWL_COMPLETE;
	}
	m->has_result = false;
	m->oversize = 0;
}

static void
take_error(messages *m, const json_t *object, messages_said *said)
{
	const char *text = json_string_value(json_object_get(object, "error"));
	bool final = json_is_true(json_object_get(object, "final"));

	pawl_context_error(m->context, "%s", text != NULL ? text : "failed");
	*said = (messages_said){.verdict_set = true,
	                        .verdict = final ? PAWL_FAIL_FINAL : PAWL_FAIL};
}

/* After what a line has for one job: the same for the job that it is about. */
static void
conclude_line(messages *m, const json_t *object, messages_said *said)
{
	if (m->has_result)
		keep_result(m, said);
	if (json_object_get(object, "error") != NULL)
		take_error(m, object, said);
	if (m->delay_ms >= 0)
		pawl_context_delay(m->context, m->delay_ms);
	m->delay_ms = -1;
	pawl_context_select(m->context, 0);
}

/* ------------------------------------------------------------ lines -------------- */

/* Whether the text begins {"result": and so was meant as a result; what follows. */
static const char *
result_begin(const char *line, const char *end)
{
	static const char *const parts[] = {"{", "\"result\"", ":"};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
	{
		size_t length = strlen(parts[i]);

		while (line < end && (*line == ' ' || *line == '\t'))
			line++;
		if ((size_t) (end - line) < length || memcmp(line, parts[i], length) != 0)
			return NULL;
		line += length;
	}
	return line;
}

static void
log_invalid(messages *m, const char *line, size_t length, const char *why)
{
	auto_buffer text = BUFFER_INIT;

	buffer_appendf(&text, "message is no JSON object (%s): ", why);
	buffer_append_bytes(&text, line, length);
	if (buffer_ok(&text))
		pawl_context_log(m->context, PAWL_WARN, text.data, text.length, NULL);
}

static void
take_invalid(messages *m, const char *line, size_t length, const char *why)
{
	log_invalid(m, line, length, why);
	if (m->said != NULL || result_begin(line, line + length) == NULL)
		return;
	buffer_clear(&m->result);
	text_quote_json(&m->result, line, length);
	m->has_result = true;
	m->oversize = m->result.length > LIMIT_JSON ? m->result.length : 0;
}

/* A line of which only a part was kept. */
static void
take_cut(messages *m, const char *line, size_t kept, size_t length)
{
	const char *value = result_begin(line, line + kept);
	auto_buffer text = BUFFER_INIT;

	if (m->said != NULL)
		m->cut = length;
	else if (value != NULL)
	{
		m->has_result = true;
		m->oversize = length - (size_t) (value - line) - 1;
		return;
	}
	buffer_appendf(&text, "message of %zu bytes exceeds the limit of %d bytes", length,
	               LIMIT_MESSAGE);
	if (buffer_ok(&text))
		pawl_context_log(m->context, PAWL_WARN, text.data, text.length, NULL);
}

static void
take_object(messages *m, const json_t *object, const char *line, size_t length)
{
	json_t *value;
	size_t i = 0;

	if (m->said != NULL && !select_job(m, object, &i))
		return;
	if (json_object_get(object, "result") != NULL)
		take_result(m, line, length);
	if ((value = json_object_get(object, "retry_after_s")) != NULL)
		take_retry_after(m, value);
	if ((value = json_object_get(object, "log")) != NULL)
		take_log(m, value, line, length);
	if (json_object_get(object, "progress") != NULL)
		log_member(m, line, length, "progress");
	if ((value = json_object_get(object, "count")) != NULL)
	{
		take_counts(m, value);
		log_member(m, line, length, "count");
	}
	if (m->said != NULL)
		conclude_line(m, object, &m->said[i]);
}

void
messages_line(const char *line, size_t kept, size_t length, void *closure)
{
	messages *m = closure;
	json_error_t error;
	json_t *object;

	if (kept < length)
	{
		take_cut(m, line, kept, length);
		return;
	}
	if (strspn(line, " \t\r") == length)
		return;
	object = json_loadb(line, length, DECODE_FLAGS, &error);
	if (json_is_object(object))
		take_object(m, object, line, length);
	else
		take_invalid(m, line, length, object == NULL ? error.text : "another value");
	json_decref(object);
}

void
messages_free(messages *m)
{
	buffer_free(&m->result);
}
