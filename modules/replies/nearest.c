/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The nearest name to a mistyped one. Pure; any thread.
 */
#include "recorded.h"

#include <stdbool.h>
#include <string.h>

enum { NAME_BYTES = 64 }; /* longer ones are not compared */

/* Insertions, deletions and replacements between two names. */
static guint
distance (const char *a, const char *b)
{
    guint row[NAME_BYTES + 1];
    gsize n = strlen (a), m = strlen (b);

    if (n > NAME_BYTES || m > NAME_BYTES)
        return G_MAXUINT;
    for (guint k = 0; k <= m; k++)
        row[k] = k;
    for (guint i = 1; i <= n; i++) {
        guint diagonal = row[0];

        row[0] = i;
        for (guint k = 1; k <= m; k++) {
            guint replaced = diagonal + (a[i - 1] != b[k - 1]);

            diagonal = row[k];
            row[k] = MIN (replaced, MIN (row[k], row[k - 1]) + 1);
        }
    }
    return row[m];
}

const char *
replies_nearest (const char *name, const GPtrArray *names)
{
    const char *nearest = NULL;
    guint least = (guint)MIN (strlen (name) / 2, 4);

    for (guint i = 0; i < names->len; i++) {
        const char *other = g_ptr_array_index (names, i);
        guint edits = distance (name, other);
        bool begins = strlen (name) >= 3 && g_str_has_prefix (other, name);

        if (edits <= least || (begins && nearest == NULL)) {
            nearest = other;
            least = MIN (least, edits > 0 ? edits - 1 : 0);
        }
    }
    return nearest;
}
