/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Streams: lifecycle, what the socket is watched for, input. (Output and the end: stream-out.c; TLS:
 * stream-tls.c; what streams of a loop share: hub.c.) Owns the descriptor and the buffers of one
 * connection; loop thread only.
 *
 * Every call out may free the stream, so whoever calls out holds a reference and looks at the state
 * afterwards. Input is read into the hub's scratch and shown from there; only what the owner left is
 * copied into the stream.
 */
#include "config.h"

#include "tls/stream-struct-private.h"

#include "conf/net-private.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* How often one event may read, so that a fast peer does not starve the others. */
enum { READS_PER_EVENT = 4 };

/* Ten thousand idle connections are to cost what their records do. */
G_STATIC_ASSERT (sizeof (RelaisStream) <= 400);

static void on_event (gpointer data, guint32 events);

/* --- Life ------------------------------------------------------------------------------------- */

RelaisStream *
relais_stream_alloc (RelaisLoop *loop, int fd, const RelaisStreamCallbacks *callbacks,
                     gpointer data)
{
    RelaisStream *stream = g_new0 (RelaisStream, 1);

    stream->hub = relais_stream_hub_get (loop);
    stream->callbacks = callbacks;
    stream->data = data;
    stream->fd = fd;
    stream->refs = 1;
    stream->state = STREAM_CLEAR;
    return stream;
}

void
relais_stream_ref (RelaisStream *stream)
{
    stream->refs++;
}

void
relais_stream_unref (RelaisStream *stream)
{
    if (--stream->refs > 0)
        return;
    relais_stream_hub_unref (stream->hub);
    g_free (stream->kept);
    g_free (stream->out);
    if (stream->ahead != NULL)
        g_byte_array_unref (stream->ahead);
    g_free (stream->tls_host);
    g_strfreev (stream->tls_names);
    relais_tlsa_set_unref (stream->tlsa);
    g_free (stream->tls_session_key);
    relais_tls_sessions_unref (stream->tls_sessions);
    g_free (stream->peer_text);
    g_free (stream->local_text);
    g_clear_error (&stream->error);
    g_free (stream);
}

void
relais_stream_free (RelaisStream *stream)
{
    if (stream == NULL || stream->freed)
        return;
    stream->freed = true;
    relais_stream_unlink (stream);
    relais_timer_stop (&stream->linger);
    relais_stream_tls_end (stream);
    g_clear_pointer (&stream->ssl, SSL_free);
    g_clear_pointer (&stream->tls, relais_tls_context_unref);
    g_clear_pointer (&stream->io, relais_io_free);
    close (stream->fd);
    stream->fd = -1;
    stream->callbacks = NULL;
    stream->state = STREAM_ENDED;
    relais_stream_unref (stream);
}

static void
set_peer_from_socket (RelaisStream *stream)
{
    struct sockaddr_storage peer = {0};
    socklen_t size = sizeof peer;

    if (getpeername (stream->fd, (struct sockaddr *)&peer, &size) == 0)
        relais_stream_set_peer (stream, (const struct sockaddr *)&peer);
    else
        stream->peer_text = g_strdup ("unknown");
}

RelaisStream *
relais_stream_new (RelaisLoop *loop, int fd, const RelaisStreamCallbacks *callbacks, gpointer data,
                   GError **error)
{
    RelaisStream *stream = relais_stream_alloc (loop, fd, callbacks, data);
    const int on = 1;
    int flags = fcntl (fd, F_GETFL);

    if (flags >= 0 && (flags & O_NONBLOCK) == 0)
        (void)fcntl (fd, F_SETFL, flags | O_NONBLOCK);
    (void)fcntl (fd, F_SETFD, FD_CLOEXEC);
    set_peer_from_socket (stream);
    if (!stream->is_unix)
        (void)setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    stream->io = relais_io_new (loop, fd, EPOLLIN, on_event, stream, error);
    if (stream->io == NULL)
        g_clear_pointer (&stream, relais_stream_free);
    return stream;
}

/* --- What is watched -------------------------------------------------------------------------- */

static bool
wants_input (const RelaisStream *stream)
{
    if (stream->eof)
        return false;
    return stream->finishing || (!stream->paused && stream->view_size < RELAIS_STREAM_HIGH_BYTES);
}

