/*
 * argv.h - a command line without a shell
 *
 * Words are separated by blanks and newlines.  In '...' every character stands for
 * itself; in "..." a backslash takes away the meaning of a following " or \; outside
 * of quotes a backslash takes away that of any character.  Quoted and bare parts next
 * to each other are one word; '' is an empty one.  Nothing is expanded: $, *, ~, |
 * and > are characters like others.
 */
#ifndef PAWL_HANDLER_ARGV_H
#define PAWL_HANDLER_ARGV_H

#include "handler/strings.h"

/* Arguments of one command: more would be data, which belongs into the payload. */
#define LIMIT_ARGUMENTS 1024

/*
 * Append the words of command.  ERR_ARGUMENT: no word at all, an open quote, a
 * backslash at the end, too many words; argv may hold some then.
 */
PAWL_CHECK pawl_status argv_split(const char *command, strings *argv,
                                  pawl_error *error);

#endif
