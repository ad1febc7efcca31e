/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reads what suite.py writes. See lines.h.
 */
#include "lines.h"

#include <stdio.h>
#include <string.h>

static guint8 *
unhex (const char *text, gsize *size)
{
    const gsize n = strcmp (text, "-") == 0 ? 0 : strlen (text) / 2;
    guint8 *bytes = g_malloc0 (n + 1);

    for (gsize i = 0; i < n; i++)
        bytes[i] = (guint8)(g_ascii_xdigit_value (text[2 * i]) * 16 +
                            g_ascii_xdigit_value (text[2 * i + 1]));
    *size = n;
    return bytes;
}

static void
run (const Zone *zone, char **words, LinesFunc func)
{
    gsize size;
    g_autofree char *sender = (char *)unhex (words[3], &size);
    g_autofree char *helo = (char *)unhex (words[4], &size);
    const SpfIdentity identity = {words[2], sender, helo, "receiver.test", 1234567890};

    func (zone, words[1], &identity);
}

static bool
take_line (Zone **zone, char **words, LinesFunc func)
{
    const guint n = g_strv_length (words);
    gsize size, name_size;
    g_autofree char *name = n > 1 ? (char *)unhex (words[1], &name_size) : NULL;

    if (n == 1 && strcmp (words[0], "zone") == 0) {
        zone_free (*zone);
        *zone = zone_new ();
    } else if (n == 4 && strcmp (words[0], "record") == 0) {
        g_autofree guint8 *data = unhex (words[3], &size);

        zone_add (*zone, name, (guint)g_ascii_strtoull (words[2], NULL, 10), data, size);
    } else if (n == 3 && strcmp (words[0], "fail") == 0)
        zone_fail (*zone, name, (guint)g_ascii_strtoull (words[2], NULL, 10));
    else if (n == 5 && strcmp (words[0], "case") == 0)
        run (*zone, words, func);
    else
        return false;
    return true;
}

int
lines_run (LinesFunc func)
{
    g_autoptr (Zone) zone = zone_new ();
    g_autofree char *line = NULL;
    gsize room = 0;

    while (getline (&line, &room, stdin) > 0) {
        g_auto (GStrv) words = NULL;

        g_strchomp (line);
        words = g_strsplit (line, " ", -1);
        if (!take_line (&zone, words, func)) {
            fprintf (stderr, "not understood: %s\n", line);
            return 1;
        }
    }
    return 0;
}
