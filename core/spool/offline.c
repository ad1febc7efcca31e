/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Looking at a spool without owning it: `relaisctl spool verify` and `dump`. Takes no lock and writes
 * nothing; on a spool in use it may see the end of the last segment half-written, which is no
 * damage. Every record is checked, bodies and body files too.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <glib/gi18n-lib.h>
#include <unistd.h>

#include "spool/crc32c.h"
#include "spool/segment.h"
#include "spool/body-file.h"
#include "spool/rows.h"
#include "spool/salvage.h"
#include "spool/spool-private.h"

typedef struct {
    int dir_fd, bodies_fd;
    RelaisSpoolRow row;
    gpointer data;
    bool dump; /* a row a record; else findings alone */
    bool sound;
    GHashTable *notes; /* number -> valid bytes */
    GHashTable *files; /* id -> RelaisBodyFileRef, of MESSAGEs not done */
    GHashTable *done;  /* ids */
    guint64 records;
    guint64 wanted; /* only this MESSAGE is looked for; `place` is where its last record lies */
    guint32 place_number, place_offset;
} Look;

/* Says what is wrong and where. */
static void
tell (Look *look, const char *file, guint64 offset, const char *what)
{
    JsonBuilder *builder;

    look->sound = false;
    if (look->row == NULL)
        return;
    builder = relais_spool_row_begin ("file", file);
    relais_spool_row_add_int (builder, "offset", offset);
    relais_spool_row_add (builder, "damage", what);
    relais_spool_row_end (builder, look->row, look->data);
}

/* --- Records ------------------------------------------------------------------------------------ */

static void
add_envelope (JsonBuilder *builder, const RelaisMessage *message)
{
    relais_spool_row_add (builder, "sender", message->envelope.sender);
    json_builder_set_member_name (builder, "recipients");
    json_builder_begin_array (builder);
    for (guint i = 0; i < message->envelope.recipients->len; i++)
        json_builder_add_string_value (builder,
                                       relais_envelope_recipient (&message->envelope, i)->address);
    json_builder_end_array (builder);
}

static void
dump_record (Look *look, const char *name, const RelaisRecordAt *at, const RelaisMessage *message,
             GBytes *payload)
{
    const RelaisRecord *record = &at->record;
    JsonBuilder *builder = relais_spool_row_begin ("file", name);
    char id[RELAIS_ID_TEXT_BYTES];

    relais_spool_row_add_int (builder, "offset", at->offset);
    relais_spool_row_add_int (builder, "lsn", record->lsn);
    relais_spool_row_add (builder, "type", relais_spool_type_name (record->type));
    if (record->id != 0) {
        relais_id_to_text (record->id, id);
        relais_spool_row_add (builder, "id", id);
    }
    relais_spool_row_add_int (builder, "bytes", relais_record_size (record));
    if (message != NULL)
        add_envelope (builder, message);
    if (record->type == RELAIS_RECORD_EVENT) {
        gsize size;
        const char *bytes = g_bytes_get_data (payload, &size);
        g_autofree char *line = g_strndup (bytes, size);

        relais_spool_row_add (builder, "event", line);
    }
    json_builder_set_member_name (builder, "commit");
    json_builder_add_boolean_value (builder, (record->flags & RELAIS_RECORD_COMMIT) != 0);
    relais_spool_row_end (builder, look->row, look->data);
}

static void
note_file (Look *look, const RelaisRecord *record, GBytes *payload)
{
    RelaisBodyFileRef *ref = g_new (RelaisBodyFileRef, 1);

    relais_body_file_ref_decode (
        (const guint8 *)g_bytes_get_data (payload, NULL) + record->head_bytes, ref);
    g_hash_table_insert (look->files, g_memdup2 (&record->id, sizeof record->id), ref);
}

/* What was written later stands in a later segment, or behind. */
static void
note_place (Look *look, const char *name, const RelaisRecordAt *at)
{
    if (at->record.type == RELAIS_RECORD_MESSAGE && at->record.id == look->wanted &&
        relais_segment_parse_name (name, "segment-", &look->place_number))
        look->place_offset = at->offset;
}

