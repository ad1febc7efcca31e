/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Edit distance over short names (optimal string alignment). Names longer than MAX_NAME are near
 * nothing, which bounds the work whatever a file holds.
 */
#include "config.h"

#include "conf/nearest-private.h"

#include <string.h>

enum { MAX_NAME = 64 };

static guint
least (guint a, guint b, guint c)
{
    return MIN (MIN (a, b), c);
}

guint
relais_edit_distance (const char *a, const char *b)
{
    guint rows[3][MAX_NAME + 1];
    gsize n = strlen (a), m = strlen (b);
    guint *before = rows[0], *last = rows[1], *now = rows[2];

    if (n > MAX_NAME || m > MAX_NAME)
        return G_MAXUINT;
    for (gsize j = 0; j <= m; j++)
        last[j] = (guint)j;
    for (gsize i = 1; i <= n; i++) {
        guint *spare = before;

        now[0] = (guint)i;
        for (gsize j = 1; j <= m; j++) {
            guint replaced = last[j - 1] + (a[i - 1] != b[j - 1]);

            now[j] = least (last[j] + 1, now[j - 1] + 1, replaced);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = MIN (now[j], before[j - 2] + 1);
        }
        before = last;
        last = now;
        now = spare;
    }
    return last[m];
}

const char *
relais_nearest_name (const char *text, const GPtrArray *names)
{
    const char *nearest = NULL;
    guint best = (guint)MIN (strlen (text), MAX_NAME) / 3 + 1; /* further is no likeness */

    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index (names, i);
        guint distance = relais_edit_distance (text, name);

        /* A likeness keeps at least half of the name. */
        if (distance <= best && distance * 2 <= strlen (name) &&
            (nearest == NULL || distance < best)) {
            best = distance;
            nearest = name;
        }
    }
    return nearest;
}
