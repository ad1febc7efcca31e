/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A segment as a file: made blank (zero-filled once), activated under its number with a fresh salt,
 * written, sealed with an index, retired to be blank again. The functions here do the I/O and know
 * nothing of messages; they block, so they run on the spool's threads, on workers, or at start.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/uio.h>

#include "spool/record.h"

/* "Here lie `count` DONEs of messages whose MESSAGE is in segment `number`." */
typedef struct {
    guint32 number;
    guint32 count;
} RelaisGuard;

/* What became of the file of a segment in which all is dead. */
typedef enum {
    RELAIS_SEGMENT_IN_PLACE = 0,
    RELAIS_SEGMENT_RECYCLED, /* a blank now */
    RELAIS_SEGMENT_UNLINKED
} RelaisSegmentFate;

typedef struct {
    guint32 number;
    RelaisFraming framing;
    guint32 capacity;

    RelaisSegmentFate fate; /* keeper's; the directory need not be synced yet */

    /* Writer; syncer once it is full. */
    guint32 end; /* where the next record goes */
    GByteArray *index;
    bool outcomes_only; /* the reserved one: takes no new mail */

    /* Under the log's lock. */
    int fd;          /* -1 once closed */
    guint32 written; /* offsets */
    guint32 synced;
    bool entry_synced; /* its directory entry */
    bool full;         /* no more records; its index follows once all of them are synced */
    bool closed;       /* no write and no sync will follow */
    bool failed;       /* only the bytes before `synced` count */

    /* Under the index's lock. */
    gint64 living;       /* MESSAGEs and STATEs that are not dead */
    gint64 living_bytes; /* that they take, each with its entry of the index */
    guint64 last_event_lsn;
    guint refs;     /* readers */
    bool unmovable; /* a record of it cannot be read: no compaction */
    GArray *guards; /* RelaisGuard */
} RelaisSegment;

enum { RELAIS_SEGMENT_NAME_BYTES = 32 };
/* File names: "segment-XXXXXXXX", "blank-XXXXXXXX". */
void relais_segment_name (char name[RELAIS_SEGMENT_NAME_BYTES], guint32 number);
void relais_blank_name (char name[RELAIS_SEGMENT_NAME_BYTES], guint32 number);
bool relais_segment_parse_name (const char *name, const char *prefix, guint32 *number);

RelaisSegment *relais_segment_new (guint32 number);
/* Closes the file; it stays on disk. Accepts NULL. */
void relais_segment_free (RelaisSegment *segment);

/* Makes a zero-filled and synced file of `capacity` bytes. Nothing is left behind on failure. */
bool relais_segment_make_blank (int dir_fd, guint32 blank_number, guint32 capacity, GError **error);

/* Turns a blank into a segment: draws a salt, writes the header, renames. `header` has number,
 * first_lsn, id_floor, created_us and notes; the rest is filled in. Nothing is synced yet. */
RelaisSegment *relais_segment_activate (int dir_fd, guint32 blank_number,
                                        RelaisSegmentHeader *header, GError **error);

/* True if records of `bytes` in all, `n` of them, leave room for the index. */
bool relais_segment_has_room (const RelaisSegment *segment, guint64 bytes, guint n);

/* Writes all of `iov` at `offset`; changes the vector. */
bool relais_segment_write (RelaisSegment *segment, struct iovec *iov, gsize n, guint32 offset,
                           GError **error);

/* Writes index and trailer. */
bool relais_segment_seal (RelaisSegment *segment, GError **error);

/* Reads the header of an open file. False with an error when the disk fails. */
bool relais_segment_read_header (int fd, RelaisSegmentHeader *header, RelaisHeaderVerdict *verdict,
                                 GError **error);

/* Memory that one segment after the other is read in: for each, as much as it is long would have to
 * be mapped and cleared again. Zero-initialised. */
typedef struct {
    guint8 *bytes;
    gsize size;
    GArray *entries; /* RelaisRecordAt, of an index */
} RelaisScanRoom;
void relais_scan_room_clear (RelaisScanRoom *room);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RelaisScanRoom, relais_scan_room_clear)

/* The records of a sealed segment by its index, a new reference to what changes when `room` is used
 * again; NULL if it has none that is whole. */
GArray *relais_segment_read_index (int fd, const RelaisSegmentHeader *header, RelaisScanRoom *room);

/* How many of its `capacity` bytes the file lacks. It had all of them before its header was written, so
 * that a crash takes none away. */
guint32 relais_segment_missing (int fd, guint32 capacity);

/* Scans the first `valid` bytes of a segment, bodies and all. */
bool relais_segment_scan_file (int fd, const RelaisFraming *framing, guint32 valid,
                               RelaisScanRoom *room, RelaisScan *scan, GError **error);

/* Reads the record at `offset`: head, and body if `with_body`, into one block, and checks it.
 * RELAIS_SPOOL_ERROR_DAMAGED when it is not what it was. */
GBytes *relais_segment_read_record (int fd, const RelaisFraming *framing, guint32 offset,
                                    bool with_body, RelaisRecord *record, GError **error);

/* Part of a segment, for those who look at the heads of many records, in order. Zero-initialised for
 * each segment. */
typedef struct {
    guint8 *bytes;
    gsize room;
    guint32 from, size;
} RelaisSegmentWindow;
void relais_segment_window_clear (RelaisSegmentWindow *window);

/* The head of the record at `offset`, checked, inside the window: until it is looked through again. NULL
 * as relais_segment_read_record (). */
const guint8 *
relais_segment_look (int fd, const RelaisFraming *framing, guint32 offset,
                     RelaisSegmentWindow *window, RelaisRecord *record, GError **error);

/* Reads exactly `size` bytes. */
bool relais_spool_pread (int fd, gpointer to, gsize size, guint64 offset, GError **error);
/* Sets an error of RELAIS_SPOOL_ERROR after a failed call: SPACE or IO. */
void relais_spool_set_errno (GError **error, int saved_errno, const char *what);