static void
look_at_record (Look *look, const char *name, int fd, const RelaisFraming *framing,
                const RelaisRecordAt *at)
{
    g_autoptr (RelaisMessage) message = NULL;
    g_autoptr (GBytes) payload = NULL;
    g_autoptr (GError) error = NULL;
    RelaisBodyFacts facts;
    RelaisRecord record;

    look->records++;
    if (look->wanted != 0) {
        note_place (look, name, at);
        return;
    }
    payload = relais_segment_read_record (fd, framing, at->offset, true, &record, &error);
    if (payload != NULL && record.type == RELAIS_RECORD_MESSAGE) {
        message = relais_message_decode (record.id, g_bytes_get_data (payload, NULL),
                                         record.head_bytes, &facts, &error);
        if (record.flags & RELAIS_RECORD_FILE && record.body_bytes == RELAIS_BODY_FILE_BYTES)
            note_file (look, &record, payload);
    }
    if (error != NULL) {
        tell (look, name, at->offset, error->message);
        return;
    }
    if (record.type == RELAIS_RECORD_DONE)
        g_hash_table_add (look->done, g_memdup2 (&record.id, sizeof record.id));
    if (look->dump)
        dump_record (look, name, at, message, payload);
}

/* --- Segments ----------------------------------------------------------------------------------- */

static void
look_at_scan (Look *look, const char *name, const RelaisScan *scan)
{
    for (guint i = 0; i < scan->damages->len; i++)
        tell (look, name, g_array_index (scan->damages, RelaisDamage, i).start,
              _ ("bytes that belong to no whole group"));
}

static bool
look_at_segment (Look *look, const char *name, guint32 number, int fd,
                 const RelaisSegmentHeader *header, GError **error)
{
    RelaisFraming framing = relais_segment_framing (header);
    g_autoptr (GArray) index = NULL;
    RelaisScan scan = {0};
    g_auto (RelaisScanRoom) room = {0};
    gpointer noted = NULL;
    const bool failed =
        g_hash_table_lookup_extended (look->notes, GUINT_TO_POINTER (number), NULL, &noted);
    const guint32 valid = failed ? GPOINTER_TO_UINT (noted) : header->capacity;

    if (relais_segment_missing (fd, header->capacity) > 0)
        tell (look, name, header->capacity - relais_segment_missing (fd, header->capacity),
              _ ("the segment is cut: what stood from here on is missing"));
    if (!failed)
        index = relais_segment_read_index (fd, header, &room);
    if (index == NULL) {
        if (!relais_segment_scan_file (fd, &framing, valid, &room, &scan, error))
            return false;
        look_at_scan (look, name, &scan);
        index = g_array_ref (scan.records);
        relais_scan_clear (&scan);
    }
    for (guint i = 0; i < index->len; i++)
        look_at_record (look, name, fd, &framing, &g_array_index (index, RelaisRecordAt, i));
    return true;
}

static bool
look_at_file (Look *look, guint32 number, bool notes_only, GError **error)
{
    g_autofree RelaisSegmentHeader *header = g_new0 (RelaisSegmentHeader, 1);
    char name[RELAIS_SEGMENT_NAME_BYTES];
    RelaisHeaderVerdict verdict;
    bool good = true;
    int fd;

    relais_segment_name (name, number);
    fd = openat (look->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) /* freed meanwhile */
        return true;
    if (!relais_segment_read_header (fd, header, &verdict, error))
        good = false;
    else if (verdict == RELAIS_HEADER_NEWER) {
        g_set_error_literal (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_FORMAT,
                             _ ("the spool was written by a newer release"));
        good = false;
    } else if (verdict != RELAIS_HEADER_GOOD) {
        if (!notes_only && verdict == RELAIS_HEADER_BROKEN)
            tell (look, name, 0, _ ("the segment's header is damaged"));
    } else if (notes_only)
        for (guint32 i = 0; i < header->n_notes; i++)
            g_hash_table_insert (look->notes, GUINT_TO_POINTER (header->notes[i].number),
                                 GUINT_TO_POINTER (header->notes[i].valid));
    else if (header->number == number)
        good = look_at_segment (look, name, number, fd, header, error);
    close (fd);
    return good;
}

static gint
compare_numbers (gconstpointer a, gconstpointer b)
{
    guint32 x = *(const guint32 *)a, y = *(const guint32 *)b;

    return (x > y) - (x < y);
}

