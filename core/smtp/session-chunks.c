/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * BDAT (RFC 3030): message data in chunks of announced size. Whether a chunk is wanted or not, the
 * octets it announced are read as such and never as commands; a refused one takes the transaction
 * with it, so nothing is left to which later chunks could be added. The framing goes on over the
 * ends of chunks: a CRLF may be cut there, a CR or LF alone is what it is in DATA. Loop thread.
 */
#include "config.h"

#include "smtp/session-private.h"

static const RelaisServerReply syntax = {501, "5.5.4", "use BDAT SIZE or BDAT SIZE LAST"};
static const RelaisServerReply bad_sequence = {503, "5.5.1", "bad sequence of commands"};
static const RelaisServerReply chunk_taken = {250, "2.0.0", "chunk taken"};

const RelaisServerReply *
relais_check_bdat (RelaisSession *session, const char *args, gsize size)
{
    return relais_command_parse_bdat (args, size, &session->command.chunk_bytes,
                                      &session->command.last_chunk)
               ? NULL
               : &syntax;
}

/* Whether with this chunk there would be more than `limit`. */
static bool
exceeds (const RelaisSession *session, guint64 limit)
{
    guint64 sum;

    return !g_uint64_checked_add (&sum, session->chunk.left_bytes,
                                  session->tx != NULL ? session->tx->received_bytes : 0) ||
           sum > limit;
}

static const RelaisServerReply *
find_refusal (RelaisSession *session)
{
    switch (session->state) {
    case RELAIS_SESSION_RCPT:
        return relais_session_spool_refusal (
            session, MAX (session->tx->declared_bytes, session->chunk.left_bytes));
    case RELAIS_SESSION_CHUNKS: return NULL;
    case RELAIS_SESSION_MAIL: return &relais_reply_no_recipients;
    default: return &bad_sequence;
    }
}

static void
begin_chunk (RelaisSession *session)
{
    RelaisSessionChunk *chunk = &session->chunk;

    if (chunk->refusal != NULL) {
        relais_session_end_transaction (session);
        session->unpaid_bytes = 0;
        relais_session_set_deadline (session, session->settings->limits.data_timeout);
    } else if (session->state == RELAIS_SESSION_RCPT) {
        relais_framing_init_chunks (&session->tx->framing, session->listener->normalise);
        relais_session_begin_data (session);
    }
    if (session->tx != NULL && exceeds (session, (guint64)session->settings->limits.message_size))
        relais_transaction_fail (session->tx, &relais_reply_too_big);
    relais_session_set_state (session, RELAIS_SESSION_CHUNK);
}

/* Who announces twice as much as we take will not be waited for. */
void
relais_proceed_bdat (RelaisSession *session, const RelaisHookResult *result)
{
    RelaisSessionChunk *chunk = &session->chunk;

    *chunk = (RelaisSessionChunk){
        .left_bytes = session->command.chunk_bytes,
        .last = session->command.last_chunk,
        .after =
            session->state == RELAIS_SESSION_START ? RELAIS_SESSION_START : RELAIS_SESSION_READY,
    };
    if (exceeds (session, 2 * (guint64)session->settings->limits.message_size)) {
        relais_session_reply_and_finish (session, &relais_reply_too_big);
        return;
    }
    chunk->refusal = find_refusal (session);
    begin_chunk (session);
}

static void
end_last_chunk (RelaisSession *session)
{
    RelaisTransaction *tx = session->tx;

    if (relais_framing_end (&tx->framing, relais_session_append_data, session) ==
        RELAIS_FRAMING_BARE) {
        session->server->figures.rejected_total++;
        relais_session_reply_and_finish (session, &relais_reply_bare_newline);
        return;
    }
    tx->stalled = false;
    relais_session_run_step (session, &relais_step_end_of_data, NULL, 0);
}

static void
end_chunk (RelaisSession *session)
{
    const RelaisServerReply *refusal = session->chunk.refusal;

    if (refusal != NULL) {
        relais_session_set_state (session, session->chunk.after);
        relais_session_reply (session, refusal);
    } else if (session->chunk.last)
        end_last_chunk (session);
    else if (session->tx->failure != NULL) {
        refusal = session->tx->failure;
        relais_session_drop_transaction (session);
        relais_session_reply (session, refusal);
    } else {
        relais_session_set_state (session, RELAIS_SESSION_CHUNKS);
        relais_session_reply (session, &chunk_taken);
    }
}

/* False, and the session has ended, if a CR or LF stands alone. */
static bool
decode (RelaisSession *session, const guint8 *bytes, gsize size)
{
    gsize used = 0;

    if (relais_framing_decode (&session->tx->framing, bytes, size, &used,
                               relais_session_append_data, session) != RELAIS_FRAMING_BARE)
        return true;
    session->server->figures.rejected_total++;
    relais_session_reply_and_finish (session, &relais_reply_bare_newline);
    return false;
}

bool
relais_session_take_chunk (RelaisSession *session)
{
    RelaisSessionChunk *chunk = &session->chunk;
    gsize size;
    const guint8 *bytes = relais_stream_peek (session->stream, &size);

    size = (gsize)MIN (size, chunk->left_bytes);
    if (size == 0 && chunk->left_bytes > 0)
        return false;
    if (chunk->refusal == NULL && !decode (session, bytes, size))
        return false;
    relais_stream_consume (session->stream, size);
    relais_session_pay (session, size);
    chunk->left_bytes -= size;
    if (chunk->left_bytes == 0)
        end_chunk (session);
    return true;
}
