/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See rows.h.
 */
#include "config.h"

#include "spool/rows.h"

const char *
relais_spool_type_name (guint8 type)
{
    static const char *const names[] = {"unknown", "message", "state", "done", "event"};

    return names[type < G_N_ELEMENTS (names) ? type : 0];
}

JsonBuilder *
relais_spool_row_begin (const char *key, const char *value)
{
    JsonBuilder *row = json_builder_new ();

    json_builder_begin_object (row);
    relais_spool_row_add (row, key, value);
    return row;
}

void
relais_spool_row_add_int (JsonBuilder *row, const char *key, guint64 value)
{
    json_builder_set_member_name (row, key);
    json_builder_add_int_value (row, (gint64)value);
}

void
relais_spool_row_add (JsonBuilder *row, const char *key, const char *value)
{
    g_autofree char *valid = value != NULL ? g_utf8_make_valid (value, -1) : NULL;

    json_builder_set_member_name (row, key);
    if (valid != NULL)
        json_builder_add_string_value (row, valid);
    else
        json_builder_add_null_value (row);
}

void
relais_spool_row_end (JsonBuilder *row, RelaisSpoolRow func, gpointer data)
{
    g_autoptr (JsonNode) root = NULL;
    g_autofree char *text = NULL;

    json_builder_end_object (row);
    root = json_builder_get_root (row);
    text = json_to_string (root, FALSE);
    func (data, text);
    g_object_unref (row);
}