static GArray *
list_segments (Look *look, GError **error)
{
    GArray *numbers = g_array_new (FALSE, FALSE, sizeof (guint32));
    const int fd = openat (look->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir (fd) : NULL; /* else errno is of the first call */
    struct dirent *entry;
    struct stat st;
    guint32 number;

    if (dir == NULL) {
        relais_spool_set_errno (error, errno, _ ("cannot list the spool"));
        g_array_unref (numbers);
        return NULL;
    }
    while ((entry = readdir (dir)) != NULL) {
        if (!relais_segment_parse_name (entry->d_name, "segment-", &number))
            continue;
        if (fstatat (look->dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            !S_ISREG (st.st_mode))
            tell (look, entry->d_name, 0, _ ("this is no file"));
        else
            g_array_append_val (numbers, number);
    }
    closedir (dir);
    g_array_sort (numbers, compare_numbers);
    return numbers;
}

/* The body files of messages that are not done. */
static void
look_at_bodies (Look *look)
{
    GHashTableIter iter;
    const guint64 *id;
    const RelaisBodyFileRef *ref;

    g_hash_table_iter_init (&iter, look->files);
    while (g_hash_table_iter_next (&iter, (gpointer *)&id, (gpointer *)&ref)) {
        RelaisBodyFile *file;
        g_autoptr (GError) error = NULL;
        char name[RELAIS_BODY_FILE_NAME_BYTES];
        guint8 byte;

        if (g_hash_table_contains (look->done, id) || ref->size_bytes == 0)
            continue;
        file = relais_body_file_new_written (look->bodies_fd, ref);
        relais_body_file_name (name, ref->number);
        if (!relais_body_file_read (file, 0, &byte, 1, &error))
            tell (look, name, 0, error->message);
        relais_body_file_unref (file);
    }
}

static bool
look_at_all (Look *look, GError **error)
{
    g_autoptr (GArray) numbers = list_segments (look, error);

    if (numbers == NULL)
        return false;
    for (int notes_only = 1; notes_only >= 0; notes_only--)
        for (guint i = 0; i < numbers->len; i++)
            if (!look_at_file (look, g_array_index (numbers, guint32, i), notes_only, error))
                return false;
    if (look->bodies_fd >= 0 && look->wanted == 0)
        look_at_bodies (look);
    return true;
}

static void
tell_sum (Look *look, const char *dir)
{
    JsonBuilder *builder = relais_spool_row_begin ("spool", dir);

    relais_spool_row_add_int (builder, "records", look->records);
    json_builder_set_member_name (builder, "sound");
    json_builder_add_boolean_value (builder, look->sound);
    relais_spool_row_end (builder, look->row, look->data);
}

static bool
look_through (const char *dir, Look *look, GError **error)
{
    bool good;

    relais_assert_may_block ();
    look->bodies_fd = -1;
    look->dir_fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (look->dir_fd < 0) {
        relais_spool_set_errno (error, errno, _ ("cannot open the spool"));
        return false;
    }
    look->bodies_fd = openat (look->dir_fd, "bodies", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    look->notes = g_hash_table_new (NULL, NULL);
    look->files = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
    look->done = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
    good = look_at_all (look, error);
    g_hash_table_unref (look->notes);
    g_hash_table_unref (look->files);
    g_hash_table_unref (look->done);
    if (look->bodies_fd >= 0)
        close (look->bodies_fd);
    close (look->dir_fd);
    return good;
}

static bool
look_at_spool (const char *dir, bool dump, RelaisSpoolRow row, gpointer data, GError **error)
{
    Look look = {.row = row, .data = data, .dump = dump, .sound = true};

    if (!look_through (dir, &look, error))
        return false;
    if (!dump)
        tell_sum (&look, dir);
    return look.sound;
}

bool
relais_spool_verify (const char *dir, RelaisSpoolRow row, gpointer data, GError **error)
{
    return look_at_spool (dir, false, row, data, error);
}

bool
relais_spool_dump (const char *dir, RelaisSpoolRow row, gpointer data, GError **error)
{
    return look_at_spool (dir, true, row, data, error);
}

bool
relais_spool_find_message (const char *dir, guint64 id, guint32 *number, guint32 *offset,
                           GError **error)
{
    Look look = {.wanted = id, .sound = true};

    if (!look_through (dir, &look, error))
        return false;
    if (look.place_offset == 0) {
        g_set_error_literal (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_GONE,
                             _ ("the spool has no record of that message"));
        return false;
    }
    *number = look.place_number;
    *offset = look.place_offset;
    return true;
}
