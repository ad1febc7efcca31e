/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The message as a milter is shown it: read on a worker a piece at a time, shown by the loop.
 */
#include "call.h"

#include <string.h>

/* Where the body begins; 0 if the header has no end in it. */
static guint64
header_end (const guint8 *bytes, gsize size)
{
    const guint8 *at = bytes;
    const guint8 *stop = bytes + size;

    if (size >= 2 && memcmp (bytes, "\r\n", 2) == 0)
        return 2;
    while (stop - at >= 4 && (at = memchr (at, '\r', (gsize)(stop - at) - 3)) != NULL) {
        if (memcmp (at, "\r\n\r\n", 4) == 0)
            return (guint64)(at - bytes) + 4;
        at++;
    }
    return 0;
}

static void
take_header (MilterCall *call)
{
    guint64 end = header_end (call->buffer, (gsize)call->n_read);

    if (end == 0 && (guint64)call->n_read < relais_original_get_size (call->original)) {
        milter_call_fail (call, "the header of a message is too large to be shown");
        return;
    }
    if (end == 0)
        end = (guint64)call->n_read; /* nothing but a header */
    call->header = g_byte_array_append (g_byte_array_new (), call->buffer, (guint)end);
    call->body_begin = end;
    milter_call_next_step (call);
}

static void
on_drained (RelaisChannel *channel, RelaisChannelOutcome outcome, const gchar *bytes, guint64 size,
            gpointer data)
{
    MilterSession *session = data;

    if (outcome == RELAIS_CHANNEL_OK)
        milter_call_next_step (session->call);
    else
        milter_call_lost (session->call, outcome);
}

static void
take_chunk (MilterCall *call)
{
    MilterLink *link = milter_call_get_link (call);
    g_autoptr (GByteArray) out = g_byte_array_new ();
    const guint begin = milter_packet_begin (out, 'B');

    g_byte_array_append (out, call->buffer, (guint)call->n_read);
    milter_packet_end (out, begin);
    call->body_at += (guint64)call->n_read;
    if (!relais_channel_write (link->channel, (const char *)out->data, out->len))
        milter_call_fail (call, "does not take a message");
    else if ((link->steps & MILTER_NR_BODY) != 0)
        relais_channel_drain (link->channel, milter_call_time_left (call), on_drained,
                              link->session);
    else
        milter_call_await (call);
}

static void
read_work (gpointer data)
{
    MilterCall *call = data;
    const guint64 offset = call->header == NULL ? 0 : call->body_begin + call->body_at;

    call->n_read =
        relais_original_read (call->original, offset, call->buffer, (guint64)call->n_read, NULL);
}

static void
read_done (gpointer data)
{
    MilterCall *call = data;

    if (call->session == NULL)
        ; /* the client has gone */
    else if (call->n_read < 0)
        milter_call_refuse (call, false, 451, "4.3.0", "The message cannot be read now");
    else if (call->header == NULL)
        take_header (call);
    else if (call->n_read == 0) {
        call->step++;
        milter_call_next_step (call);
    } else
        take_chunk (call);
    milter_call_unref (call);
}

static void
read_piece (MilterCall *call, guint64 size)
{
    g_free (call->buffer);
    call->buffer = g_malloc (MAX (size, 1));
    call->n_read = (gint64)size;
    if (!relais_worker_run (call->self->module, read_work, read_done, milter_call_ref (call))) {
        milter_call_unref (call);
        milter_call_refuse (call, false, 451, "4.3.0", "Too busy to filter the message now");
    }
}

void
milter_call_send_body (MilterCall *call)
{
    const guint64 most = milter_call_get_link (call)->server->max_body;
    const guint64 left = most == 0 ? MILTER_CHUNK_BYTES : most - MIN (most, call->body_at);

    if (call->skip_body || left == 0) {
        call->step++;
        milter_call_next_step (call);
    } else
        read_piece (call, MIN (left, MILTER_CHUNK_BYTES));
}

void
milter_call_read_header (MilterCall *call)
{
    read_piece (call, MILTER_HEADER_BYTES);
}
