/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What milters asked to be changed in a header is done on the way out: fields are added, changed and
 * removed in rewrite, and put above the message in seal, where a signature stays valid however long they
 * are. Worker.
 */
#include "milter.h"

#include <relais/edit.h>

#include <string.h>

static const guint8 *
edits_of (RelaisHook *hook, gsize *size)
{
    GBytes *bytes =
        relais_message_get_attribute (relais_hook_get_message (hook), "milter." MILTER_ATTRIBUTE);

    *size = 0;
    return bytes != NULL ? g_bytes_get_data (bytes, size) : NULL;
}

/* LF, with or without CR, becomes CRLF; blanks in front go. Owned. */
static char *
to_value (const char *value)
{
    GString *out = g_string_new (NULL);

    for (value += strspn (value, " \t"); *value != '\0'; value++)
        if (*value == '\n')
            g_string_append (out, "\r\n");
        else if (*value != '\r')
            g_string_append_c (out, *value);
    return g_string_free (out, FALSE);
}

static bool
apply (RelaisHook *hook, const MilterEdit *edit, const guint8 *header, gsize size)
{
    g_autofree char *value = to_value (edit->value);
    gint64 n;

    if (edit->kind == MILTER_EDIT_ADD)
        return relais_hook_add_header (hook, edit->name, value);
    if ((n = milter_edits_find_field (header, size, edit)) < 0)
        return *value == '\0'; /* whoever removed it, it is gone */
    return *value == '\0' ? relais_hook_remove_header (hook, edit->name, (guint32)n)
                          : relais_hook_replace_header (hook, edit->name, (guint32)n, value);
}

/* Of several changes of one field the last counts: a field can be changed once. */
static bool
is_changed_later (const MilterEdit *edit, const guint8 *bytes, gsize size, gsize at)
{
    MilterEdit later;

    while (edit->kind == MILTER_EDIT_CHANGE && milter_edits_next (bytes, size, &at, &later))
        if (later.kind == MILTER_EDIT_CHANGE && later.below == edit->below &&
            g_str_equal (later.was, edit->was) && g_ascii_strcasecmp (later.name, edit->name) == 0)
            return true;
    return false;
}

RelaisVerdict
milter_rewrite (RelaisHook *hook, gpointer data)
{
    Milter *self = data;
    g_autoptr (GError) error = NULL;
    const guint8 *header;
    guint64 header_size;
    MilterEdit edit;
    gsize size, at = 0;
    const guint8 *bytes = edits_of (hook, &size);

    if (bytes == NULL)
        return RELAIS_VERDICT_CONTINUE;
    header = relais_hook_get_header (hook, &header_size, &error);
    if (header == NULL) {
        relais_log (self->module, RELAIS_LOG_WARNING, "header cannot be read: %s", error->message);
        return RELAIS_VERDICT_DEFER;
    }
    while (milter_edits_next (bytes, size, &at, &edit))
        if (edit.kind != MILTER_EDIT_INSERT && !is_changed_later (&edit, bytes, size, at) &&
            !apply (hook, &edit, header, (gsize)header_size))
            relais_log (self->module, RELAIS_LOG_WARNING,
                        "a milter's change of header %s is not made: it must stay as it is",
                        edit.name);
    return RELAIS_VERDICT_CONTINUE;
}

RelaisVerdict
milter_seal (RelaisHook *hook, gpointer data)
{
    Milter *self = data;
    MilterEdit edit;
    gsize size, at = 0;
    const guint8 *bytes = edits_of (hook, &size);

    while (bytes != NULL && milter_edits_next (bytes, size, &at, &edit)) {
        g_autofree char *value = to_value (edit.value);
        g_autofree char *line = g_strdup_printf ("%s: %s\r\n", edit.name, value);

        if (edit.kind == MILTER_EDIT_INSERT &&
            !relais_hook_prepend_header (hook, line, strlen (line)))
            relais_log (self->module, RELAIS_LOG_WARNING, "a milter's header %s is not well-formed",
                        edit.name);
    }
    return RELAIS_VERDICT_CONTINUE;
}
