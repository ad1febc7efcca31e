/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The queue of calls that wait. It owns nothing but the links: the calls are the core's, what is kept for them their
 * commands'. Loop thread.
 */
#include "waiting.h"

#include <glib/gi18n-lib.h>

void
waiting_call_begin (WaitingCall *waiting, GQueue *queue, RelaisCommandCall *call,
                    GDestroyNotify drop, gpointer data)
{
    *waiting = (WaitingCall){call, queue, {.data = waiting}, drop, data};
    g_queue_push_tail_link (queue, &waiting->link);
}

RelaisCommandCall *
waiting_call_end (WaitingCall *waiting)
{
    RelaisCommandCall *call = waiting->call;

    g_queue_unlink (waiting->queue, &waiting->link);
    waiting->drop (waiting->data);
    return call;
}

void
waiting_calls_end_all (GQueue *queue)
{
    while (queue->head != NULL)
        relais_command_fail (waiting_call_end (queue->head->data), RELAIS_EXIT_REFUSED,
                             _ ("the daemon stops"));
}
