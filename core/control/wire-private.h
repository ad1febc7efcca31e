/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The lines between relaisctl and the daemon, one JSON object each. Pure; any thread.
 *
 * To the daemon: {"word":W,"verb":V,"args":[...],"options":{...}}, then for each file any number of
 * {"file":NAME,"data":BASE64}, then {"run":true}; behind that, for a command whose file comes in
 * pieces, any number of {"data":BASE64} and {"done":true}. To relaisctl: {"row":{...},"times":[columns]},
 * {"note":T}, {"raw":T}, {"progress":[done,total]}, and last {"end":STATUS,"error":T or null}.
 */
#pragma once

#include <json-glib/json-glib.h>
#include <stdbool.h>

enum {
    RELAIS_WIRE_LINE_BYTES = 64 * 1024,        /* to the daemon, LF included */
    RELAIS_WIRE_REPLY_BYTES = 1024 * 1024,     /* to relaisctl */
    RELAIS_WIRE_FILE_BYTES = 16 * 1024 * 1024, /* all files of a call together */
    RELAIS_WIRE_CHUNK_BYTES = 45000,           /* of a file in one line: 60000 in base64 */
    RELAIS_WIRE_DEPTH = 16
};

/* Appends `text` quoted and escaped; octets that are not UTF-8 become U+FFFD. */
void relais_wire_append_string (GString *out, const char *text);
/* The object in `size` octets without LF, or NULL if they are anything else. */
JsonObject *relais_wire_parse (const char *bytes, gsize size);
/* A member of that type, or NULL / the default if there is none or another type stands there. */
const char *relais_wire_get_string (JsonObject *object, const char *name);
JsonArray *relais_wire_get_array (JsonObject *object, const char *name);
JsonObject *relais_wire_get_object (JsonObject *object, const char *name);
gint64 relais_wire_get_int (JsonObject *object, const char *name, gint64 missing);
