/*
 * push_spec.c - see push_spec.h; runs on the thread of its caller
 */
#include "queue/push_spec.h"

#include <assert.h>
#include <string.h>

/* ------------------------------------------------------------ defaults ----------- */

static const char *
spec_args(const pawl_job_spec *spec)
{
	return spec->args != NULL ? spec->args : "{}";
}

static const char *
spec_queue(const pawl_job_spec *spec)
{
	return spec->queue != NULL ? spec->queue : "default";
}

static int
spec_priority(const pawl_job_spec *spec)
{
	return spec->priority < 0 ? 5 : spec->priority;
}

static const char *
spec_until(const pawl_job_spec *spec)
{
	return spec->unique_until == PAWL_UNTIL_START ? "start" : "end";
}

size_t
push_spec_bytes(const pawl_job_spec *spec)
{
	return strlen(spec_args(spec)) + (spec->meta != NULL ? strlen(spec->meta) : 0);
}

/* ------------------------------------------------------------ one form ----------- */

/* Parameters $3 to $8 of push and of the array form of push_many. */
#define SQL_SETTINGS                                                                   \
	"queue => $3::text, priority => $4::int,"                                          \
	" run_at => to_timestamp(0) + $5::bigint * interval '1 microsecond',"              \
	" max_attempts => $6::int, timeout => make_interval(secs => $7::float8 / 1000),"   \
	" meta => $8::jsonb"

#define SQL_ONE "SELECT pawl.push(kind => $1::text, args => $2::jsonb, " SQL_SETTINGS

static const char sql_one[] = SQL_ONE ")";
static const char sql_one_group[] =
	SQL_ONE ", group_key => $9::text, run_key => $10::bigint)";

#define SQL_UNIFORM                                                                    \
	"SELECT job, created FROM pawl.push_many(kind => $1::text,"                        \
	" args => $2::jsonb[], " SQL_SETTINGS ","                                          \
	" unique_keys => $9::text[], unique_until => $10::text"

#define SQL_BATCH                                                                      \
	", batch => $11::bigint, stage => $12::text, parent => $13::bigint,"               \
	" parent_fence => $14::bigint"
#define SQL_GROUP(keys, runs)                                                          \
	", group_keys => " keys "::text[], run_keys => " runs "::bigint[]"
#define SQL_END ") ORDER BY ordinal"

/* Those without a batch, or a group, pay nothing for the others. */
static const char *const sql_uniform[2][2] = {
	{SQL_UNIFORM SQL_END, SQL_UNIFORM SQL_GROUP("$11", "$12") SQL_END},
	{SQL_UNIFORM SQL_BATCH SQL_END,
     SQL_UNIFORM SQL_BATCH SQL_GROUP("$15", "$16") SQL_END},
};

/* An integer, or SQL NULL for the value that means the default. */
static void
param_unless(db_params *params, int64_t value, int64_t absent)
{
	if (value == absent)
		db_param_null(params);
	else
		db_param_int(params, value);
}

static void
param_settings(db_params *params, const pawl_job_spec *spec)
{
	db_param_text(params, spec_queue(spec));
	db_param_int(params, spec_priority(spec));
	param_unless(params, spec->run_at_us, 0);
	param_unless(params, spec->max_attempts, 0);
	param_unless(params, spec->timeout_ms, -1);
	db_param_text(params, spec->meta);
}

const char *
push_param_one(db_params *params, const pawl_job_spec *spec)
{
	assert(spec->unique_key == NULL); /* its answer would not say who has the key */
	db_param_text(params, spec->kind);
	db_param_text(params, spec_args(spec));
	param_settings(params, spec);
	if (spec->group_key == NULL)
		return sql_one;
	db_param_text(params, spec->group_key);
	param_unless(params, spec->run_key, 0);
	return sql_one_group;
}

/* ------------------------------------------------------------ uniform form ------- */

