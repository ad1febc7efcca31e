/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * For tests/message/test-leaf.py: reads leaves on stdin, each as "ENCODING SIZE N\n" and its content,
 * with N edits, each as "OFFSET SIZE BYTES\n" and so many bytes, and answers each as
 * "LEFT_OUT SIZE\n" and the content edited, or "refused 0\n".
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "leaf-check.h"

static GBytes *
read_bytes (gsize size)
{
    guint8 *bytes = g_malloc (size + 1);

    if (fread (bytes, 1, size, stdin) != size)
        exit (1);
    return g_bytes_new_take (bytes, size);
}

static GArray *
read_edits (unsigned long n)
{
    GArray *edits = leaf_check_edits_new ();
    unsigned long offset, size, bytes_size;
    char line[80];

    while (n-- > 0) {
        g_autoptr (GBytes) bytes = NULL;

        if (fgets (line, sizeof line, stdin) == NULL ||
            sscanf (line, "%lu %lu %lu", &offset, &size, &bytes_size) != 3)
            exit (1);
        bytes = read_bytes (bytes_size);
        leaf_check_add_edit (edits, offset, size, g_bytes_get_data (bytes, NULL), bytes_size);
    }
    return edits;
}

static void
answer (GBytes *content, RelaisMimeEncoding encoding, const GArray *edits)
{
    const char *reason = NULL;
    g_autoptr (RelaisLeaf) leaf = relais_leaf_new (content, encoding, &reason);
    g_autoptr (GBytes) result = NULL;
    guint left_out = 0;

    if (leaf == NULL) {
        printf ("refused 0\n");
        return;
    }
    result = leaf_check (content, encoding, edits, &left_out);
    printf ("%u %" G_GSIZE_FORMAT "\n", left_out, g_bytes_get_size (result));
    fwrite (g_bytes_get_data (result, NULL), 1, g_bytes_get_size (result), stdout);
}

int
main (void)
{
    unsigned long encoding, size, n;
    char line[80];

    while (fgets (line, sizeof line, stdin) != NULL) {
        g_autoptr (GBytes) content = NULL;
        g_autoptr (GArray) edits = NULL;

        if (sscanf (line, "%lu %lu %lu", &encoding, &size, &n) != 3)
            return 1;
        content = read_bytes (size);
        edits = read_edits (n);
        answer (content, (RelaisMimeEncoding)encoding, edits);
        fflush (stdout);
    }
    return 0;
}
