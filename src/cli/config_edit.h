/*
 * config_edit.h - what config.c offers to config_file.c, and to nobody else
 */
#ifndef PAWL_CLI_CONFIG_EDIT_H
#define PAWL_CLI_CONFIG_EDIT_H

#include "cli/config.h"

/* Split "a, b" into names; what calls them in messages; replaces *ret_list. */
PAWL_CHECK pawl_status config_split(const char *text, const char *what, size_t limit,
                                    name_list *ret_list, pawl_error *error);

/* NULL: there is none for this kind. */
handler_config *config_find_handler(const worker_config *config, const char *kind);

/* A new handler for a kind that has none. */
PAWL_CHECK pawl_status config_new_handler(worker_config *config, const char *kind,
                                          size_t length, handler_config **ret_handler,
                                          pawl_error *error);

#endif