static guint32
wanted_events (const RelaisStream *stream)
{
    guint32 events = 0;

    switch (stream->state) {
    case STREAM_CONNECTING: return EPOLLOUT;
    case STREAM_DRAINING: return stream->blocked ? EPOLLOUT : 0;
    case STREAM_HANDSHAKE:
        if (stream->waits != NULL)
            return 0;
        return stream->read_wants_write ? EPOLLOUT : EPOLLIN;
    case STREAM_ENDED: return 0;
    case STREAM_CLEAR:
    case STREAM_TLS: break;
    }
    if (wants_input (stream))
        events |= EPOLLIN;
    if (stream->blocked)
        events |= stream->write_wants_read ? EPOLLIN : EPOLLOUT;
    if (stream->read_wants_write)
        events |= EPOLLOUT;
    return events;
}

void
relais_stream_update_watch (RelaisStream *stream)
{
    guint32 events = wanted_events (stream);

    if (stream->io != NULL)
        relais_io_set_events (stream->io, events);
    else if (events != 0 && stream->error == NULL) {
        stream->io =
            relais_io_new (stream->hub->loop, stream->fd, events, on_event, stream, &stream->error);
        if (stream->io == NULL)
            relais_stream_kick (stream);
    }
}

/* A hang-up is told again and again, whatever is watched; who wants nothing of it stops looking. */
static void
unwatch_if_idle (RelaisStream *stream, guint32 events)
{
    if ((events & (EPOLLHUP | EPOLLERR)) != 0 && wanted_events (stream) == 0)
        g_clear_pointer (&stream->io, relais_io_free);
}

/* --- Telling the owner ------------------------------------------------------------------------ */

void
relais_stream_tell_ready (RelaisStream *stream, GError *error)
{
    if (error != NULL) {
        stream->state = STREAM_ENDED;
        g_clear_pointer (&stream->io, relais_io_free);
        relais_stream_drop_output (stream);
    } else {
        stream->state = stream->ssl != NULL ? STREAM_TLS : STREAM_CLEAR;
        if (stream->out_end > stream->out_start)
            relais_stream_mark_dirty (stream);
        relais_stream_update_watch (stream);
    }
    stream->told |= error != NULL;
    if (stream->callbacks != NULL && stream->callbacks->ready != NULL)
        stream->callbacks->ready (stream, error, stream->data);
    else if (stream->callbacks != NULL && error != NULL)
        stream->callbacks->closed (stream, error, stream->data);
    g_clear_error (&error);
}

void
relais_stream_tell_closed (RelaisStream *stream, GError *error)
{
    if (error != NULL) {
        stream->state = STREAM_ENDED;
        g_clear_pointer (&stream->io, relais_io_free);
        relais_stream_drop_output (stream);
    } else {
        stream->eof = true;
        relais_stream_update_watch (stream);
    }
    if (stream->finishing) {
        if (error != NULL || stream->out_end == stream->out_start)
            relais_stream_free (stream);
    } else if (!stream->told && stream->callbacks != NULL) {
        stream->told = true;
        stream->callbacks->closed (stream, error, stream->data);
    }
    g_clear_error (&error);
}

/* --- Input ------------------------------------------------------------------------------------ */

static bool
view_in_scratch (const RelaisStream *stream)
{
    const guint8 *scratch = stream->hub->scratch;

    return stream->view >= scratch && stream->view < scratch + STREAM_SCRATCH_BYTES;
}

static void
drop_kept_if_empty (RelaisStream *stream)
{
    if (stream->view_size > 0)
        return;
    stream->view = NULL;
    g_clear_pointer (&stream->kept, g_free);
    stream->kept_capacity = 0;
}

/* Moves what waits to the head of a buffer of the stream's own, with room for `room` more. */
static void
keep_view (RelaisStream *stream, gsize room)
{
    gsize needed = stream->view_size + room;

    if (stream->view_size > 0 && !view_in_scratch (stream))
        memmove (stream->kept, stream->view, stream->view_size);
    if (needed > stream->kept_capacity) {
        stream->kept_capacity = MAX (needed, 64);
        stream->kept = g_realloc (stream->kept, stream->kept_capacity);
    }
    if (stream->view_size > 0 && view_in_scratch (stream))
        memcpy (stream->kept, stream->view, stream->view_size);
    stream->view = stream->kept;
}

