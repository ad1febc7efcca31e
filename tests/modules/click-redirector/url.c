/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * click_url_serialize () for scripts: reads links from standard input, a NUL behind each, and prints a line
 * for each, its URL or "-". With --table it prints the links of url-table.h instead, a NUL behind each.
 */
#include <stdio.h>
#include <string.h>

#include "url-table.h"
#include "url.h"

static void
print_table (void)
{
    for (guint i = 0; i < G_N_ELEMENTS (url_rows); i++)
        fwrite (url_rows[i].href, 1, strlen (url_rows[i].href) + 1, stdout);
}

static GByteArray *
read_all (void)
{
    GByteArray *bytes = g_byte_array_new ();
    guint8 piece[65536];
    gsize n;

    while ((n = fread (piece, 1, sizeof piece, stdin)) > 0)
        g_byte_array_append (bytes, piece, (guint)n);
    return bytes;
}

int
main (int argc, char **argv)
{
    g_autoptr (GByteArray) input = NULL;
    gsize at = 0;

    if (argc > 1 && strcmp (argv[1], "--table") == 0) {
        print_table ();
        return 0;
    }
    input = read_all ();
    while (at < input->len) {
        const char *href = (const char *)input->data + at;
        const gsize size = strnlen (href, input->len - at);
        g_autofree char *url = click_url_serialize (href, size, true);

        puts (url != NULL ? url : "-");
        at += size + 1;
    }
    return 0;
}
