/*
 * csv.c - see csv.h; main thread alone
 *
 * libcsv does the quoting.  It is fed up to one end of a line at a time, so that it
 * completes at most one row a call, and we know the line of each.
 */
#include "cli/csv.h"

#include <csv.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/text.h"

#define READ_BYTES 65536
#define GROWTH 65536 /* of libcsv's buffer; its own 128 bytes are quadratic */
#define BYTE_ORDER_MARK "\xEF\xBB\xBF"
#define NO_TEXT SIZE_MAX /* the offset of a field that is NULL */

/* The fields of the row that is being read. */
typedef struct fields
{
	buffer text;     /* each with its NUL */
	size_t *offsets; /* into text, or NO_TEXT */
	const char **pointers;
	size_t count;
	size_t capacity;
	bool complete; /* the row's end was seen */
	bool broken;   /* memory has run out */
	bool not_utf8;
} fields;

struct csv_reader
{
	struct csv_parser parser;
	fields fields;
	int fd;
	char *block;
	size_t used;     /* of block, up to here it was fed */
	size_t filled;   /* of block */
	size_t row_read; /* bytes of the row so far; 0: none has begun */
	int64_t bytes;   /* of the file so far */
	int64_t line;    /* that is fed next */
	int64_t row_line;
	char last; /* what was fed last */
	bool ended;
};

/* ------------------------------------------------------------ libcsv's calls ------ */

/* Blanks are a part of the field. */
static int
no_space(unsigned char c)
{
	(void) c;
	return 0;
}

static bool
make_room(fields *f)
{
	size_t capacity = f->capacity > 0 ? f->capacity * 2 : 16;
	size_t *offsets;

	if (f->count < f->capacity)
		return true;
	offsets = realloc(f->offsets, capacity * sizeof(*offsets));
	if (offsets == NULL)
		return false;
	f->offsets = offsets;
	f->capacity = capacity;
	free(f->pointers);
	f->pointers = calloc(capacity, sizeof(*f->pointers));
	return f->pointers != NULL;
}

static void
take_field(void *text, size_t length, void *closure)
{
	fields *f = closure;

	if (f->broken || !make_room(f))
	{
		f->broken = true;
		return;
	}
	if (text == NULL)
	{
		f->offsets[f->count++] = NO_TEXT;
		return;
	}
	if (text_valid_utf8(text, length) != length)
		f->not_utf8 = true;
	f->offsets[f->count++] = f->text.length;
	buffer_append_bytes(&f->text, text, length);
	buffer_append_char(&f->text, '\0');
}

static void
end_row(int terminator, void *closure)
{
	fields *f = closure;

	(void) terminator;
	f->complete = true;
}

static void
begin_row(fields *f)
{
	buffer_clear(&f->text);
	f->count = 0;
	f->complete = false;
	f->not_utf8 = false;
}

static void
fields_free(fields *f)
{
	buffer_free(&f->text);
	free(f->offsets);
	free(f->pointers);
}

static bool
begin_parser(struct csv_parser *parser)
{
	if (csv_init(parser, CSV_STRICT | CSV_STRICT_FINI | CSV_EMPTY_IS_NULL) != 0)
		return false;
	csv_set_space_func(parser, no_space);
	csv_set_blk_size(parser, GROWTH);
	return true;
}

/* Where the fields are, once the row is complete and the text moves no more. */
static pawl_status
point(fields *f, pawl_error *error)
{
	if (f->broken || !buffer_ok(&f->text))
		return error_memory(error);
	for (size_t i = 0; i < f->count; i++)
		f->pointers[i] = f->offsets[i] != NO_TEXT ? f->text.data + f->offsets[i] : NULL;
	return PAWL_OK;
}

/* ------------------------------------------------------------ reading ------------ */

csv_reader *
csv_new(int fd)
{
	csv_reader *reader = calloc(1, sizeof(*reader));

	if (reader == NULL || !begin_parser(&reader->parser))
	{
		free(reader);
		return NULL;
	}
	reader->block = malloc(READ_BYTES);
	reader->fd = fd;
	reader->line = 1;
	if (reader->block == NULL)
	{
		csv_reader_free(reader);
		return NULL;
	}
	return reader;
}

void
csv_reader_free(csv_reader *reader)
{
	if (reader == NULL)
		return;
	csv_free(&reader->parser);
	fields_free(&reader->fields);
	free(reader->block);
	free(reader);
}

int64_t
csv_bytes(const csv_reader *reader)
{
	return reader->bytes;
}

/* Read on; at the end of the file filled stays 0. */
static pawl_status
fill(csv_reader *reader, pawl_error *error)
{
	bool at_begin = reader->bytes == 0;
	size_t wanted = at_begin ? strlen(BYTE_ORDER_MARK) : 1;

	reader->used = 0;
	reader->filled = 0;
	while (reader->filled < wanted)
	{
		ssize_t n = read(reader->fd, reader->block + reader->filled,
		                 READ_BYTES - reader->filled);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(error, PAWL_ERR_SYSTEM, "could not read it: %s",
			                 strerror(errno));
		if (n == 0)
			break;
		reader->filled += (size_t) n;
	}
	reader->bytes += (int64_t) reader->filled;
	if (at_begin && reader->filled >= wanted &&
	    memcmp(reader->block, BYTE_ORDER_MARK, wanted) == 0)
		reader->used = wanted;
	return PAWL_OK;
}

