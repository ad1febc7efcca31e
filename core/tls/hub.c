/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The hub: what all streams of one loop share. Owns the buffer that input is read into, the list of
 * streams with output to write at the end of the turn, and the list of those that are to be called
 * again though epoll has nothing to say, and the queue of handshakes. Lives as long as the loop has streams. Loop thread only;
 * found by the thread, so that there is no global.
 *
 * It must never call a stream twice in a turn because of what that stream did in the turn: what is
 * linked while a list is worked off waits for the next turn.
 */
#include "config.h"

#include "tls/stream-struct-private.h"

#include "conf/net-private.h"

#include <string.h>

static __thread StreamHub *thread_hubs;

static void
flush_dirty (gpointer data)
{
    StreamHub *hub = data;

    hub->refs++;
    for (guint n = hub->dirty.length; n > 0 && hub->dirty.length > 0; n--) {
        RelaisStream *stream = g_queue_peek_head_link (&hub->dirty)->data;

        g_queue_unlink (&hub->dirty, &stream->dirty);
        stream->dirty.data = NULL;
        relais_stream_flush (stream);
    }
    relais_handshakes_renew (hub->handshakes);
    if (hub->dirty.length > 0 || hub->kicked.length > 0 ||
        relais_handshakes_n_waiting (hub->handshakes) > 0)
        relais_timer_set (&hub->wake, 0);
    relais_stream_hub_unref (hub);
}

static void
go_on_with_handshakes (StreamHub *hub)
{
    RelaisStream *stream;

    while ((stream = relais_handshakes_next (hub->handshakes)) != NULL) {
        stream->waits = NULL;
        relais_stream_ref (stream);
        relais_stream_handshake_step (stream);
        relais_stream_unref (stream);
    }
}

static void
on_wake (gpointer data)
{
    StreamHub *hub = data;

    hub->refs++;
    hub->in_events = true;
    for (guint n = hub->kicked.length; n > 0 && hub->kicked.length > 0; n--) {
        RelaisStream *stream = g_queue_peek_head_link (&hub->kicked)->data;

        g_queue_unlink (&hub->kicked, &stream->place);
        stream->place.data = NULL;
        relais_stream_kicked (stream);
    }
    go_on_with_handshakes (hub);
    hub->in_events = false;
    relais_stream_hub_unref (hub);
}

static StreamHub *
find_hub (const RelaisLoop *loop)
{
    StreamHub *hub = thread_hubs;

    while (hub != NULL && hub->loop != loop)
        hub = hub->next;
    return hub;
}

StreamHub *
relais_stream_hub_get (RelaisLoop *loop)
{
    StreamHub *hub = find_hub (loop);

    if (hub != NULL) {
        hub->refs++;
        return hub;
    }
    relais_loop_assert_owner (loop);
    hub = g_new (StreamHub, 1); /* the scratch needs no zeroing */
    hub->loop = loop;
    hub->refs = 1;
    hub->in_events = false;
    g_queue_init (&hub->dirty);
    g_queue_init (&hub->kicked);
    g_queue_init (&hub->lingering);
    hub->handshakes = relais_handshakes_new ();
    relais_timer_init (&hub->wake, loop, on_wake, hub);
    hub->turn_handle = relais_loop_add_turn_func (loop, flush_dirty, hub);
    hub->next = thread_hubs;
    thread_hubs = hub;
    return hub;
}

void
relais_stream_hub_unref (StreamHub *hub)
{
    StreamHub **link = &thread_hubs;

    if (--hub->refs > 0)
        return;
    while (*link != hub)
        link = &(*link)->next;
    *link = hub->next;
    relais_timer_stop (&hub->wake);
    relais_loop_remove_turn_func (hub->loop, hub->turn_handle);
    relais_handshakes_free (hub->handshakes);
    g_free (hub);
}

void
relais_stream_mark_dirty (RelaisStream *stream)
{
    StreamHub *hub = stream->hub;

    if (stream->dirty.data != NULL)
        return;
    stream->dirty.data = stream;
    g_queue_push_tail_link (&hub->dirty, &stream->dirty);
    /* Written from a post, a timer or another turn function: ours may have run already. */
    if (!hub->in_events && !relais_timer_is_set (&hub->wake))
        relais_timer_set (&hub->wake, 0);
}

void
relais_stream_kick (RelaisStream *stream)
{
    StreamHub *hub = stream->hub;

    if (stream->place.data != NULL)
        return;
    stream->place.data = stream;
    g_queue_push_tail_link (&hub->kicked, &stream->place);
    if (!hub->in_events && !relais_timer_is_set (&hub->wake))
        relais_timer_set (&hub->wake, 0);
}

/* Without an address (unix sockets) all are of one net. */
static void
find_net (const RelaisStream *stream, guint8 net[RELAIS_HANDSHAKES_NET_BYTES])
{
    struct sockaddr_storage address;
    socklen_t size;
    guint8 client[16];

    if (!relais_address_from_text (stream->peer_text, 0, &address, &size)) {
        memset (net, 0, RELAIS_HANDSHAKES_NET_BYTES);
        return;
    }
    relais_client_key ((const struct sockaddr *)&address, client);
    relais_client_net_key (client, net);
}

void
relais_stream_await_turn (RelaisStream *stream)
{
    StreamHub *hub = stream->hub;
    guint8 net[RELAIS_HANDSHAKES_NET_BYTES];

    find_net (stream, net);
    stream->waits = relais_handshakes_wait (hub->handshakes, net, stream);
    if (!hub->in_events && !relais_timer_is_set (&hub->wake))
        relais_timer_set (&hub->wake, 0);
}

void
relais_stream_linger (RelaisStream *stream)
{
    if (stream->place.data != NULL)
        g_queue_unlink (&stream->hub->kicked, &stream->place);
    stream->place.data = stream;
    g_queue_push_tail_link (&stream->hub->lingering, &stream->place);
}

void
relais_stream_unlink (RelaisStream *stream)
{
    StreamHub *hub = stream->hub;

    if (stream->dirty.data != NULL)
        g_queue_unlink (&hub->dirty, &stream->dirty);
    if (stream->place.data != NULL)
        g_queue_unlink (stream->finishing ? &hub->lingering : &hub->kicked, &stream->place);
    stream->dirty.data = stream->place.data = NULL;
    relais_handshakes_leave (hub->handshakes, g_steal_pointer (&stream->waits));
}

void
relais_streams_cut_lingering (RelaisLoop *loop)
{
    StreamHub *hub = find_hub (loop);

    if (hub == NULL)
        return;
    hub->refs++;
    while (hub->lingering.length > 0)
        relais_stream_free (g_queue_peek_head_link (&hub->lingering)->data);
    relais_stream_hub_unref (hub);
}

guint
relais_streams_n_handshakes_waiting (RelaisLoop *loop)
{
    const StreamHub *hub = find_hub (loop);

    return hub != NULL ? relais_handshakes_n_waiting (hub->handshakes) : 0;
}
