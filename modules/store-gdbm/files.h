/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The files of a store on disk, which are the truth: journals in a row, journal-1, journal-2, ..., and
 * snapshots. snapshot-N holds what the journals before N led to, so that snapshot-N and the journals from
 * N on are all that is needed; one older snapshot and its journals are kept beside. Here they are
 * listed and read. Blocks; any thread but the main loop.
 */
#pragma once

#include "record.h"

#ifndef GETTEXT_PACKAGE
#define GETTEXT_PACKAGE "relais"
#endif

/* Where the disk is touched; tests put their own functions here. errno tells what went wrong. */
typedef struct {
    gssize (*write) (int fd, gconstpointer bytes, gsize size);
    gint (*sync) (int fd);
    gint64 (*free_bytes) (const char *dir);
} SgIo;
extern const SgIo sg_system_io;

#define SG_ERROR (g_quark_from_static_string ("relais-store-gdbm-error"))
typedef enum { SG_ERROR_IO, SG_ERROR_LOCKED, SG_ERROR_FORMAT } SgError;

typedef struct {
    char *path;
    guint64 number; /* from its name */
    guint64 size;
    bool is_snapshot;
    bool head_is_good;
    SgFileHead head;
} SgFile;

/* All journals and snapshots of a directory (SgFile), by number, a snapshot before the journal of its
 * number. Fails if the directory cannot be read, or a file is of a format that a later Relais wrote. */
GPtrArray *sg_files_list (const char *dir, GError **error);

/* What reading tells of. Both functions may be NULL. */
typedef struct {
    /* A good record, in order; false ends the reading (`error` is the function's own affair). */
    bool (*record) (gpointer data, const SgRecord *record);
    /* Something that should be there is not; one line for people. */
    void (*damage) (gpointer data, const char *text);
    gpointer data;
} SgVisitor;

typedef struct {
    guint64 records;
    guint64 damages;
    guint64 last_seq;   /* of the last record in the last journal, or what comes before it */
    guint64 torn_bytes; /* at the end of the last journal: written when the machine stopped */
    guint64 tail_bytes; /* of the last journal without them */
    guint64 base;       /* number of the snapshot that it began with; 0 none */
    bool ended;         /* by the visitor */
} SgReading;

/* Reads all that counts, oldest first: the newest good snapshot and the journals from its number on. If no
 * snapshot is good, whatever there is of any. False when the disk fails. */
bool sg_files_read (const GPtrArray *files, const SgVisitor *visitor, SgReading *reading,
                    GError **error);
/* Reads one file; for a journal at most `limit` octets. */
bool sg_file_read (const SgFile *file, guint64 limit, bool may_be_torn, const SgVisitor *visitor,
                   SgReading *reading, GError **error);
/* Whether nothing in its first `limit` octets is damaged or missing; a torn end counts as damage. */
bool sg_file_is_whole (const SgFile *file, guint64 limit);
/* How much of the file at that place counts: what the journal after it says, or SG_ALL. */
guint64 sg_files_limit (const GPtrArray *files, guint place);
/* Looks at a file that is to be this journal or snapshot, whatever its name. */
SgFile *sg_file_open (const char *path, bool is_snapshot, guint64 number, GError **error);
void sg_file_free (gpointer file);

bool sg_sync_dir (const char *dir, const SgIo *io, GError **error);
bool sg_write_all (const SgIo *io, int fd, const guint8 *bytes, gsize size);
/* Sets `error` from errno; false. */
bool sg_fail (GError **error, const char *path);
char *sg_file_path (const char *dir, bool is_snapshot, guint64 number);
guint64 sg_random (void);
