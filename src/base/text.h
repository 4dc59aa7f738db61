/*
 * text.h - text from outside: UTF-8, JSON strings, cutting with a mark
 */
#ifndef PAWL_BASE_TEXT_H
#define PAWL_BASE_TEXT_H

#include "base/buffer.h"

/* Bytes of the longest valid prefix (no NUL, no overlong form, no surrogate). */
size_t text_valid_utf8(const char *bytes, size_t length);

/*
 * Append any bytes as text that PostgreSQL stores: NUL, invalid UTF-8 and control
 * characters other than tab and newline become \xNN.  The output is cut at limit
 * bytes, at a character, and ends in a mark that tells how many input bytes were left
 * out, e.g. "... [1234 bytes cut]"; the mark counts within limit.
 */
void text_escape(buffer *out, const char *bytes, size_t length, size_t limit);

/* Append bytes as a JSON string with its quotes; what is not UTF-8 becomes \xNN text. */
void text_quote_json(buffer *out, const char *bytes, size_t length);

#endif
