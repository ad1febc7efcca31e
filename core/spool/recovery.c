/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Recovery: reads the segments in their order and finds what lives. A sealed segment is known by its
 * index, any other one is scanned. What is damaged is saved in quarantine/ and said; what is torn at
 * the end is cut; everything else counts.
 *
 * Runs at start, before the spool's threads do; blocks.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/salvage.h"
#include "spool/spool-state.h"

enum { SAVE_BYTES = 1 << 20 };

/* An event that the log may lack. */
typedef struct {
    guint32 segment, offset;
    guint64 lsn;
} LateEvent;

/* A STATE that was seen before its MESSAGE. */
typedef struct {
    RelaisPlace place;
    guint32 bytes;
} EarlyState;

typedef struct {
    RelaisSpool *spool;
    GArray *numbers;    /* guint32, of segments */
    GHashTable *notes;  /* number -> valid bytes */
    GHashTable *states; /* id -> EarlyState */
    GHashTable *done;   /* ids whose DONE was seen without a MESSAGE before it */
    GArray *events;     /* LateEvent */
    RelaisScanRoom room;
    guint64 last_seq;
    guint64 max_id, max_lsn;
} Reading;

/* Copies to `to`; a part that cannot be read is where it ends. */
static bool
copy_octets (int fd, guint32 start, guint32 end, int to)
{
    g_autofree guint8 *bytes = g_malloc (SAVE_BYTES);

    while (start < end) {
        const gsize n = MIN (SAVE_BYTES, end - start);

        if (!relais_spool_pread (fd, bytes, n, start, NULL))
            break;
        for (gsize done = 0; done < n;) {
            const ssize_t wrote = write (to, bytes + done, n - done);

            if (wrote < 0 && errno != EINTR)
                return false;
            done += (gsize)MAX (wrote, 0);
        }
        start += (guint32)n;
    }
    return fdatasync (to) == 0;
}

/* Puts octets of a segment into the quarantine, under that name once all are on disk: what a start that was
 * cut off left of them is begun anew. False with errno. */
static bool
save (const RelaisSpool *spool, int fd, guint32 start, guint32 end, const char *name)
{
    g_autofree char *part = g_strconcat (name, ".part", NULL);
    bool good;
    int to, reason;

    (void)unlinkat (spool->quarantine_fd, part, 0);
    to = openat (spool->quarantine_fd, part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                 0600);
    if (to < 0)
        return false;
    good = copy_octets (fd, start, end, to);
    reason = errno;
    close (to);
    if (good && renameat (spool->quarantine_fd, part, spool->quarantine_fd, name) == 0 &&
        fsync (spool->quarantine_fd) == 0)
        return true;
    reason = good ? errno : reason;
    (void)unlinkat (spool->quarantine_fd, part, 0);
    errno = reason;
    return false;
}

