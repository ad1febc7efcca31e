/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The public API as modules use it, through the harness: one file of tests a header.
 */
#include "stage.h"

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR);
    ask_add_tests ();
    channel_add_tests ();
    counter_add_tests ();
    cursor_add_tests ();
    edit_add_tests ();
    intake_add_tests ();
    job_add_tests ();
    queue_add_tests ();
    service_add_tests ();
    return g_test_run ();
}
