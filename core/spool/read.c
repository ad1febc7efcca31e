/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading one message back from where it lies: its record, its newest state, and what the two say.
 * What is held stays where it is until it is released; between the two nothing here takes a lock.
 *
 * Any thread that may block.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "spool/read.h"

/* --- Places ------------------------------------------------------------------------------------- */

bool
relais_where_hold (RelaisSpool *spool, guint64 id, RelaisWhere *where)
{
    const RelaisIndexEntry *entry = relais_index_find (spool->index, id);
    RelaisSegment *segment;

    *where = (RelaisWhere){.id = id};
    if (entry != NULL && !entry->dying) {
        where->message = (RelaisPlace){entry->message_segment, entry->message_offset};
        segment = relais_ledger_segment (spool, entry->message_segment);
        where->message_framing = segment->framing;
        segment->refs++;
    }
    if (where->message.segment != 0 && entry->state_segment != 0) {
        where->state = (RelaisPlace){entry->state_segment, entry->state_offset};
        segment = relais_ledger_segment (spool, entry->state_segment);
        where->state_framing = segment->framing;
        segment->refs++;
    }
    return where->message.segment != 0;
}

void
relais_where_release (RelaisSpool *spool, const RelaisWhere *where)
{
    if (where->message.segment != 0)
        relais_ledger_segment (spool, where->message.segment)->refs--;
    if (where->state.segment != 0)
        relais_ledger_segment (spool, where->state.segment)->refs--;
}

int
relais_spool_open_segment (RelaisSpool *spool, guint32 number, GError **error)
{
    char name[RELAIS_SEGMENT_NAME_BYTES];
    int fd;

    relais_segment_name (name, number);
    fd = openat (spool->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        relais_spool_set_errno (error, errno, "cannot open a segment");
    return fd;
}

/* --- Decoding ----------------------------------------------------------------------------------- */

static bool
set_body (RelaisSpool *spool, RelaisMessage *message, const RelaisRecord *record, GBytes *payload,
          const RelaisBodyFacts *facts, GError **error)
{
    g_autoptr (GBytes) bytes =
        g_bytes_new_from_bytes (payload, record->head_bytes, record->body_bytes);
    RelaisBodyFileRef ref = {.size_bytes = record->body_bytes};
    bool file = (record->flags & RELAIS_RECORD_FILE) != 0;

    if (file && record->body_bytes == RELAIS_BODY_FILE_BYTES)
        relais_body_file_ref_decode (g_bytes_get_data (bytes, NULL), &ref);
    if (ref.size_bytes != facts->size_bytes) {
        g_set_error_literal (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_DAMAGED,
                             "the body is not as long as its envelope says");
        return false;
    }
    message->body =
        file ? relais_body_new_reader (relais_body_file_read, NULL,
                                       relais_body_file_new_written (spool->bodies_fd, &ref),
                                       (GDestroyNotify)relais_body_file_unref, facts)
             : relais_body_new_bytes (bytes, facts);
    return true;
}

/* A state that cannot be read costs a repeated delivery; refusing the message would cost it. */
static void
set_states (RelaisSpool *spool, RelaisMessage *message, const RelaisWhere *where,
            const RelaisPieces *pieces)
{
    if (pieces->state != NULL && pieces->state_record.type == RELAIS_RECORD_STATE &&
        pieces->state_record.id == where->id &&
        relais_states_decode (message, pieces->state, pieces->state_record.head_bytes, NULL))
        return;
    if (where->state.segment != 0) {
        char text[RELAIS_ID_TEXT_BYTES];

        relais_id_to_text (message->id, text);
        g_warning ("spool \"%s\": the state of message %s is damaged: all its recipients count as "
                   "queued",
                   spool->dir, text);
    }
    relais_message_init_states (message);
}

RelaisMessage *
relais_where_decode (RelaisSpool *spool, const RelaisWhere *where, const RelaisPieces *pieces,
                     RelaisBodyFacts *facts, GError **error)
{
    g_autoptr (GError) local = NULL;
    RelaisMessage *message = NULL;

    if (pieces->record.type == RELAIS_RECORD_MESSAGE && pieces->record.id == where->id)
        message = relais_message_decode (where->id, pieces->head, pieces->record.head_bytes, facts,
                                         &local);
    if (message == NULL)
        g_set_error (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_DAMAGED,
                     "the envelope cannot be read: %s",
                     local != NULL ? local->message : "not this message's record");
    else
        set_states (spool, message, where, pieces);
    return message;
}

/* --- Reading ------------------------------------------------------------------------------------ */

static GBytes *
read_record (RelaisSpool *spool, const RelaisPlace *place, const RelaisFraming *framing,
             RelaisRecord *record, GError **error)
{
    GBytes *payload;
    int fd = relais_spool_open_segment (spool, place->segment, error);

    if (fd < 0)
        return NULL;
    payload = relais_segment_read_record (fd, framing, place->offset, true, record, error);
    close (fd);
    return payload;
}

/* Reads a message's state, if it has one; NULL too if it is damaged. False if it cannot be read now: whoever was
 * served is in it, and the next state that is written would have them all queued again. */
static bool
read_state (RelaisSpool *spool, const RelaisWhere *where, RelaisRecord *record, GBytes **state,
            GError **error)
{
    g_autoptr (GError) local = NULL;

    *state = NULL;
    if (where->state.segment != 0)
        *state = read_record (spool, &where->state, &where->state_framing, record, &local);
    if (local == NULL || g_error_matches (local, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_DAMAGED))
        return true;
    g_propagate_error (error, g_steal_pointer (&local));
    return false;
}

RelaisMessage *
relais_where_read (RelaisSpool *spool, const RelaisWhere *where, GError **error)
{
    g_autoptr (RelaisMessage) message = NULL;
    RelaisBodyFacts facts = {0};
    RelaisPieces pieces = {0};
    g_autoptr (GBytes) payload =
        read_record (spool, &where->message, &where->message_framing, &pieces.record, error);
    g_autoptr (GBytes) state = NULL;

    if (payload == NULL || !read_state (spool, where, &pieces.state_record, &state, error))
        return NULL;
    pieces.head = g_bytes_get_data (payload, NULL);
    pieces.state = state != NULL ? g_bytes_get_data (state, NULL) : NULL;
    message = relais_where_decode (spool, where, &pieces, &facts, error);
    if (message == NULL || !set_body (spool, message, &pieces.record, payload, &facts, error))
        return NULL;
    return g_steal_pointer (&message);
}
