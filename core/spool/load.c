/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading messages back: one by one through the pool while the spool runs, and all that live at
 * start. Takes damaged ones out of circulation.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/spool-state.h"

/* What a message and each of its recipients take in memory beside the body, as measured. */
enum { HOT_MESSAGE_BYTES = 2048, HOT_RECIPIENT_BYTES = 128 };

/* Where a message lies; its segments are held while this is. */
typedef struct {
    guint64 id;
    RelaisPlace message, state;
    RelaisFraming message_framing, state_framing;
} Where;

typedef struct {
    RelaisSpool *spool;
    Where where;
    bool found;
    RelaisMessage *message;
    GError *error;
    RelaisSpoolLoaded func;
    gpointer data;
} Load;

/* --- Places ------------------------------------------------------------------------------------- */

static bool
hold (RelaisSpool *spool, guint64 id, Where *where)
{
    const RelaisIndexEntry *entry;
    RelaisSegment *segment;

    *where = (Where){.id = id};
    g_mutex_lock (&spool->index_lock);
    entry = relais_index_find (spool->index, id);
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
    g_mutex_unlock (&spool->index_lock);
    return where->message.segment != 0;
}

static void
release (RelaisSpool *spool, const Where *where)
{
    g_mutex_lock (&spool->index_lock);
    if (where->message.segment != 0)
        relais_ledger_segment (spool, where->message.segment)->refs--;
    if (where->state.segment != 0)
        relais_ledger_segment (spool, where->state.segment)->refs--;
    g_mutex_unlock (&spool->index_lock);
}

/* Segments that are read from, kept open as long as the next message lies in the same ones: at start,
 * where messages are read in the order of their ids, nearly always. `number` 0: none. */
typedef struct {
    guint32 number;
    int fd;
    RelaisSegmentWindow window;
} OpenSegment;
typedef struct {
    OpenSegment messages, states;
    bool ahead; /* many messages are read, in order */
} Reader;