static StreamIoResult
read_clear (RelaisStream *stream, guint8 *to, gsize room, gsize *got, GError **error)
{
    gssize n;

    do
        n = recv (stream->fd, to, room, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        *got = (gsize)n;
        stream->clear_in += (guint64)n;
        return STREAM_IO_DONE;
    }
    if (n == 0)
        return STREAM_IO_END;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return STREAM_IO_AGAIN;
    g_set_error (error, G_IO_ERROR, (gint)g_io_error_from_errno (errno), "cannot read: %s",
                 g_strerror (errno));
    return STREAM_IO_FAILED;
}

/* Reads once behind what waits. A short lead is moved into the scratch, so that the common case (a
 * command split over two reads) needs no growing buffer. */
static StreamIoResult
read_once (RelaisStream *stream, gsize *got, GError **error)
{
    const gsize room = STREAM_READ_BYTES + STREAM_RECORD_BYTES;
    gsize lead = stream->view_size;
    guint8 *to = stream->hub->scratch;
    StreamIoResult result;

    if (lead > STREAM_LEAD_BYTES) {
        keep_view (stream, room);
        to = stream->kept;
    }
    result = stream->ssl != NULL ? relais_stream_tls_read (stream, to + lead, room, got, error)
                                 : read_clear (stream, to + lead, STREAM_READ_BYTES, got, error);
    if (result != STREAM_IO_DONE)
        return result;
    if (lead > 0 && to != stream->kept)
        memcpy (to, stream->view, lead);
    stream->view = to;
    stream->view_size = lead + *got;
    return result;
}

static bool
may_give_input (const RelaisStream *stream)
{
    return !stream->freed && !stream->paused && !stream->told && stream->callbacks != NULL &&
           (stream->state == STREAM_CLEAR || stream->state == STREAM_TLS);
}

static void
give_input (RelaisStream *stream)
{
    stream->resumed = false;
    stream->callbacks->input (stream, stream->data);
    if (stream->freed)
        return;
    if (stream->view_size == 0)
        drop_kept_if_empty (stream);
    else if (view_in_scratch (stream))
        keep_view (stream, 0);
}

static void
read_and_give (RelaisStream *stream)
{
    for (int i = 0; i < READS_PER_EVENT && may_give_input (stream) && wants_input (stream); i++) {
        GError *error = NULL;
        gsize got = 0;

        stream->more = false;
        switch (read_once (stream, &got, &error)) {
        case STREAM_IO_DONE: give_input (stream); break;
        case STREAM_IO_AGAIN: break;
        case STREAM_IO_END:
        case STREAM_IO_FAILED: relais_stream_tell_closed (stream, error); return;
        }
        if (!stream->more)
            break;
    }
    if (stream->more && may_give_input (stream) && wants_input (stream))
        relais_stream_kick (stream);
    else if (!stream->freed)
        relais_stream_update_watch (stream);
}

void
relais_stream_read_last (RelaisStream *stream)
{
    stream->more = true;
    while (stream->more && may_give_input (stream) && wants_input (stream))
        read_and_give (stream);
}

/* Nobody reads what comes now; it is taken so that our close does not turn into a reset. */
static void
read_and_drop (RelaisStream *stream)
{
    gssize n = recv (stream->fd, stream->hub->scratch, STREAM_SCRATCH_BYTES, MSG_DONTWAIT);

    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
        return;
    stream->eof = true;
    if (n < 0 || stream->out_end == stream->out_start)
        relais_stream_free (stream);
    else
        relais_stream_update_watch (stream);
}

/* --- Events ----------------------------------------------------------------------------------- */

static void
dispatch_open (RelaisStream *stream, guint32 events)
{
    const guint32 readable = EPOLLIN | EPOLLHUP | EPOLLERR;
    bool read_too = (events & readable) != 0 || stream->read_wants_write;

    if ((events & EPOLLOUT) != 0 || (stream->blocked && stream->write_wants_read)) {
        stream->read_wants_write = false;
        stream->blocked = false;
        relais_stream_flush (stream);
    }
    if (stream->freed || stream->state == STREAM_ENDED)
        return;
    if (read_too && stream->finishing)
        read_and_drop (stream);
    else if (read_too && may_give_input (stream) && wants_input (stream))
        read_and_give (stream);
    else
        relais_stream_update_watch (stream);
    if (!stream->freed)
        unwatch_if_idle (stream, events);
}

