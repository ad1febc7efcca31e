/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The message on its way from the rope to the stream: what lies in memory straight from where it
 * lies, what lies on disk through chunks that the pool reads, one ahead of the one being sent. Owns
 * the chunks and the read under way.
 *
 * In BDAT (RFC 3030) the message is one chunk, the last, whose size is told before, wherever it lies.
 *
 * Loop thread, but for read_chunk (). Must never write the final dot behind anything but the whole
 * message.
 */
#include "config.h"

#include "smtp/client-state-private.h"

enum {
    STEP_BYTES = 64 * 1024,
    CHUNK_BYTES = 256 * 1024,
    PRECHECK_BYTES = 256 * 1024,
    RETRY_US = 10 * 1000 /* after the pool had no place */
};

/* A read may outlive the client: it holds the rope, and is told when the client goes. */
struct SmtpRead {
    RelaisSmtpClient *client; /* loop's; NULL once nobody waits */
    RelaisRope *rope;
    guint64 offset;
    gsize size;
    guint8 *bytes;
    GError *error;
};

static void
free_read (SmtpRead *read)
{
    relais_rope_unref (read->rope);
    g_free (read->bytes);
    g_clear_error (&read->error);
    g_free (read);
}

static void
clear_chunk (SmtpChunk *chunk)
{
    g_free (chunk->bytes);
    *chunk = (SmtpChunk){0};
}

void
smtp_body_clear (RelaisSmtpClient *client, SmtpBody *body)
{
    relais_timer_stop (&client->retry);
    clear_chunk (&body->current);
    clear_chunk (&body->ahead);
    if (body->reading != NULL)
        body->reading->client = NULL;
    body->reading = NULL;
}

/* --- The guard before DATA -------------------------------------------------------------------- */

static void
emit_nothing (gpointer data, const guint8 *bytes, gsize size)
{
}

bool
smtp_body_is_clean (const RelaisRope *rope)
{
    const guint64 size = relais_rope_size (rope);
    RelaisDotStuff stuff = {0};
    guint64 offset = 0;

    if (size > PRECHECK_BYTES || !relais_rope_in_memory (rope))
        return true; /* found while it is sent, at the price of the connection */
    while (offset < size) {
        const guint8 *bytes;
        gsize n = relais_rope_peek (rope, offset, &bytes);

        if (n == 0)
            return true;
        if (!relais_dot_stuff (&stuff, bytes, n, emit_nothing, NULL))
            return false;
        offset += n;
    }
    return relais_dot_stuff_end (&stuff, emit_nothing, NULL);
}

bool
smtp_body_ends_a_line (const RelaisRope *rope)
{
    const guint64 size = relais_rope_size (rope);
    const guint8 *cr, *lf;

    return size >= 2 && relais_rope_peek (rope, size - 2, &cr) > 0 &&
           relais_rope_peek (rope, size - 1, &lf) > 0 && *cr == '\r' && *lf == '\n';
}

/* --- Reading from disk ------------------------------------------------------------------------ */

static void
read_chunk (gpointer data)
{
    SmtpRead *read = data;
    gsize done = 0;

    while (done < read->size) {
        gssize n = relais_rope_read (read->rope, read->offset + done, read->bytes + done,
                                     read->size - done, &read->error);

        if (n < 0)
            return;
        if (n == 0)
            break;
        done += (gsize)n;
    }
    read->size = done;
}

static void
on_read (gpointer data)
{
    SmtpRead *read = data;
    RelaisSmtpClient *client = read->client;

    if (client != NULL) {
        SmtpBody *body = &client->tx->body;

        smtp_client_ref (client);
        body->reading = NULL;
        if (read->error != NULL || read->size == 0) {
            smtp_client_refuse (client, RELAIS_REFUSED_READ, "cannot read the message: %s",
                                read->error != NULL ? read->error->message : "it is cut short");
        } else {
            body->ahead = (SmtpChunk){g_steal_pointer (&read->bytes), read->offset, read->size};
            smtp_body_pump (client);
        }
        smtp_client_unref (client);
    }
    free_read (read);
}