static bool
same_text(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

/* Do the two differ in args and keys alone, how long the unique one is kept left aside? */
static bool
same_settings(const pawl_job_spec *a, const pawl_job_spec *b)
{
	return same_text(a->kind, b->kind) && same_text(spec_queue(a), spec_queue(b)) &&
	       spec_priority(a) == spec_priority(b) && a->run_at_us == b->run_at_us &&
	       a->max_attempts == b->max_attempts && a->timeout_ms == b->timeout_ms &&
	       same_text(a->meta, b->meta) && a->batch == b->batch &&
	       same_text(a->stage, b->stage) && a->parent == b->parent;
}

/* The first that has a key, whose until is that of all; NULL: none has. */
static const pawl_job_spec *
first_keyed(const pawl_job_spec *const *specs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (specs[i]->unique_key != NULL)
			return specs[i];
	return NULL;
}

bool
push_uniform(const pawl_job_spec *const *specs, size_t n)
{
	const pawl_job_spec *keyed = first_keyed(specs, n);

	for (size_t i = 0; i < n; i++)
	{
		if (!same_settings(specs[0], specs[i]))
			return false;
		if (specs[i]->unique_key != NULL &&
		    specs[i]->unique_until != keyed->unique_until)
			return false;
	}
	return true;
}

static void
param_keys(db_params *params, const pawl_job_spec *const *specs, size_t n)
{
	const pawl_job_spec *keyed = first_keyed(specs, n);

	if (keyed == NULL)
	{
		db_param_null(params);
		db_param_text(params, "end");
		return;
	}
	db_param_array_begin(params);
	for (size_t i = 0; i < n; i++)
		db_param_array_text(params, specs[i]->unique_key);
	db_param_array_end(params);
	db_param_text(params, spec_until(keyed));
}

static void
param_batch(db_params *params, const pawl_job_spec *spec)
{
	db_param_int(params, spec->batch);
	db_param_text(params, spec->stage);
	param_unless(params, spec->parent != NULL ? spec->parent->id : 0, 0);
	param_unless(params, spec->parent != NULL ? spec->parent->fence : 0, 0);
}

static bool
any_grouped(const pawl_job_spec *const *specs, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		if (specs[i]->group_key != NULL)
			return true;
	}
	return false;
}

static void
array_unless(db_params *params, int64_t value, int64_t absent)
{
	if (value == absent)
		db_param_array_text(params, NULL);
	else
		db_param_array_int(params, value);
}

static void
param_groups(db_params *params, const pawl_job_spec *const *specs, size_t n)
{
	db_param_array_begin(params);
	for (size_t i = 0; i < n; i++)
		db_param_array_text(params, specs[i]->group_key);
	db_param_array_end(params);
	db_param_array_begin(params);
	for (size_t i = 0; i < n; i++)
		array_unless(params, specs[i]->run_key, 0);
	db_param_array_end(params);
}

const char *
push_param_uniform(db_params *params, const pawl_job_spec *const *specs, size_t n)
{
	bool batched = specs[0]->batch != 0;
	bool grouped = any_grouped(specs, n);

	db_param_text(params, specs[0]->kind);
	db_param_array_begin(params);
	for (size_t i = 0; i < n; i++)
		db_param_array_text(params, spec_args(specs[i]));
	db_param_array_end(params);
	param_settings(params, specs[0]);
	param_keys(params, specs, n);
	if (batched)
		param_batch(params, specs[0]);
	if (grouped)
		param_groups(params, specs, n);
	return sql_uniform[batched][grouped];
}

/* ------------------------------------------------------------ mixed form --------- */

