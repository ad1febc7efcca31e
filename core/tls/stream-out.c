/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A stream's output: the buffer, its writing at the end of the turn, the high and low marks, and the
 * orderly end. Loop thread only; relais_stream_write () sends large pieces at once but never calls back,
 * what it leads to is told when the hub flushes.
 */
#include "config.h"

#include "tls/stream-struct-private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { OUT_FIRST_BYTES = 512, OUT_DIRECT_BYTES = 16 * 1024 };

gsize
relais_stream_unwritten (const RelaisStream *stream)
{
    return stream->out_end - stream->out_start;
}

void
relais_stream_drop_output (RelaisStream *stream)
{
    g_clear_pointer (&stream->out, g_free);
    stream->out_start = stream->out_end = stream->out_capacity = stream->clear_left = 0;
    stream->blocked = stream->above_high = false;
}

static void
make_room (RelaisStream *stream, gsize size)
{
    gsize waiting = relais_stream_unwritten (stream);

    if (stream->out_capacity - stream->out_end >= size)
        return;
    if (stream->out_start > 0) {
        memmove (stream->out, stream->out + stream->out_start, waiting);
        stream->out_start = 0;
        stream->out_end = waiting;
    }
    if (stream->out_capacity - waiting >= size)
        return;
    stream->out_capacity = MAX (MAX (waiting + size, stream->out_capacity * 2), OUT_FIRST_BYTES);
    stream->out = g_realloc (stream->out, stream->out_capacity);
}

static void
take_out (RelaisStream *stream, gsize size)
{
    stream->out_start += size;
    if (stream->out_start < stream->out_end || stream->out == NULL)
        return;
    g_clear_pointer (&stream->out, g_free);
    stream->out_start = stream->out_end = stream->out_capacity = 0;
}

/* A large piece goes out from where it lies, behind the little that waits; returns how much of it went. What is
 * left, and an error, are the next flush's. No more than the high mark goes so in a turn: others wait. */
static gsize
write_direct (RelaisStream *stream, gconstpointer bytes, gsize size)
{
    const gsize waiting = relais_stream_unwritten (stream);
    struct iovec parts[2] = {
        {stream->out != NULL ? stream->out + stream->out_start : NULL, waiting},
        {(gpointer)bytes, size},
    };
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = G_N_ELEMENTS (parts)};
    gssize n;

    if (size < OUT_DIRECT_BYTES || waiting >= OUT_DIRECT_BYTES || stream->blocked ||
        stream->state != STREAM_CLEAR)
        return 0;
    n = sendmsg (stream->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n <= 0)
        return 0;
    stream->clear_out += (guint64)n;
    stream->sent_direct += (gsize)n;
    take_out (stream, MIN ((gsize)n, waiting));
    return (gsize)n - MIN ((gsize)n, waiting);
}

bool
relais_stream_write (RelaisStream *stream, gconstpointer bytes, gsize size)
{
    gsize gone;

    if (size == 0 || stream->freed || stream->finishing || stream->state == STREAM_ENDED)
        return relais_stream_unwritten (stream) < RELAIS_STREAM_HIGH_BYTES;
    gone = write_direct (stream, bytes, size);
    if (gone < size) {
        make_room (stream, size - gone);
        memcpy (stream->out + stream->out_end, (const guint8 *)bytes + gone, size - gone);
        stream->out_end += size - gone;
    }
    if (relais_stream_unwritten (stream) + stream->sent_direct >= RELAIS_STREAM_HIGH_BYTES)
        stream->above_high = true;
    if (!stream->blocked && (stream->state == STREAM_CLEAR || stream->state == STREAM_TLS))
        relais_stream_mark_dirty (stream);
    return !stream->above_high;
}

bool
relais_stream_printf (RelaisStream *stream, const char *format, ...)
{
    g_autofree char *text = NULL;
    char small[512];
    va_list args;
    int size;

    va_start (args, format);
    size = vsnprintf (small, sizeof small, format, args);
    va_end (args);
    if (size < 0 || (gsize)size < sizeof small)
        return relais_stream_write (stream, small, (gsize)MAX (size, 0));
    va_start (args, format);
    text = g_strdup_vprintf (format, args);
    va_end (args);
    return relais_stream_write (stream, text, strlen (text));
}

