/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * For tests/message/test-outgoing.py: reads messages on stdin, each as "SIZE FLAGS\n" and its bytes,
 * and answers each as "RESULT EIGHTBIT SIZE\n" and the fitted bytes. FLAGS: 8 the peer has 8BITMIME,
 * p long lines pass, d the body lies elsewhere (a reader), - nothing. "steps" as FLAGS asks for the
 * splitter's steps instead.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "message/mime-private.h"
#include "message/outgoing-private.h"

static bool
read_copy (gpointer data, guint64 offset, gpointer to, gsize size, GError **error)
{
    memcpy (to, (const guint8 *)g_bytes_get_data (data, NULL) + offset, size);
    return true;
}

static RelaisBody *
make_body (GBytes *bytes, bool elsewhere)
{
    RelaisBodyScanner scanner = {0};
    gsize size;
    const guint8 *data = g_bytes_get_data (bytes, &size);

    relais_body_scan (&scanner, data, size);
    relais_body_scan_end (&scanner);
    if (!elsewhere)
        return relais_body_new_bytes (bytes, &scanner.facts);
    return relais_body_new_reader (read_copy, NULL, g_bytes_ref (bytes),
                                   (GDestroyNotify)g_bytes_unref, &scanner.facts);
}

static void
answer (const char *result, bool eight_bit, const RelaisRope *rope)
{
    const guint64 size = rope != NULL ? relais_rope_size (rope) : 0;
    guint8 buffer[10000];
    gssize n;

    printf ("%s %d %" G_GUINT64_FORMAT "\n", result, eight_bit, size);
    for (guint64 at = 0; at < size; at += (guint64)n) {
        n = relais_rope_read (rope, at, buffer, sizeof buffer, NULL);
        g_assert (n > 0);
        fwrite (buffer, 1, (gsize)n, stdout);
    }
    fflush (stdout);
}

static void
fit (GBytes *bytes, const char *flags)
{
    static const char *const results[] = {"as-is", "changed", "refused", "error"};
    const RelaisTransportLimits limits = {strchr (flags, '8') != NULL, strchr (flags, 'p') != NULL};
    g_autoptr (RelaisBody) body = make_body (bytes, strchr (flags, 'd') != NULL);
    g_autoptr (RelaisRope) rope = relais_rope_new ();
    g_autoptr (RelaisRope) out = NULL;
    g_autoptr (GError) error = NULL;
    bool eight_bit = false;
    RelaisTransportResult result;

    relais_rope_append_body (rope, body, 0, relais_body_facts (body)->size_bytes);
    result =
        relais_outgoing_fit (rope, relais_body_facts (body), &limits, &out, &eight_bit, &error);
    answer (results[result], eight_bit, out);
}

static void
count_steps (GBytes *bytes)
{
    g_autoptr (RelaisMimeSplitter) splitter = relais_mime_splitter_new ();
    gsize size;
    const guint8 *data = g_bytes_get_data (bytes, &size);

    relais_mime_splitter_feed (splitter, data, size);
    relais_mime_splitter_end (splitter);
    printf ("steps %" G_GUINT64_FORMAT " 0\n", relais_mime_splitter_steps (splitter));
    fflush (stdout);
}

int
main (void)
{
    char line[64], flags[17];
    unsigned long size;

    while (fgets (line, sizeof line, stdin) != NULL) {
        g_autoptr (GBytes) bytes = NULL;
        guint8 *data;

        if (sscanf (line, "%lu %16s", &size, flags) != 2)
            return 1;
        data = g_malloc (size + 1);
        if (fread (data, 1, size, stdin) != size)
            return 1;
        bytes = g_bytes_new_take (data, size);
        if (strcmp (flags, "steps") == 0)
            count_steps (bytes);
        else
            fit (bytes, flags);
    }
    return 0;
}
