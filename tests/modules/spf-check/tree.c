/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The tree of includes. The test's thread.
 */
#include "tree.h"

void
add_tree (RelaisTest *test, const char *name, guint depth)
{
    g_autoptr (GString) record = g_string_new ("v=spf1");

    for (guint i = 0; i < 10; i++) {
        g_autofree char *child = g_strdup_printf ("%u.%s", i, name);

        if (depth > 0) {
            g_string_append_printf (record, " include:%s", child);
            add_tree (test, child, depth - 1);
        }
    }
    g_string_append (record, " -all");
    relais_test_add_record (test, name, "TXT", record->str);
}