static StreamIoResult
write_clear (RelaisStream *stream, const guint8 *from, gsize size, gsize *taken, GError **error)
{
    gssize n;

    do
        n = send (stream->fd, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n >= 0) {
        *taken = (gsize)n;
        stream->clear_out += (guint64)n;
        return (gsize)n < size ? STREAM_IO_AGAIN : STREAM_IO_DONE;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return STREAM_IO_AGAIN;
    g_set_error (error, G_IO_ERROR, (gint)g_io_error_from_errno (errno), "cannot write: %s",
                 g_strerror (errno));
    return STREAM_IO_FAILED;
}

/* Our side is done: tells the peer so and waits for its end, which read_and_drop () meets. */
static void
shut_down (RelaisStream *stream)
{
    if (stream->shut)
        return;
    stream->shut = true;
    relais_stream_tls_end (stream);
    (void)shutdown (stream->fd, SHUT_WR);
    if (stream->eof)
        relais_stream_free (stream);
    else
        relais_stream_update_watch (stream);
}

static void
after_flush (RelaisStream *stream)
{
    bool fell = stream->above_high && relais_stream_unwritten (stream) < RELAIS_STREAM_LOW_BYTES;

    if (stream->state == STREAM_DRAINING && stream->clear_left == 0) {
        relais_stream_begin_handshake (stream);
        return;
    }
    relais_stream_update_watch (stream);
    if (stream->finishing && relais_stream_unwritten (stream) == 0) {
        shut_down (stream);
        return;
    }
    if (!fell)
        return;
    stream->above_high = false;
    if (!stream->told && stream->callbacks != NULL && stream->callbacks->drained != NULL)
        stream->callbacks->drained (stream, stream->data);
}

/* The peer may have said why before it went (a 421, a 552): what it sent is shown first. */
static void
fail_output (RelaisStream *stream, GError *error)
{
    relais_stream_drop_output (stream);
    if (stream->state == STREAM_DRAINING) {
        relais_stream_tell_ready (stream, error);
        return;
    }
    if (stream->finishing || stream->told) {
        relais_stream_tell_closed (stream, error);
        return;
    }
    relais_stream_read_last (stream);
    if (stream->freed || stream->told)
        g_error_free (error);
    else
        relais_stream_tell_closed (stream, error);
}

void
relais_stream_flush (RelaisStream *stream)
{
    gsize size = relais_stream_unwritten (stream);
    gsize taken = 0;
    GError *error = NULL;
    StreamIoResult result = STREAM_IO_DONE;

    if (stream->state == STREAM_DRAINING)
        size = stream->clear_left;
    else if (stream->state != STREAM_CLEAR && stream->state != STREAM_TLS)
        return;
    stream->sent_direct = 0;
    relais_stream_ref (stream);
    if (size > 0 && stream->state == STREAM_TLS)
        result =
            relais_stream_tls_write (stream, stream->out + stream->out_start, size, &taken, &error);
    else if (size > 0)
        result = write_clear (stream, stream->out + stream->out_start, size, &taken, &error);
    take_out (stream, taken);
    stream->clear_left -= MIN (taken, stream->clear_left);
    stream->blocked = result == STREAM_IO_AGAIN;
    if (result == STREAM_IO_FAILED)
        fail_output (stream, error);
    else
        after_flush (stream);
    relais_stream_unref (stream);
}

static void
on_linger_over (gpointer data)
{
    relais_stream_free (data);
}

void
relais_stream_finish (RelaisStream *stream, gint64 linger_us)
{
    if (stream == NULL || stream->freed || stream->finishing)
        return;
    if (stream->state == STREAM_DRAINING) {
        /* The handshake will not be: only what belongs before it goes out. */
        stream->state = STREAM_CLEAR;
        stream->out_end = stream->out_start + stream->clear_left;
    }
    if (stream->state != STREAM_CLEAR && stream->state != STREAM_TLS) {
        relais_stream_free (stream);
        return;
    }
    stream->callbacks = NULL;
    relais_stream_linger (stream);
    stream->finishing = true;
    stream->view = NULL;
    stream->view_size = 0;
    g_clear_pointer (&stream->kept, g_free);
    stream->kept_capacity = 0;
    relais_timer_init (&stream->linger, stream->hub->loop, on_linger_over, stream);
    relais_timer_set (&stream->linger, linger_us);
    relais_stream_mark_dirty (stream);
}