const char PUSH_SQL_MIXED[] =
	"SELECT job, created FROM pawl.push_many((SELECT jsonb_agg(jsonb_strip_nulls("
	"jsonb_build_object('kind', k, 'queue', q, 'priority', p,"
	" 'run_at', to_timestamp(0) + r * interval '1 microsecond',"
	" 'max_attempts', m, 'timeout', make_interval(secs => t::float8 / 1000),"
	" 'unique_key', uk, 'unique_until', uu, 'batch', b, 'stage', s,"
	" 'parent', pj, 'parent_fence', pf, 'group_key', gk, 'run_key', rk))"
	" || jsonb_build_object('args', a, 'meta', x) ORDER BY o)"
	" FROM unnest($1::text[], $2::jsonb[], $3::text[], $4::int[], $5::bigint[],"
	" $6::int[], $7::bigint[], $8::jsonb[], $9::text[], $10::text[], $11::bigint[],"
	" $12::text[], $13::bigint[], $14::bigint[], $15::text[], $16::bigint[])"
	" WITH ORDINALITY AS u(k, a, q, p, r, m, t, x, uk, uu, b, s, pj, pf, gk, rk, o)))"
	" ORDER BY ordinal";

/* The columns of the mixed form: what each appends of a spec. */

static void
put_kind(db_params *params, const pawl_job_spec *spec)
{
	db_param_array_text(params, spec->kind);
}

static void
put_args(db_params *params, const pawl_job_spec *spec)
{
	db_param_array_text(params, spec_args(spec));
}

static void
put_queue(db_params *params, const pawl_job_spec *spec)
{
	db_param_array_text(params, spec_queue(spec));
}

static void
put_priority(db_params *params, const pawl_job_spec *spec)
{
	db_param_array_int(params, spec_priority(spec));
}

static void
put_run_at(db_params *params, const pawl_job_spec *spec)
{
	array_unless(params, spec->run_at_us, 0);
}

static void
put_max_attempts(db_params *params, const pawl_job_spec *spec)
{
	array_unless(params, spec->max_attempts, 0);
}

static void
put_timeout(db_params *params, const pawl_job_spec *spec)
{
	array_unless(params, spec->timeout_ms, -1);
}

static void
put_meta(db_params *params, const pawl_job_spec *spec)
{
	db_param_array_text(params, spec->meta);
}

static void
put_unique_key(db_params *params, const pawl_job_spec *spec)
{
	db_param_array_text(params, spec->unique_key);
}

static void
put_unique_until(db_params *params, const pawl_job_spec *spec)
{
	db_param_array_text(params, spec->unique_key != NULL ? spec_until(spec) : NULL);
}

static void
put_batch(db_params *params, const pawl_job_spec *spec)
{
	array_unless(params, spec->batch, 0);
}

static void
put_stage(db_params *params, const pawl_job_spec *spec)
{
	db_param_array_text(params, spec->stage);
}

static void
put_parent(db_params *params, const pawl_job_spec *spec)
{
	array_unless(params, spec->parent != NULL ? spec->parent->id : 0, 0);
}

static void
put_parent_fence(db_params *params, const pawl_job_spec *spec)
{
	array_unless(params, spec->parent != NULL ? spec->parent->fence : 0, 0);
}

static void
put_group_key(db_params *params, const pawl_job_spec *spec)
{
	db_param_array_text(params, spec->group_key);
}

static void
put_run_key(db_params *params, const pawl_job_spec *spec)
{
	array_unless(params, spec->run_key, 0);
}

/* In the order of the parameters $1, $2, ... */
static void (*const PUT_COLUMN[])(db_params *params, const pawl_job_spec *spec) = {
	put_kind,       put_args,         put_queue,     put_priority,
	put_run_at,     put_max_attempts, put_timeout,   put_meta,
	put_unique_key, put_unique_until, put_batch,     put_stage,
	put_parent,     put_parent_fence, put_group_key, put_run_key,
};
static_assert(sizeof(PUT_COLUMN) / sizeof(PUT_COLUMN[0]) == 16,
              "a column for each parameter of the mixed form");

void
push_param_mixed(db_params *params, const pawl_job_spec *const *specs, size_t n)
{
	for (size_t column = 0; column < sizeof(PUT_COLUMN) / sizeof(PUT_COLUMN[0]);
	     column++)
	{
		db_param_array_begin(params);
		for (size_t i = 0; i < n; i++)
			PUT_COLUMN[column](params, specs[i]);
		db_param_array_end(params);
	}
}
