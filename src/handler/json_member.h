/*
 * json_member.h - the text of one member of a JSON object
 *
 * A result is handed on as it was written, not parsed and printed again: numbers keep
 * their digits.
 */
#ifndef PAWL_HANDLER_JSON_MEMBER_H
#define PAWL_HANDLER_JSON_MEMBER_H

#include "base/buffer.h"

/*
 * Append the text of the last member of this name of the object in json, which is
 * valid JSON already (asserted); name holds no character that JSON escapes.  What
 * jsonb cannot hold, \u0000, is replaced by its six characters as text.  False: there
 * is no such member.
 */
bool json_member(const char *json, size_t length, const char *name, buffer *out);

#endif