static pawl_status
refuse(csv_reader *reader, int64_t line, const char *what, pawl_error *error)
{
	reader->row_line = line;
	return error_set(error, PAWL_ERR_ARGUMENT, "%s", what);
}

static bool
is_end_of_line(char c)
{
	return c == '\n' || c == '\r';
}

/* Feed what is in the block up to the end of a line, or all of it. */
static pawl_status
feed(csv_reader *reader, pawl_error *error)
{
	const char *piece = reader->block + reader->used;
	size_t left = reader->filled - reader->used;
	size_t n = 0;
	int64_t line = reader->line;

	while (n < left && !is_end_of_line(piece[n]))
		n++;
	if (n < left)
		n++; /* the end of the line too */
	if (reader->row_read == 0)
		reader->row_line = line;
	if (reader->row_read > 0 || !is_end_of_line(piece[0]))
		reader->row_read += n;
	if (csv_parse(&reader->parser, piece, n, take_field, end_row, &reader->fields) != n)
	{
		if (csv_error(&reader->parser) != CSV_EPARSE)
			return error_memory(error);
		return refuse(reader, line,
		              "a quote is followed by text, or stands in a field that does not "
		              "begin with one",
		              error);
	}
	if (piece[n - 1] == '\r' ||
	    (piece[n - 1] == '\n' && (n > 1 || reader->last != '\r')))
		reader->line++;
	reader->last = piece[n - 1];
	reader->used += n;
	if (reader->row_read > LIMIT_CSV_ROW)
		return refuse(reader, reader->row_line,
		              "the row is longer than the limit of 16 MiB; is a quote open?",
		              error);
	return PAWL_OK;
}

/* The last row may have no end of a line. */
static pawl_status
end(csv_reader *reader, pawl_error *error)
{
	reader->ended = true;
	if (csv_fini(&reader->parser, take_field, end_row, &reader->fields) == 0)
		return PAWL_OK;
	return refuse(reader, reader->row_line, "a quoted field is not ended", error);
}

/* The row that is complete. */
static pawl_status
publish(csv_reader *reader, csv_row *ret_row, pawl_error *error)
{
	fields *f = &reader->fields;
	pawl_status status = point(f, error);

	if (status == PAWL_OK && f->not_utf8)
		status = refuse(reader, reader->row_line,
		                "it is not UTF-8 text, or has a NUL byte", error);
	*ret_row = (csv_row){.fields = f->pointers,
	                     .count = f->count,
	                     .bytes = f->text.length,
	                     .line = reader->row_line};
	f->complete = false;
	reader->row_read = 0;
	return status;
}

pawl_status
csv_next(csv_reader *reader, csv_row *ret_row, bool *ret_end, pawl_error *error)
{
	pawl_status status = PAWL_OK;

	*ret_end = false;
	begin_row(&reader->fields);
	while (status == PAWL_OK && !reader->fields.complete)
	{
		if (reader->ended)
		{
			*ret_end = true;
			return PAWL_OK;
		}
		if (reader->used == reader->filled)
			status = fill(reader, error);
		if (status == PAWL_OK)
			status = reader->used < reader->filled ? feed(reader, error)
			                                       : end(reader, error);
	}
	if (status == PAWL_OK)
		return publish(reader, ret_row, error);
	ret_row->line = reader->row_line;
	return status;
}

/* ------------------------------------------------------------ lists -------------- */

static pawl_status
copy_words(const fields *f, char ***ret_words, size_t *ret_count, pawl_error *error)
{
	char **words = calloc(f->count + 1, sizeof(*words));
	bool good = words != NULL;

	for (size_t i = 0; good && i < f->count; i++)
	{
		words[i] = strdup(f->pointers[i] != NULL ? f->pointers[i] : "");
		good = words[i] != NULL;
	}
	if (!good)
	{
		csv_words_free(words);
		return error_memory(error);
	}
	*ret_words = words;
	*ret_count = f->count;
	return PAWL_OK;
}

pawl_status
csv_split(const char *text, char ***ret_words, size_t *ret_count, pawl_error *error)
{
	struct csv_parser parser;
	fields f = {0};
	pawl_status status;

	if (!begin_parser(&parser))
		return error_memory(error);
	if (strpbrk(text, "\r\n") != NULL ||
	    csv_parse(&parser, text, strlen(text), take_field, end_row, &f) !=
	        strlen(text) ||
	    csv_fini(&parser, take_field, end_row, &f) != 0)
		status = error_set(error, PAWL_ERR_ARGUMENT,
		                   "\"%s\" is not a list of names with commas between", text);
	else
		status = point(&f, error);
	if (status == PAWL_OK)
		status = copy_words(&f, ret_words, ret_count, error);
	csv_free(&parser);
	fields_free(&f);
	return status;
}

void
csv_words_free(char **words)
{
	for (size_t i = 0; words != NULL && words[i] != NULL; i++)
		free(words[i]);
	free(words);
}
