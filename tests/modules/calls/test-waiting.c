/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Calls that wait (modules/calls): one that is answered is the caller's to end, those that are left are ended when the
 * module stops, and nothing is kept for any of them. The core's side of it is played here.
 */
#include "waiting.h"

#include <stdbool.h>

struct RelaisCommandCall {
    int n_ended, status;
    char *text;
};

typedef struct {
    WaitingCall waiting;
    bool *dropped;
} Kept;

void
relais_command_fail (RelaisCommandCall *call, gint exit_status, const gchar *text)
{
    call->n_ended++;
    call->status = exit_status;
    call->text = g_strdup (text);
}

static void
drop (gpointer data)
{
    Kept *kept = data;

    g_assert_false (*kept->dropped);
    *kept->dropped = true;
    g_free (kept);
}

static Kept *
begin (GQueue *queue, RelaisCommandCall *call, bool *dropped)
{
    Kept *kept = g_new0 (Kept, 1);

    kept->dropped = dropped;
    waiting_call_begin (&kept->waiting, queue, call, drop, kept);
    return kept;
}

static void
test_waiting (void)
{
    RelaisCommandCall calls[3] = {{0}, {0}, {0}};
    bool dropped[3] = {false, false, false};
    GQueue queue = G_QUEUE_INIT;
    Kept *second;

    waiting_calls_end_all (&queue);
    begin (&queue, &calls[0], &dropped[0]);
    second = begin (&queue, &calls[1], &dropped[1]);
    begin (&queue, &calls[2], &dropped[2]);
    g_assert_true (waiting_call_end (&second->waiting) == &calls[1]);
    g_assert_true (dropped[1] && !dropped[0] && !dropped[2]);
    waiting_calls_end_all (&queue);
    g_assert_true (dropped[0] && dropped[2]);
    g_assert_cmpuint (queue.length, ==, 0);
    g_assert_cmpint (calls[1].n_ended, ==, 0);
    for (guint i = 0; i < 3; i += 2) {
        g_assert_cmpint (calls[i].n_ended, ==, 1);
        g_assert_cmpint (calls[i].status, ==, RELAIS_EXIT_REFUSED);
        g_assert_cmpstr (calls[i].text, ==, "the daemon stops");
        g_free (calls[i].text);
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/calls/waiting", test_waiting);
    return g_test_run ();
}
