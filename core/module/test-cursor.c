/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The event log of the harness: a real one, for cursors. The caller's thread.
 */
#include "config.h"

#include "module/test-private.h"

#include "module/cursor-private.h"

#include <glib/gstdio.h>
#include <string.h>

void
relais_test_use_event_log (RelaisTest *test)
{
    g_autoptr (GError) error = NULL;

    g_return_if_fail (test->log == NULL);
    test->log_dir = g_build_filename (test->state_dir, "log", NULL);
    test->log = relais_event_log_open (test->log_dir, test->loop, &error);
    g_assert_no_error (error);
    relais_host_set_events (test->host, test->log);
    relais_host_set_state_dir (test->host, test->log_dir);
}

void
relais_test_add_event (RelaisTest *test, const gchar *object)
{
    g_autoptr (GBytes) line = g_bytes_new (object, strlen (object));
    guint64 seq;

    g_return_if_fail (test->log != NULL);
    seq = relais_event_log_last_seq (test->log) + 1;
    relais_event_log_append (test->log, seq, line);
    g_assert_true (relais_event_log_sync (test->log, seq));
}

/* Files that stay are the cursors' places. */
static void
remove_files (const char *path, const char *prefix)
{
    g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
        g_autofree char *file = g_build_filename (path, name, NULL);

        if (g_str_has_prefix (name, prefix))
            g_unlink (file);
    }
}

void
relais_test_cut_events (RelaisTest *test)
{
    g_autoptr (GError) error = NULL;

    g_return_if_fail (test->log != NULL);
    relais_event_log_close (test->log);
    remove_files (test->log_dir, "events-");
    test->log = relais_event_log_open (test->log_dir, test->loop, &error);
    g_assert_no_error (error);
    relais_host_set_events (test->host, test->log);
}

void
relais_test_log_clear (RelaisTest *test)
{
    if (test->log == NULL)
        return;
    relais_event_log_close (test->log);
    remove_files (test->log_dir, "");
    g_rmdir (test->log_dir);
    g_free (test->log_dir);
}