static void
on_event (gpointer data, guint32 events)
{
    RelaisStream *stream = data;

    relais_stream_ref (stream);
    stream->hub->in_events = true;
    switch (stream->state) {
    case STREAM_CONNECTING: relais_stream_connect_step (stream); break;
    case STREAM_HANDSHAKE:
        relais_stream_handshake_ready (stream);
        if (!stream->freed && stream->state == STREAM_HANDSHAKE)
            unwatch_if_idle (stream, events);
        break;
    case STREAM_DRAINING:
        stream->blocked = false;
        relais_stream_flush (stream);
        if (!stream->freed && stream->state == STREAM_DRAINING)
            unwatch_if_idle (stream, events);
        break;
    case STREAM_CLEAR:
    case STREAM_TLS: dispatch_open (stream, events); break;
    case STREAM_ENDED: break;
    }
    stream->hub->in_events = false;
    relais_stream_unref (stream);
}

void
relais_stream_kicked (RelaisStream *stream)
{
    relais_stream_ref (stream);
    if (stream->state == STREAM_CONNECTING)
        relais_stream_connect_step (stream);
    else if (stream->state == STREAM_DRAINING || stream->state == STREAM_HANDSHAKE) {
        if (stream->error != NULL)
            relais_stream_tell_ready (stream, g_steal_pointer (&stream->error));
    } else if (stream->error != NULL && !stream->told)
        relais_stream_tell_closed (stream, g_steal_pointer (&stream->error));
    else {
        if (stream->resumed && stream->view_size > 0 && may_give_input (stream))
            give_input (stream);
        if (stream->more && may_give_input (stream))
            read_and_give (stream);
        else if (!stream->freed)
            relais_stream_update_watch (stream);
    }
    relais_stream_unref (stream);
}

/* --- What the owner asks ---------------------------------------------------------------------- */

const guint8 *
relais_stream_peek (RelaisStream *stream, gsize *size)
{
    *size = stream->view_size;
    return stream->view;
}

void
relais_stream_consume (RelaisStream *stream, gsize size)
{
    bool was_full = stream->view_size >= RELAIS_STREAM_HIGH_BYTES;

    g_assert (size <= stream->view_size);
    stream->view += size;
    stream->view_size -= size;
    if (stream->view_size == 0 && !view_in_scratch (stream))
        drop_kept_if_empty (stream);
    if (was_full && stream->view_size < RELAIS_STREAM_HIGH_BYTES && !stream->freed) {
        relais_stream_update_watch (stream);
        if (stream->more)
            relais_stream_kick (stream);
    }
}

gsize
relais_stream_discard_input (RelaisStream *stream)
{
    gsize size = stream->view_size;

    relais_stream_consume (stream, size);
    return size;
}

void
relais_stream_pause (RelaisStream *stream, bool paused)
{
    if (stream->paused == paused || stream->finishing)
        return;
    /* Pausing costs nothing: the watch is taken back when the next event comes. */
    stream->paused = paused;
    if (paused || stream->state == STREAM_ENDED)
        return;
    stream->resumed = stream->view_size > 0;
    if (stream->resumed || stream->more)
        relais_stream_kick (stream);
    relais_stream_update_watch (stream);
}

/* --- Addresses -------------------------------------------------------------------------------- */

static char *
address_text (const struct sockaddr *address)
{
    return address->sa_family == AF_UNIX ? g_strdup ("unix") : relais_address_to_text (address);
}

void
relais_stream_set_peer (RelaisStream *stream, const struct sockaddr *peer)
{
    stream->is_unix = peer->sa_family == AF_UNIX;
    stream->peer_text = address_text (peer);
    stream->peer_port = relais_address_port (peer);
}

const char *
relais_stream_peer_address (const RelaisStream *stream)
{
    return stream->peer_text;
}

guint16
relais_stream_peer_port (const RelaisStream *stream)
{
    return stream->peer_port;
}

/* Asked for rarely, so it is looked up when it is; the cache is no change that others could see. */
const char *
relais_stream_local_address (const RelaisStream *stream)
{
    RelaisStream *self = (RelaisStream *)stream;
    struct sockaddr_storage local = {0};
    socklen_t size = sizeof local;

    if (self->local_text != NULL)
        return self->local_text;
    if (getsockname (self->fd, (struct sockaddr *)&local, &size) < 0)
        return "unknown";
    self->local_text = address_text ((const struct sockaddr *)&local);
    return self->local_text;
}
