/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The rows that the offline commands yield: one JSON object each. Any thread.
 */
#pragma once

#include "spool/spool-private.h"

#include <json-glib/json-glib.h>

/* What a record's type is called; "unknown" if none has it. */
const char *relais_spool_type_name (guint8 type);
/* Begins one with its first member. */
JsonBuilder *relais_spool_row_begin (const char *key, const char *value);
void relais_spool_row_add_int (JsonBuilder *row, const char *key, guint64 value);
/* NULL is told as null. */
void relais_spool_row_add (JsonBuilder *row, const char *key, const char *value);
/* Hands it over, and frees it. */
void relais_spool_row_end (JsonBuilder *row, RelaisSpoolRow func, gpointer data);
