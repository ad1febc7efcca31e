/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The log of a fuzz target: what is expected of hostile input is dropped, a complaint of GLib or of
 * ours about a programming error ends the run.
 */
#include "config.h"

#include "fuzz.h"

static GLogWriterOutput
write_log (GLogLevelFlags level, const GLogField *fields, gsize n, gpointer data)
{
    if ((level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)) == 0)
        return G_LOG_WRITER_HANDLED;
    g_log_writer_default (level, fields, n, data);
    g_abort ();
}

static void
write_old_log (const char *domain, GLogLevelFlags level, const char *text, gpointer data)
{
    if ((level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)) == 0)
        return;
    g_printerr ("%s: %s\n", domain != NULL ? domain : "", text);
    g_abort ();
}

void
fuzz_quiet (void)
{
    static gsize done;

    if (!g_once_init_enter (&done))
        return;
    g_log_set_writer_func (write_log, NULL, NULL);
    g_log_set_default_handler (write_old_log, NULL);
    g_once_init_leave (&done, 1);
}
