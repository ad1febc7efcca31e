/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Modules' questions about queued messages (include/relais/queued.h): handed to the queue from a later turn, and
 * what it says, by recipient. Loop thread.
 */
#include "config.h"

#include "module/module-private.h"

typedef struct {
    RelaisQueuedState state;
    guint attempts;
    gint64 next_us;
    char *reply; /* or NULL */
} Row;

struct RelaisQueued {
    RelaisMessage *message;
    guint n;
    Row *rows;
};

struct RelaisInquiry {
    RelaisHost *host;
    RelaisModule *module;
    guint64 id;
    RelaisQueuedFunc func;
    gpointer data;
};

/* --- What is known ------------------------------------------------------------------------------ */

RelaisQueued *
relais_queued_new (RelaisMessage *message)
{
    RelaisQueued *queued = g_new (RelaisQueued, 1);

    queued->message = relais_message_ref (message);
    queued->n = message->envelope.recipients->len;
    queued->rows = g_new0 (Row, queued->n);
    return queued;
}

void
relais_queued_set (RelaisQueued *queued, guint n, RelaisQueuedState state, guint attempts,
                   gint64 next_us, const char *reply)
{
    g_free (queued->rows[n].reply);
    queued->rows[n] = (Row){state, attempts, next_us, g_strdup (reply)};
}

void
relais_queued_free (RelaisQueued *queued)
{
    for (guint i = 0; i < queued->n; i++)
        g_free (queued->rows[i].reply);
    g_free (queued->rows);
    relais_message_unref (queued->message);
    g_free (queued);
}

RelaisMessage *
relais_queued_get_message (const RelaisQueued *queued)
{
    return queued->message;
}

RelaisQueuedState
relais_queued_get_state (const RelaisQueued *queued, guint32 n)
{
    g_return_val_if_fail (n < queued->n, RELAIS_QUEUED_DELETED);
    return queued->rows[n].state;
}

guint32
relais_queued_get_attempts (const RelaisQueued *queued, guint32 n)
{
    g_return_val_if_fail (n < queued->n, 0);
    return queued->rows[n].attempts;
}

gint64
relais_queued_get_next_us (const RelaisQueued *queued, guint32 n)
{
    g_return_val_if_fail (n < queued->n, 0);
    return queued->rows[n].next_us;
}

const gchar *
relais_queued_get_reply (const RelaisQueued *queued, guint32 n)
{
    g_return_val_if_fail (n < queued->n, NULL);
    return queued->rows[n].reply;
}

const gchar *
relais_queued_state_to_string (RelaisQueuedState state)
{
    static const char *const names[] = {"waiting", "under-way", "held",   "delivered",
                                        "bounced", "expired",   "deleted"};

    return state < G_N_ELEMENTS (names) ? names[state] : "unknown";
}

/* --- Asking ------------------------------------------------------------------------------------- */

guint64
relais_inquiry_get_id (const RelaisInquiry *inquiry)
{
    return inquiry->id;
}

void
relais_inquiry_end (RelaisInquiry *inquiry, RelaisQueued *queued, const char *error)
{
    RelaisGuard outer;

    relais_guard_enter (&outer, inquiry->module, "inquiry", 0);
    inquiry->func (queued, error, inquiry->data);
    relais_guard_leave (&outer);
    g_clear_pointer (&queued, relais_queued_free);
    g_atomic_int_add (&inquiry->host->jobs, -1);
    g_free (inquiry);
}

/* An id that is none is of no message. */
static void
hand_over (gpointer data)
{
    RelaisInquiry *inquiry = data;
    const RelaisHost *host = inquiry->host;

    if (inquiry->id == 0)
        relais_inquiry_end (inquiry, NULL, NULL);
    else if (host->intake != NULL)
        host->intake->inquire (host->intake_data, inquiry);
    else
        relais_inquiry_end (inquiry, NULL, "the daemon stops");
}

void
relais_queued_find (RelaisModule *module, const gchar *queue_id, RelaisQueuedFunc func,
                    gpointer data)
{
    RelaisHost *host;
    RelaisInquiry *inquiry;

    g_return_if_fail (module != NULL && queue_id != NULL && func != NULL);
    host = module->host;
    relais_loop_assert_owner (host->loop);
    inquiry = g_new (RelaisInquiry, 1);
    *inquiry = (RelaisInquiry){host, module, 0, func, data};
    if (!relais_id_from_text (queue_id, &inquiry->id))
        inquiry->id = 0;
    g_atomic_int_inc (&host->jobs);
    relais_loop_post (host->loop, hand_over, inquiry);
}
