/*
 * input.h - what a command takes: job ids, JSON from an argument or a file, files of
 * lines
 */
#ifndef PAWL_CLI_INPUT_H
#define PAWL_CLI_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "pawl.h"

/*
 * The JSON of an argument: the text itself, "@FILE", or "-" for stdin.  At most
 * LIMIT_JSON bytes are read; the text is checked to be one JSON value.  what names it
 * in messages ("ARGS").  *ret_text is to be freed.  ERR_ARGUMENT tells line and column.
 */
PAWL_CHECK pawl_status input_json(const char *argument, const char *what,
                                  char **ret_text, pawl_error *error);

/*
 * Check that length bytes are one JSON value in UTF-8.  Numbers of any size pass: the
 * server keeps them exactly, and decides.
 */
PAWL_CHECK pawl_status input_check_json(const char *text, size_t length,
                                        const char *what, pawl_error *error);

/*
 * What jansson says of JSON that it refuses (its code and text), in words of ours where
 * its own are about its options.
 */
const char *input_json_words(int code, const char *text);

/*
 * A file of lines: its path, or "-" for stdin.  *ret_size is its size in bytes; 0: not
 * known.  A directory is no file.
 */
PAWL_CHECK pawl_status input_open(const char *path, int *ret_fd, int64_t *ret_size,
                                  pawl_error *error);

/* Closes what input_open has opened; stdin stays open. */
void input_close(int fd);

/* Ids from the command line; *ret_ids (n of them) is to be freed. */
PAWL_CHECK pawl_status input_ids(int n, char *const *texts, int64_t **ret_ids,
                                 pawl_error *error);

#endif
