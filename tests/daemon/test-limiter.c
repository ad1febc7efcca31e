/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/limiter: which word each state of the daemon gives.
 */
#include "config.h"

#include "limiter-private.h"

static const struct {
    const char *name;
    RelaisLoad load;
} states[] = {
    {"none", {0}},
    {"none", {.loop_percent = 79, .workers_percent = 79, .sync_percent = 59}},
    {"disk", {.spool_stopped = true, .loop_percent = 100}},
    {"disk", {.bodies_percent = 80, .bodies_queued = 1, .loop_percent = 80}},
    {"none", {.bodies_percent = 100}},
    {"disk", {.sync_percent = 60, .due = 10, .flows_in_order = 1}},
    {"cpu", {.loop_percent = 80, .sync_percent = 100}},
    /* Workers that keep up, however busy, hold nobody back. */
    {"cpu", {.loop_percent = 80, .workers_percent = 100}},
    {"workers", {.loop_percent = 80, .workers_percent = 80, .workers_queued = 1}},
    {"dns", {.due = 10, .due_looking = 6, .flows_in_order = 1}},
    {"limits", {.due = 10, .due_looking = 5, .flows_in_order = 1}},
    {"peers", {.due = 10}},
};

static void
test_words (void)
{
    for (guint i = 0; i < G_N_ELEMENTS (states); i++)
        g_assert_cmpstr (relais_limiter_to_string (relais_limiter_of (&states[i].load)), ==,
                         states[i].name);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/daemon/limiter/words", test_words);
    return g_test_run ();
}
