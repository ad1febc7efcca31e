/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Changes of a header, written and read (header-edits.h). Pure; any thread.
 */
#include "header-edits.h"

#include <relais/hook.h>

#include <string.h>

bool
milter_edits_put (GByteArray *edits, const MilterEdit *edit)
{
    const guint8 kind = (guint8)edit->kind;
    const guint32 below = GUINT32_TO_BE (edit->below);
    const char *const texts[] = {edit->name, edit->was != NULL ? edit->was : "", edit->value};
    gsize size = 1 + sizeof below;

    for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
        size += strlen (texts[i]) + 1;
    if (size > MILTER_EDITS_BYTES - MIN (edits->len, (guint)MILTER_EDITS_BYTES))
        return false;
    g_byte_array_append (edits, &kind, 1);
    g_byte_array_append (edits, (const guint8 *)&below, sizeof below);
    for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
        g_byte_array_append (edits, (const guint8 *)texts[i], (guint)strlen (texts[i]) + 1);
    return true;
}

bool
milter_edits_next (const guint8 *bytes, gsize size, gsize *at, MilterEdit *edit)
{
    const char *texts[3];
    gsize next = *at;
    guint32 below;

    if (next > size || size - next < 1 + sizeof below || strchr ("him", bytes[next]) == NULL ||
        bytes[next] == 0)
        return false;
    memcpy (&below, bytes + next + 1, sizeof below);
    *edit = (MilterEdit){.kind = (MilterEditKind)bytes[next], .below = GUINT32_FROM_BE (below)};
    next += 1 + sizeof below;
    for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
        const guint8 *nul = next < size ? memchr (bytes + next, '\0', size - next) : NULL;

        if (nul == NULL)
            return false;
        texts[i] = (const char *)bytes + next;
        next = (gsize)(nul - bytes) + 1;
    }
    edit->name = texts[0];
    edit->was = texts[1];
    edit->value = texts[2];
    *at = next;
    return true;
}

/* --- Fields ----------------------------------------------------------------------------------- */

static bool
is_named (const RelaisHeaderField *field, const char *name)
{
    return field->name_size == strlen (name) &&
           g_ascii_strncasecmp (field->name, name, field->name_size) == 0;
}

static char *
digest (const RelaisHeaderField *field)
{
    return g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guchar *)field->value,
                                        field->value_size);
}

char *
milter_edits_name_field (const guint8 *block, gsize size, const char *name, guint32 index,
                         guint32 *below)
{
    g_autofree char *found = NULL;
    RelaisHeaderField field;
    guint64 at = 0;
    guint32 n = 0;

    *below = 0;
    while (relais_header_next_field (block, size, &at, &field)) {
        g_autofree char *other = NULL;

        if (!is_named (&field, name))
            continue;
        other = digest (&field);
        if (++n == index)
            found = g_steal_pointer (&other);
        else if (n > index && found != NULL && g_str_equal (other, found))
            ++*below;
    }
    return g_steal_pointer (&found);
}

gint64
milter_edits_find_field (const guint8 *block, gsize size, const MilterEdit *edit)
{
    g_autoptr (GArray) same = g_array_new (FALSE, FALSE, sizeof (gint64));
    RelaisHeaderField field;
    guint64 at = 0;
    gint64 n = 0;

    while (relais_header_next_field (block, size, &at, &field)) {
        g_autofree char *other = NULL;

        if (!is_named (&field, edit->name))
            continue;
        other = digest (&field);
        if (g_str_equal (other, edit->was))
            g_array_append_val (same, n);
        n++;
    }
    return edit->below < same->len ? g_array_index (same, gint64, same->len - 1 - edit->below) : -1;
}
