/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Connections to milters between two sessions, and what a session leaves behind. Loop.
 */
#include "milter.h"

/* --- The pool --------------------------------------------------------------------------------- */

static void
idle_free (gpointer data)
{
    MilterIdle *idle = data;

    relais_channel_free (idle->channel);
    g_free (idle);
}

MilterIdle *
milter_pool_take (Milter *self, const MilterServer *server)
{
    GQueue *queue = g_hash_table_lookup (self->idle, server->address);

    return queue != NULL ? g_queue_pop_tail (queue) : NULL;
}

static void
queue_free (gpointer queue)
{
    g_queue_free_full (queue, idle_free);
}

void
milter_pool_give (Milter *self, const MilterServer *server, const MilterIdle *idle)
{
    GQueue *queue;

    if (self->idle == NULL) {
        relais_channel_free (idle->channel);
        return;
    }
    queue = g_hash_table_lookup (self->idle, server->address);
    if (queue == NULL) {
        queue = g_queue_new ();
        g_hash_table_insert (self->idle, g_strdup (server->address), queue);
    }
    if (queue->length >= server->idle)
        relais_channel_free (idle->channel);
    else
        g_queue_push_tail (queue, g_memdup2 (idle, sizeof *idle));
}

void
milter_pool_clear (Milter *self)
{
    if (self->idle != NULL)
        g_hash_table_unref (self->idle);
    self->idle = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, queue_free);
}

/* --- A session's connections ------------------------------------------------------------------- */

void
milter_link_drop (MilterLink *link)
{
    g_clear_pointer (&link->channel, relais_channel_free);
    link->told_connect = link->told_helo = link->in_mail = link->reused = false;
}

static void
leave (MilterLink *link)
{
    g_autoptr (GByteArray) out = g_byte_array_new ();
    MilterSession *session = link->session;
    const bool keep = link->server->idle > 0 && link->told_connect;
    const MilterIdle idle = {link->channel, link->actions, link->steps};

    if (link->channel == NULL)
        return;
    if (session->call != NULL) { /* it was not let speak its mind */
        milter_link_drop (link);
        return;
    }
    if (link->in_mail)
        milter_packet_put (out, 'A');
    milter_packet_put (out, keep ? 'K' : 'Q');
    if (relais_channel_write (link->channel, (const char *)out->data, out->len) && keep) {
        link->channel = NULL;
        milter_pool_give (session->self, link->server, &idle);
    }
    milter_link_drop (link);
}

MilterSession *
milter_session_new (Milter *self, const MilterConfig *config)
{
    MilterSession *session = g_new0 (MilterSession, 1);

    session->self = self;
    session->n_links = config->servers->len;
    session->links = g_new0 (MilterLink, session->n_links);
    session->node.data = session;
    for (guint i = 0; i < session->n_links; i++)
        session->links[i] = (MilterLink){.server = milter_server_ref (config->servers->pdata[i]),
                                         .session = session};
    g_queue_push_tail_link (&self->sessions, &session->node);
    return session;
}

void
milter_session_close (MilterSession *session)
{
    for (guint i = 0; i < session->n_links; i++)
        leave (&session->links[i]);
}

void
milter_session_free (gpointer data)
{
    MilterSession *session = data;

    milter_session_close (session);
    milter_call_forget (session);
    g_queue_unlink (&session->self->sessions, &session->node);
    for (guint i = 0; i < session->n_links; i++)
        milter_server_unref (session->links[i].server);
    g_free (session->links);
    g_free (session);
}