static int
open_segment (RelaisSpool *spool, guint32 number, GError **error)
{
    char name[RELAIS_SEGMENT_NAME_BYTES];
    int fd;

    relais_segment_name (name, number);
    fd = openat (spool->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        relais_spool_set_errno (error, errno, "cannot open a segment");
    return fd;
}

static void
close_segment (OpenSegment *open)
{
    if (open->number != 0)
        close (open->fd);
    open->number = 0;
    relais_segment_window_clear (&open->window);
}

/* The descriptor stays the reader's; -1 on failure. */
static int
turn_to_segment (RelaisSpool *spool, OpenSegment *open, guint32 number, GError **error)
{
    if (open->number == number)
        return open->fd;
    close_segment (open);
    open->fd = open_segment (spool, number, error);
    if (open->fd >= 0)
        open->number = number;
    return open->fd;
}

/* One that reads a single message reads nothing ahead. */
static RelaisSegmentWindow *
window_of (const Reader *reader, OpenSegment *open)
{
    return reader->ahead ? &open->window : NULL;
}

static void
reader_clear (Reader *reader)
{
    close_segment (&reader->messages);
    close_segment (&reader->states);
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
        file ? relais_body_new_reader (relais_body_file_read,
                                       relais_body_file_new_written (spool->bodies_fd, &ref),
                                       (GDestroyNotify)relais_body_file_unref, facts)
             : relais_body_new_bytes (bytes, facts);
    return true;
}

/* A state that cannot be read costs a repeated delivery; refusing the message would cost it. */
static void
set_states (RelaisSpool *spool, RelaisMessage *message, GBytes *state, bool expected)
{
    gsize size = 0;
    const guint8 *bytes = state != NULL ? g_bytes_get_data (state, &size) : NULL;

    if (bytes != NULL && relais_states_decode (message, bytes, size, NULL))
        return;
    if (expected) {
        char text[RELAIS_ID_TEXT_BYTES];

        relais_id_to_text (message->id, text);
        g_warning ("spool \"%s\": the state of message %s is damaged: all its recipients count as "
                   "queued",
                   spool->dir, text);
    }
    relais_message_init_states (message);
}

static RelaisMessage *
decode (RelaisSpool *spool, const Where *where, const RelaisRecord *record, GBytes *payload,
        bool with_body, GBytes *state, RelaisBodyFacts *facts, GError **error)
{
    g_autoptr (RelaisMessage) message = NULL;
    g_autoptr (GError) local = NULL;
    const guint8 *head = g_bytes_get_data (payload, NULL);

    if (record->type == RELAIS_RECORD_MESSAGE && record->id == where->id)
        message = relais_message_decode (where->id, head, record->head_bytes, facts, &local);
    if (message == NULL) {
        g_set_error (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_DAMAGED,
                     "the envelope cannot be read: %s",
                     local != NULL ? local->message : "not this message's record");
        return NULL;
    }
    if (with_body && !set_body (spool, message, record, payload, facts, error))
        return NULL;
    set_states (spool, message, state, where->state.segment != 0);
    return g_steal_pointer (&message);
}

/* --- Reading ------------------------------------------------------------------------------------ */

static GBytes *
read_state (RelaisSpool *spool, Reader *reader, const Where *where)
{
    RelaisRecord record;
    GBytes *state;
    int fd;

    if (where->state.segment == 0)
        return NULL;
    fd = turn_to_segment (spool, &reader->states, where->state.segment, NULL);
    if (fd < 0)
        return NULL;
    state = relais_segment_read_record (fd, &where->state_framing, where->state.offset, false,
                                        window_of (reader, &reader->states), &record, NULL);
    if (state != NULL && (record.type != RELAIS_RECORD_STATE || record.id != where->id))
        g_clear_pointer (&state, g_bytes_unref);
    return state;
}

static RelaisMessage *
read_message (RelaisSpool *spool, Reader *reader, const Where *where, bool with_body,
              RelaisRecord *record, RelaisBodyFacts *facts, GError **error)
{
    g_autoptr (GBytes) payload = NULL;
    g_autoptr (GBytes) state = NULL;
    int fd = turn_to_segment (spool, &reader->messages, where->message.segment, error);

    if (fd < 0)
        return NULL;
    payload =
        relais_segment_read_record (fd, &where->message_framing, where->message.offset, with_body,
                                    window_of (reader, &reader->messages), record, error);
    if (payload == NULL)
        return NULL;
    state = read_state (spool, reader, where);
    return decode (spool, where, record, payload, with_body, state, facts, error);
}

/* --- Loading ------------------------------------------------------------------------------------ */

static void
load_work (gpointer data)
{
    Load *load = data;
    RelaisBodyFacts facts = {0};
    RelaisRecord record;
    Reader reader = {0};

    load->message =
        read_message (load->spool, &reader, &load->where, true, &record, &facts, &load->error);
    reader_clear (&reader);
}

static void
load_done (gpointer data)
{
    Load *load = data;

    if (load->found)
        release (load->spool, &load->where);
    load->func (load->data, load->message, load->error);
    g_clear_pointer (&load->message, relais_message_unref);
    g_clear_error (&load->error);
    g_free (load);
}

static void
load_nothing (gpointer data)
{
    Load *load = data;

    g_set_error_literal (&load->error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_GONE,
                         "there is no such message");
}

void
relais_spool_load (RelaisSpool *spool, guint64 id, RelaisSpoolLoaded func, gpointer data)
{
    Load *load = g_new0 (Load, 1);

    load->spool = spool;
    load->func = func;
    load->data = data;
    load->found = hold (spool, id, &load->where);
    relais_spool_run_job (spool, load->found ? load_work : load_nothing, load_done, load);
}

RelaisMessage *
relais_spool_peek (RelaisSpool *spool, guint64 id)
{
    RelaisMessage *message = g_hash_table_lookup (spool->hot, &id);

    return message != NULL ? relais_message_ref (message) : NULL;
}

guint64
relais_spool_hot_cost (const RelaisMessage *message)
{
    return relais_body_facts (message->body)->size_bytes + HOT_MESSAGE_BYTES +
           (guint64)message->envelope.recipients->len * HOT_RECIPIENT_BYTES;
}

void
relais_spool_cool (RelaisSpool *spool, guint64 id)
{
    const RelaisMessage *message = g_hash_table_lookup (spool->hot, &id);

    if (message == NULL)
        return;
    spool->hot_bytes -= relais_spool_hot_cost (message);
    g_hash_table_remove (spool->hot, &id);
}

/* --- Quarantine --------------------------------------------------------------------------------- */

/* Copies what there is of a message: its record, and its file if it has one. */
static void
save_message (RelaisSpool *spool, const Where *where, const char *why)
{
    char name[RELAIS_BODY_FILE_NAME_BYTES];
    guint8 bytes[RELAIS_RECORD_BYTES];
    RelaisRecord record = {0};
    guint32 end = where->message.offset + RELAIS_RECORD_BYTES;
    const guint64 *number;
    int fd = open_segment (spool, where->message.segment, NULL);

    if (fd >= 0) {
        if (relais_spool_pread (fd, bytes, sizeof bytes, where->message.offset, NULL) &&
            relais_record_decode (&where->message_framing, bytes, &record))
            end = (guint32)(where->message.offset + relais_record_size (&record));
        relais_spool_save_damage (spool, fd, where->message.segment, where->message.offset, end,
                                  why);
        close (fd);
    }
    g_mutex_lock (&spool->index_lock);
    number = g_hash_table_lookup (spool->files, &where->id);
    if (number != NULL)
        relais_body_file_name (name, *number);
    g_mutex_unlock (&spool->index_lock);
    if (number != NULL && linkat (spool->bodies_fd, name, spool->quarantine_fd, name, 0) < 0 &&
        errno != EEXIST && errno != ENOENT)
        g_warning ("spool \"%s\": cannot keep body file %s: %s", spool->dir, name,
                   g_strerror (errno));
}

typedef struct {
    RelaisSpool *spool;
    Where where;
    char *reason;
} Removal;

static void
removal_work (gpointer data)
{
    const Removal *removal = data;

    save_message (removal->spool, &removal->where, removal->reason);
}

static void
removal_done (gpointer data)
{
    Removal *removal = data;
    RelaisSpool *spool = removal->spool;
    RelaisGroup *group = relais_group_new (spool);
    char text[RELAIS_ID_TEXT_BYTES];
    RelaisEventLine *line;
    g_autoptr (GBytes) event = NULL;

    release (spool, &removal->where);
    relais_id_to_text (removal->where.id, text);
    line = relais_event_line_new ("quarantined", relais_loop_wall_us (spool->loop), text, -1, 0);
    relais_event_line_add (line, "reason", removal->reason);
    event = relais_event_line_end (line);
    relais_group_add_done (group, removal->where.id);
    relais_group_add_event (group, event);
    relais_group_submit (group, RELAIS_GROUP_LAZY, NULL, NULL, NULL);
    g_free (removal->reason);
    g_free (removal);
}

void
relais_spool_quarantine (RelaisSpool *spool, guint64 id, const char *reason)
{
    Removal *removal = g_new0 (Removal, 1);

    removal->spool = spool;
    removal->reason = g_strdup (reason);
    if (!hold (spool, id, &removal->where)) {
        g_free (removal->reason);
        g_free (removal);
        return;
    }
    relais_spool_run_job (spool, removal_work, removal_done, removal);
}

/* --- At start ----------------------------------------------------------------------------------- */

/* Notes the body file of a message; false if it is not there as it should be. */
static bool
find_file (RelaisSpool *spool, const Where *where, const RelaisRecord *record, GHashTable *wanted,
           guint64 size)
{
    g_autoptr (GBytes) payload = NULL;
    char name[RELAIS_BODY_FILE_NAME_BYTES];
    RelaisBodyFileRef ref = {0};
    RelaisRecord again;
    struct stat st;
    int fd = open_segment (spool, where->message.segment, NULL);

    if (fd < 0)
        return false;
    payload = relais_segment_read_record (fd, &where->message_framing, where->message.offset, true,
                                          NULL, &again, NULL);
    close (fd);
    if (payload == NULL || record->body_bytes != RELAIS_BODY_FILE_BYTES)
        return false;
    relais_body_file_ref_decode (
        (const guint8 *)g_bytes_get_data (payload, NULL) + record->head_bytes, &ref);
    g_hash_table_add (wanted, g_memdup2 (&ref.number, sizeof ref.number));
    g_hash_table_insert (spool->files, g_memdup2 (&where->id, sizeof where->id),
                         g_memdup2 (&ref.number, sizeof ref.number));
    relais_body_file_name (name, ref.number);
    return fstatat (spool->bodies_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           (guint64)st.st_size == ref.size_bytes && ref.size_bytes == size;
}

/* Takes a message out of the table. */
static void
drop (RelaisSpool *spool, const Where *where)
{
    g_mutex_lock (&spool->index_lock);
    relais_ledger_segment (spool, where->message.segment)->living--;
    if (where->state.segment != 0)
        relais_ledger_segment (spool, where->state.segment)->living--;
    g_hash_table_remove (spool->files, &where->id);
    relais_index_remove (spool->index, where->id);
    g_mutex_unlock (&spool->index_lock);
}

static void
recover_one (RelaisSpool *spool, Reader *reader, guint64 id, GHashTable *wanted,
             RelaisSpoolFound func, gpointer data)
{
    g_autoptr (RelaisMessage) message = NULL;
    g_autoptr (GError) error = NULL;
    RelaisRecord record = {0};
    RelaisBodyFacts facts = {0};
    Where where;

    if (!hold (spool, id, &where))
        return;
    message = read_message (spool, reader, &where, false, &record, &facts, &error);
    if (message != NULL && record.flags & RELAIS_RECORD_FILE &&
        !find_file (spool, &where, &record, wanted, facts.size_bytes)) {
        g_set_error_literal (&error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_DAMAGED,
                             "the body file is missing or cut");
        g_clear_pointer (&message, relais_message_unref);
    }
    if (g_error_matches (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_DAMAGED)) {
        save_message (spool, &where, error->message);
        drop (spool, &where);
    } else if (error != NULL)
        g_warning ("spool \"%s\": a message cannot be read now: %s", spool->dir, error->message);
    release (spool, &where);
    if (message != NULL)
        func (data, message);
}

static void
remove_orphans (RelaisSpool *spool, GHashTable *wanted)
{
    DIR *dir = fdopendir (openat (spool->bodies_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct dirent *entry;
    guint64 number;

    while (dir != NULL && (entry = readdir (dir)) != NULL)
        if (relais_body_file_parse_name (entry->d_name, &number) &&
            !g_hash_table_contains (wanted, &number))
            unlinkat (spool->bodies_fd, entry->d_name, 0);
    if (dir != NULL)
        closedir (dir);
}

void
relais_spool_recover (RelaisSpool *spool, RelaisSpoolFound func, gpointer data)
{
    g_autoptr (GHashTable) wanted =
        g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
    g_autoptr (GArray) ids = NULL;
    Reader reader = {.ahead = true};

    relais_assert_may_block ();
    g_mutex_lock (&spool->index_lock);
    ids = relais_index_ids (spool->index);
    g_mutex_unlock (&spool->index_lock);
    for (guint i = 0; i < ids->len; i++)
        recover_one (spool, &reader, g_array_index (ids, guint64, i), wanted, func, data);
    reader_clear (&reader);
    remove_orphans (spool, wanted);
}
