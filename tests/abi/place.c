/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See the header.
 */
#include "place.h"

#include <glib/gstdio.h>
#include <unistd.h>

void
abi_place (const char *build_dir, const char *dir, const char *fixture, const char *name, int mode)
{
    g_autofree char *base = g_strconcat (fixture, ".so", NULL);
    g_autofree char *from = g_build_filename (build_dir, "tests/abi/.libs", base, NULL);
    g_autofree char *to = g_strdup_printf ("%s/%s.so", dir, name);
    g_autofree char *bytes = NULL;
    g_autoptr (GError) error = NULL;
    gsize size;

    g_file_get_contents (from, &bytes, &size, &error);
    g_assert_no_error (error);
    g_file_set_contents (to, bytes, (gssize)size, &error);
    g_assert_no_error (error);
    g_assert_cmpint (g_chmod (to, mode), ==, 0);
}

void
abi_remove_all (const char *dir)
{
    GDir *open = g_dir_open (dir, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name (open)) != NULL) {
        g_autofree char *file = g_build_filename (dir, name, NULL);

        g_unlink (file);
    }
    g_dir_close (open);
    g_rmdir (dir);
}