/* With the segment's header, without which nobody could tell records in those octets once it is gone. */
static bool
save_with_header (const RelaisSpool *spool, int fd, guint32 number, guint32 start, guint32 end,
                  const char *name)
{
    g_autofree char *header = relais_damage_name (number, 0, RELAIS_SEGMENT_HEADER_BYTES);
    struct stat st;

    if (fstatat (spool->quarantine_fd, header, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
        !save (spool, fd, 0, RELAIS_SEGMENT_HEADER_BYTES, header))
        return false;
    return save (spool, fd, start, end, name);
}

/* Until the next start, which tries again. */
static void
keep_segment (RelaisSpool *spool, guint32 number)
{
    RelaisSegment *segment;

    g_mutex_lock (&spool->index_lock);
    segment = relais_ledger_segment (spool, number);
    if (segment != NULL)
        segment->refs++;
    g_mutex_unlock (&spool->index_lock);
}

bool
relais_spool_save_damage (RelaisSpool *spool, int fd, guint32 number, guint32 start, guint32 end,
                          const char *why)
{
    g_autofree char *name = relais_damage_name (number, start, end);
    struct stat st;
    const bool there = fstatat (spool->quarantine_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;

    if (there && st.st_size == 0) /* an operator deleted it */
        return true;
    __atomic_fetch_add (&spool->n_quarantined, 1, __ATOMIC_RELAXED);
    if (there || save_with_header (spool, fd, number, start, end, name)) {
        g_warning ("spool \"%s\": %s in segment %08x, bytes %u to %u: moved to the quarantine",
                   spool->dir, why, number, start, end);
        return true;
    }
    g_warning (
        "spool \"%s\": %s in segment %08x, bytes %u to %u: cannot be copied to the quarantine "
        "(%s); the segment is kept, and the next start tries again",
        spool->dir, why, number, start, end, g_strerror (errno));
    keep_segment (spool, number);
    return false;
}

/* --- What a record means ------------------------------------------------------------------------ */

/* The compaction may have moved a MESSAGE behind its STATE. */
static void
adopt_state (Reading *reading, RelaisIndexEntry *entry)
{
    const EarlyState *early = g_hash_table_lookup (reading->states, &entry->id);

    if (early == NULL)
        return;
    entry->state_segment = early->place.segment;
    entry->state_offset = early->place.offset & G_MAXINT32;
    entry->state_bytes = early->bytes;
    relais_ledger_add (reading->spool, entry->state_segment, entry->state_bytes);
    g_hash_table_remove (reading->states, &entry->id);
}

static void
found_message (Reading *reading, RelaisSegment *segment, const RelaisRecordAt *at)
{
    RelaisSpool *spool = reading->spool;
    RelaisIndexEntry *entry;

    if (g_hash_table_contains (reading->done, &at->record.id) || at->record.id == 0)
        return;
    entry = relais_index_insert (spool->index, at->record.id);
    if (entry->message_segment != 0) {
        relais_ledger_let_die (spool, entry->message_segment, entry->message_bytes);
        relais_ledger_drain (spool, entry->message_segment);
    }
    entry->message_segment = segment->number;
    entry->message_offset = at->offset & G_MAXINT32;
    entry->file = (at->record.flags & RELAIS_RECORD_FILE) != 0;
    entry->message_bytes = relais_ledger_record_bytes (&at->record);
    relais_ledger_add (spool, segment->number, entry->message_bytes);
    adopt_state (reading, entry);
}

static void
found_state (Reading *reading, RelaisSegment *segment, const RelaisRecordAt *at)
{
    RelaisSpool *spool = reading->spool;
    RelaisIndexEntry *entry = relais_index_find (spool->index, at->record.id);

    if (entry == NULL) {
        EarlyState early = {{segment->number, at->offset},
                            relais_ledger_record_bytes (&at->record)};

        g_hash_table_insert (reading->states, g_memdup2 (&at->record.id, sizeof at->record.id),
                             g_memdup2 (&early, sizeof early));
        return;
    }
    relais_ledger_let_die (spool, entry->state_segment, entry->state_bytes);
    entry->state_segment = segment->number;
    entry->state_offset = at->offset & G_MAXINT32;
    entry->state_bytes = relais_ledger_record_bytes (&at->record);
    relais_ledger_add (spool, segment->number, entry->state_bytes);
}

static void
found_done (Reading *reading, RelaisSegment *segment, const RelaisRecordAt *at)
{
    RelaisSpool *spool = reading->spool;
    RelaisIndexEntry *entry = relais_index_find (spool->index, at->record.id);

    relais_ledger_guard (spool, segment, at->record.message_segment);
    if (entry == NULL) {
        g_hash_table_remove (reading->states, &at->record.id);
        g_hash_table_add (reading->done, g_memdup2 (&at->record.id, sizeof at->record.id));
        return;
    }
    /* The MESSAGE it speaks of went, and an older one did not yet: like one that is being drained, it
     * may have more such. */
    if (entry->message_segment != at->record.message_segment) {
        relais_ledger_guard (spool, segment, entry->message_segment);
        relais_ledger_drain (spool, entry->message_segment);
    }
    relais_ledger_let_die (spool, entry->message_segment, entry->message_bytes);
    relais_ledger_let_die (spool, entry->state_segment, entry->state_bytes);
    relais_index_remove (spool->index, at->record.id);
}

static void
found_event (Reading *reading, RelaisSegment *segment, const RelaisRecordAt *at)
{
    LateEvent event = {segment->number, at->offset, at->record.lsn};

    segment->last_event_lsn = at->record.lsn;
    if (at->record.lsn > reading->last_seq)
        g_array_append_val (reading->events, event);
}

static void
found (Reading *reading, RelaisSegment *segment, const RelaisRecordAt *at)
{
    reading->max_lsn = MAX (reading->max_lsn, at->record.lsn);
    reading->max_id = MAX (reading->max_id, at->record.id);
    switch ((RelaisRecordType)at->record.type) {
    case RELAIS_RECORD_MESSAGE: found_message (reading, segment, at); break;
    case RELAIS_RECORD_STATE: found_state (reading, segment, at); break;
    case RELAIS_RECORD_DONE: found_done (reading, segment, at); break;
    case RELAIS_RECORD_EVENT: found_event (reading, segment, at); break;
    }
}

/* --- Segments ----------------------------------------------------------------------------------- */

/* Scans a segment that has no index, or counts in part only. What it holds was perhaps never synced,
 * and much will rest on it from now on, so it is synced first. */
static bool
scan_segment (Reading *reading, RelaisSegment *segment, int fd, guint32 valid, GError **error)
{
    RelaisScan scan;

    if (fdatasync (fd) < 0) {
        relais_spool_set_errno (error, errno, "cannot sync a segment found at start");
        return false;
    }
    if (!relais_segment_scan_file (fd, &segment->framing, valid, &reading->room, &scan, error))
        return false;
    for (guint i = 0; i < scan.records->len; i++)
        found (reading, segment, &g_array_index (scan.records, RelaisRecordAt, i));
    for (guint i = 0; i < scan.damages->len; i++) {
        const RelaisDamage *damage = &g_array_index (scan.damages, RelaisDamage, i);

        (void)relais_spool_save_damage (reading->spool, fd, segment->number, damage->start,
                                        damage->end, "damaged records");
    }
    if (scan.torn > 0)
        g_message ("spool \"%s\": cut %u bytes of a group that was not finished from segment %08x",
                   reading->spool->dir, scan.torn, segment->number);
    segment->end = scan.end;
    relais_scan_clear (&scan);
    return true;
}

/* A file that is shorter than it was: the end of the segment is not torn but lost. */
static void
tell_missing (RelaisSpool *spool, guint32 number, int fd, guint32 capacity)
{
    const guint32 missing = relais_segment_missing (fd, capacity);

    if (missing == 0)
        return;
    __atomic_fetch_add (&spool->n_quarantined, 1, __ATOMIC_RELAXED);
    g_warning ("spool \"%s\": segment %08x is cut: its last %u bytes of %u are missing", spool->dir,
               number, missing, capacity);
}

static bool
read_segment (Reading *reading, guint32 number, int fd, const RelaisSegmentHeader *header,
              GError **error)
{
    RelaisSpool *spool = reading->spool;
    RelaisSegment *segment = relais_segment_new (number);
    gpointer valid;
    g_autoptr (GArray) index = NULL;

    segment->framing = relais_segment_framing (header);
    segment->capacity = header->capacity;
    segment->full = segment->entry_synced = segment->closed = true;
    g_hash_table_insert (spool->segments, GUINT_TO_POINTER (number), segment);
    tell_missing (spool, number, fd, header->capacity);
    reading->max_lsn = MAX (reading->max_lsn, header->first_lsn);
    reading->max_id = MAX (reading->max_id, header->id_floor);
    if (g_hash_table_lookup_extended (reading->notes, GUINT_TO_POINTER (number), NULL, &valid)) {
        segment->failed = true;
        segment->synced = GPOINTER_TO_UINT (valid);
        return scan_segment (reading, segment, fd, segment->synced, error);
    }
    index = relais_segment_read_index (fd, header, &reading->room);
    if (index == NULL)
        return scan_segment (reading, segment, fd, header->capacity, error);
    for (guint i = 0; i < index->len; i++)
        found (reading, segment, &g_array_index (index, RelaisRecordAt, i));
    return true;
}

/* What became of it, for the log. A name that is taken there leaves it where it is; nothing reads it there either. */
static const char *
move_to_quarantine (const RelaisSpool *spool, const char *name)
{
    return renameat2 (spool->dir_fd, name, spool->quarantine_fd, name, RENAME_NOREPLACE) == 0
               ? "moved to the quarantine"
               : "it stays where it is, as it cannot be moved to the quarantine";
}

/* A file under a segment's name whose header is not that segment's. A blank that was about to become
 * it goes; anything else is kept for a human to look at. */
static void
set_aside (RelaisSpool *spool, const char *name, guint32 number, bool blank)
{
    if (blank) {
        unlinkat (spool->dir_fd, name, 0);
        return;
    }
    __atomic_fetch_add (&spool->n_quarantined, 1, __ATOMIC_RELAXED);
    g_warning ("spool \"%s\": the header of segment %08x is damaged: %s", spool->dir, number,
               move_to_quarantine (spool, name));
}

typedef bool (*WithSegment) (Reading *reading, guint32 number, int fd,
                             const RelaisSegmentHeader *header, GError **error);

/* First pass: what the headers say about other segments. Nothing is changed yet. */
static bool
note_header (Reading *reading, guint32 number, int fd, const RelaisSegmentHeader *header,
             GError **error)
{
    for (guint32 i = 0; i < header->n_notes; i++)
        g_hash_table_insert (reading->notes, GUINT_TO_POINTER (header->notes[i].number),
                             GUINT_TO_POINTER (header->notes[i].valid));
    return true;
}

static bool
with_segment (Reading *reading, guint32 number, bool change, WithSegment func, GError **error)
{
    RelaisSpool *spool = reading->spool;
    g_autofree RelaisSegmentHeader *header = g_new0 (RelaisSegmentHeader, 1);
    char name[RELAIS_SEGMENT_NAME_BYTES];
    RelaisHeaderVerdict verdict;
    bool good;
    int fd;

    relais_segment_name (name, number);
    fd = openat (spool->dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        relais_spool_set_errno (error, errno, "cannot open a segment");
        return false;
    }
    good = relais_segment_read_header (fd, header, &verdict, error);
    if (good && verdict == RELAIS_HEADER_NEWER) {
        g_set_error (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_FORMAT,
                     "the spool \"%s\" was written by a newer release", spool->dir);
        good = false;
    } else if (good && verdict == RELAIS_HEADER_GOOD && header->number == number)
        good = func (reading, number, fd, header, error);
    else if (good && change)
        set_aside (spool, name, number, verdict != RELAIS_HEADER_BROKEN);
    close (fd);
    return good;
}

static gint
compare_numbers (gconstpointer a, gconstpointer b)
{
    guint32 x = *(const guint32 *)a, y = *(const guint32 *)b;

    return (x > y) - (x < y);
}

/* Not opened: that alone may wait for ever, or do something. */
static void
set_aside_foreign (RelaisSpool *spool, const char *name)
{
    __atomic_fetch_add (&spool->n_quarantined, 1, __ATOMIC_RELAXED);
    g_warning ("spool \"%s\": %s is no file: %s", spool->dir, name,
               move_to_quarantine (spool, name));
}

/* A blank is written over, so it must have no other name. */
static void
found_blank (RelaisSpool *spool, const char *name, guint32 number)
{
    struct stat st;
    const bool known = fstatat (spool->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    const bool foreign = known && (!S_ISREG (st.st_mode) || st.st_nlink > 1);

    if (known && !foreign && (guint64)st.st_size == spool->options.segment_bytes &&
        spool->blanks->len < RELAIS_MAX_BLANKS) {
        g_array_append_val (spool->blanks, number);
        return;
    }
    if (foreign)
        g_warning ("spool \"%s\": %s is no file of the spool's: removed", spool->dir, name);
    unlinkat (spool->dir_fd, name, 0);
}

static void
found_segment (Reading *reading, const char *name, guint32 number)
{
    RelaisSpool *spool = reading->spool;
    struct stat st;

    if (fstatat (spool->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG (st.st_mode))
        set_aside_foreign (spool, name);
    else
        g_array_append_val (reading->numbers, number);
}

static void
found_other (const RelaisSpool *spool, const char *name)
{
    static const char *const known[] = {".",          "..",         "lock", "bodies",
                                        "quarantine", "lost+found", NULL};

    if (!g_strv_contains (known, name))
        g_message ("spool \"%s\": %s is none of the spool's and is left alone", spool->dir, name);
}

static bool
list_files (Reading *reading, bool blanks, GError **error)
{
    RelaisSpool *spool = reading->spool;
    const int fd = openat (spool->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir (fd) : NULL; /* else errno is of the first call */
    struct dirent *entry;
    guint32 number;

    if (dir == NULL) {
        relais_spool_set_errno (error, errno, "cannot list the spool");
        return false;
    }
    while ((entry = readdir (dir)) != NULL) {
        bool segment = relais_segment_parse_name (entry->d_name, "segment-", &number);

        if (!segment && !relais_segment_parse_name (entry->d_name, "blank-", &number)) {
            if (!blanks)
                found_other (spool, entry->d_name);
            continue;
        }
        spool->next_number = MAX (spool->next_number, number + 1);
        if (segment && !blanks)
            found_segment (reading, entry->d_name, number);
        else if (!segment && blanks)
            found_blank (spool, entry->d_name, number);
    }
    closedir (dir);
    g_array_sort (reading->numbers, compare_numbers);
    return true;
}

/* --- Events ------------------------------------------------------------------------------------- */

static void
hand_over_events (Reading *reading)
{
    RelaisSpool *spool = reading->spool;
    guint32 open_number = 0;
    int fd = -1;

    for (guint i = 0; i < reading->events->len; i++) {
        const LateEvent *event = &g_array_index (reading->events, LateEvent, i);
        const RelaisSegment *segment = relais_ledger_segment (spool, event->segment);
        g_autoptr (GBytes) line = NULL;
        char name[RELAIS_SEGMENT_NAME_BYTES];
        RelaisRecord record;

        if (open_number != event->segment) {
            if (fd >= 0)
                close (fd);
            relais_segment_name (name, event->segment);
            fd = openat (spool->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
            open_number = event->segment;
        }
        if (fd >= 0)
            line = relais_segment_read_record (fd, &segment->framing, event->offset, false, &record,
                                               NULL);
        if (line != NULL)
            relais_event_log_append (spool->events, event->lsn, line);
        else
            g_warning ("spool \"%s\": an event of segment %08x cannot be read", spool->dir,
                       event->segment);
    }
    if (fd >= 0)
        close (fd);
}

/* --- All of it ---------------------------------------------------------------------------------- */

static bool
read_segments (Reading *reading, GError **error)
{
    if (!list_files (reading, false, error))
        return false;
    for (guint i = 0; i < reading->numbers->len; i++)
        if (!with_segment (reading, g_array_index (reading->numbers, guint32, i), false,
                           note_header, error))
            return false;
    for (guint i = 0; i < reading->numbers->len; i++)
        if (!with_segment (reading, g_array_index (reading->numbers, guint32, i), true,
                           read_segment, error))
            return false;
    return list_files (reading, true, error);
}

bool
relais_spool_read_all (RelaisSpool *spool, GError **error)
{
    Reading reading = {.spool = spool};
    bool good;

    relais_assert_may_block ();
    reading.numbers = g_array_new (FALSE, FALSE, sizeof (guint32));
    reading.notes = g_hash_table_new (NULL, NULL);
    reading.done = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
    reading.states = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
    reading.events = g_array_new (FALSE, FALSE, sizeof (LateEvent));
    reading.last_seq = spool->events != NULL ? relais_event_log_last_seq (spool->events) : 0;
    good = read_segments (&reading, error);
    if (good && spool->events != NULL)
        hand_over_events (&reading);
    if (good) {
        spool->next_lsn = MAX (reading.max_lsn, reading.last_seq) + 1;
        spool->next_id = reading.max_id > 0
                             ? reading.max_id + 1
                             : (guint64)relais_clock_wall_us (relais_loop_clock (spool->loop));
    }
    if (good)
        relais_spool_tidy_damage (spool);
    relais_scan_room_clear (&reading.room);
    g_array_unref (reading.numbers);
    g_hash_table_unref (reading.notes);
    g_hash_table_unref (reading.done);
    g_hash_table_unref (reading.states);
    g_array_unref (reading.events);
    return good;
}
