/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/spool from outside: what was accepted is there after a restart, what is done is not; groups are
 * whole; large bodies stream; ids never repeat; segments are freed.
 */
#include "config.h"

#include "fixture.h"

#include <glib/gstdio.h>
#include <string.h>

static void
test_accept_restart_load_done (void)
{
    Fixture f;
    guint64 a, b;
    g_autoptr (GHashTable) found = NULL;
    g_autoptr (GHashTable) left = NULL;
    RelaisSpoolFigures figures;
    RelaisMessage *message;

    fixture_init (&f);
    fixture_open (&f);
    a = fixture_accept (&f, 1, 500);
    b = fixture_accept (&f, 2, 20000);
    g_assert_cmpuint (b, >, a);
    message = relais_spool_peek (f.spool, a);
    fixture_check (message, 1, 500);
    relais_message_unref (message);
    relais_spool_cool (f.spool, a);
    g_assert_null (relais_spool_peek (f.spool, a));
    fixture_close (&f);

    fixture_open (&f);
    found = fixture_recover (&f);
    g_assert_cmpuint (g_hash_table_size (found), ==, 2);
    g_assert_true (g_hash_table_contains (found, &a));
    message = fixture_load (&f, b, NULL);
    fixture_check (message, 2, 20000);
    relais_message_unref (message);
    fixture_done (&f, b);
    g_assert_null (fixture_load (&f, b, NULL));
    relais_spool_figures (f.spool, &figures);
    g_assert_cmpuint (figures.messages, ==, 1);
    fixture_close (&f);

    fixture_open (&f);
    left = fixture_recover (&f);
    g_assert_cmpuint (g_hash_table_size (left), ==, 1);
    g_assert_true (g_hash_table_contains (left, &a));
    fixture_clear (&f);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    fixture_allow_warnings ();
    g_test_add_func ("/spool/accept-restart-load-done", test_accept_restart_load_done);
    return g_test_run ();
}