/* Has the pool read on, if what follows is not in memory and no chunk waits already. */
static void
read_ahead (RelaisSmtpClient *client)
{
    SmtpTransaction *tx = client->tx;
    SmtpBody *body = &tx->body;
    guint64 from = MAX (body->offset, body->current.offset + body->current.size);
    const guint8 *bytes;
    SmtpRead *read;

    if (body->reading != NULL || body->ahead.size > 0 || from >= body->size ||
        relais_rope_peek (tx->rope, from, &bytes) > 0)
        return;
    read = g_new0 (SmtpRead, 1);
    read->client = client;
    read->rope = relais_rope_ref (tx->rope);
    read->offset = from;
    read->size = (gsize)MIN (body->size - from, CHUNK_BYTES);
    read->bytes = g_malloc (read->size);
    if (relais_pool_run (client->pool, read_chunk, on_read, read)) {
        body->reading = read;
        return;
    }
    free_read (read);
    relais_timer_set (&client->retry, RETRY_US);
}

/* --- Sending ---------------------------------------------------------------------------------- */

static bool
chunk_covers (const SmtpChunk *chunk, guint64 offset)
{
    return chunk->size > 0 && offset >= chunk->offset && offset - chunk->offset < chunk->size;
}

/* The bytes to send next; 0 when they must be read first. */
static gsize
next_bytes (SmtpTransaction *tx, const guint8 **bytes)
{
    SmtpBody *body = &tx->body;
    gsize skip;

    if (!chunk_covers (&body->current, body->offset)) {
        clear_chunk (&body->current);
        if (chunk_covers (&body->ahead, body->offset)) {
            body->current = body->ahead;
            body->ahead = (SmtpChunk){0};
        }
    }
    if (body->current.size == 0)
        return relais_rope_peek (tx->rope, body->offset, bytes);
    skip = (gsize)(body->offset - body->current.offset);
    *bytes = body->current.bytes + skip;
    return body->current.size - skip;
}

static void
emit_to_stream (gpointer data, const guint8 *bytes, gsize size)
{
    RelaisSmtpClient *client = data;

    client->tx->body.room = relais_stream_write (client->stream, bytes, size);
}

/* Hands on some octets; false if a bare CR or LF is among them. In a chunk they go as they are, but the
 * same check holds: the next hop may well send them on by DATA. A chunk that is cut short is no message.
 * */
static bool
pass_on (RelaisSmtpClient *client, const guint8 *bytes, gsize size)
{
    SmtpTransaction *tx = client->tx;

    if (!tx->chunked)
        return relais_dot_stuff (&tx->body.stuff, bytes, size, emit_to_stream, client);
    if (!relais_dot_stuff (&tx->body.stuff, bytes, size, emit_nothing, NULL))
        return false;
    emit_to_stream (client, bytes, size);
    return true;
}

static void
refuse_line_ends (RelaisSmtpClient *client)
{
    smtp_client_refuse (client, RELAIS_REFUSED_LINE_ENDS, "the message holds a bare CR or LF");
}

static void
end_body (RelaisSmtpClient *client)
{
    SmtpBody *body = &client->tx->body;

    /* A reply that came, or began, before the dot must not be taken for the answer to it. */
    if (smtp_client_input_waits (client))
        return;
    if (!relais_dot_stuff_end (&body->stuff, client->tx->chunked ? emit_nothing : emit_to_stream,
                               client)) {
        refuse_line_ends (client);
        return;
    }
    client->owed += smtp_transaction_n_final (client);
    smtp_client_set_phase (client, RELAIS_PHASE_DOT);
}

void
smtp_body_pump (RelaisSmtpClient *client)
{
    SmtpTransaction *tx = client->tx;
    SmtpBody *body = &tx->body;

    body->room = relais_stream_unwritten (client->stream) < RELAIS_STREAM_HIGH_BYTES;
    while (body->room && body->offset < body->size) {
        const guint8 *bytes;
        gsize size = MIN (next_bytes (tx, &bytes), STEP_BYTES);

        if (size == 0)
            break;
        size = (gsize)MIN (size, body->size - body->offset);
        if (!pass_on (client, bytes, size)) {
            refuse_line_ends (client);
            return;
        }
        body->offset += size;
    }
    if (body->offset == body->size)
        end_body (client);
    else
        read_ahead (client);
}

void
smtp_body_start (RelaisSmtpClient *client)
{
    SmtpBody *body = &client->tx->body;

    body->size = relais_rope_size (client->tx->rope);
    if (client->tx->chunked)
        relais_stream_printf (client->stream, "BDAT %" G_GUINT64_FORMAT " LAST\r\n", body->size);
    body->written_mark = relais_stream_bytes_out (client->stream);
    smtp_body_pump (client);
}
