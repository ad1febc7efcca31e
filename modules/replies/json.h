/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * JSON of strangers: an object at the head of a text, read by JSON-GLib once it is known that it is not deeper than that
 * library, which calls itself for each level, has stack for. Pure, linear; any thread.
 */
#pragma once

#include <json-glib/json-glib.h>
#include <stdbool.h>

enum { REPLIES_JSON_DEPTH = 16 };

/* The object that valid UTF-8 begins with, and (nullable) whether nothing follows it. Line ends are passed over: mail
 * breaks long lines anywhere. NULL if there is none that is whole, well-formed and not too deep. */
JsonNode *replies_json_read (const char *text, bool *is_all);

/* Members of an object (nullable); NULL where there is none of that name and type. Borrowed. */
const char *replies_json_string (JsonObject *object, const char *name);
gint64 replies_json_int (JsonObject *object, const char *name); /* 0: none */
JsonObject *replies_json_object (JsonObject *object, const char *name);
JsonArray *replies_json_array (JsonObject *object, const char *name);
