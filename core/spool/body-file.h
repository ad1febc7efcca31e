/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A large body as a file of its own below bodies/: written in pieces by workers while it comes in,
 * readable by range all the while, synced before its MESSAGE is handed to the log. Counted; any
 * thread, but for `upload`.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "spool/record.h"

typedef struct RelaisBodyFile RelaisBodyFile;

enum { RELAIS_BODY_FILE_NAME_BYTES = 20, RELAIS_BODY_KEPT_BYTES = 2 << 20 };
void relais_body_file_name (char name[RELAIS_BODY_FILE_NAME_BYTES], guint64 number);
bool relais_body_file_parse_name (const char *name, guint64 *number);

/* A file to be written; it is created by the first write. `dir_fd` is borrowed. */
RelaisBodyFile *relais_body_file_new (int dir_fd, guint64 number);
/* A file that was written; opened and checked by the first read. */
RelaisBodyFile *relais_body_file_new_written (int dir_fd, const RelaisBodyFileRef *ref);
RelaisBodyFile *relais_body_file_ref (RelaisBodyFile *file);
/* The last one closes; the file stays on disk. */
void relais_body_file_unref (RelaisBodyFile *file);

/* Queues bytes (takes them); returns how many are queued. */
gsize relais_body_file_append (RelaisBodyFile *file, GBytes *bytes);
/* No more bytes will come. */
void relais_body_file_end (RelaisBodyFile *file);
/* Writes what is queued, and syncs if that was all. Blocks: a worker. False once writing failed. */
bool relais_body_file_write (RelaisBodyFile *file);
/* Bytes queued and not written. */
gsize relais_body_file_queued (RelaisBodyFile *file);
/* Bytes in memory: those, and what is kept of a file that has become no longer than
 * RELAIS_BODY_KEPT_BYTES, so that its first delivery need not read it. */
gsize relais_body_file_held (RelaisBodyFile *file);
/* True once it has ended and all of it stays in memory. */
bool relais_body_file_is_kept (RelaisBodyFile *file);
/* Keeps nothing that is written, for want of memory; without effect once the file has ended. */
void relais_body_file_let_go (RelaisBodyFile *file);
bool relais_body_file_is_synced (RelaisBodyFile *file);
/* Why writing failed, or NULL. A copy. */
GError *relais_body_file_error (RelaisBodyFile *file);
/* Number, size and checksum; to be asked once it is synced. */
RelaisBodyFileRef relais_body_file_get_ref (RelaisBodyFile *file);

/* RelaisBodyRead. Blocks. */
bool relais_body_file_read (gpointer file, guint64 offset, gpointer to, gsize size, GError **error);
/* RelaisBodyPeek: of a file that was synced with all its bytes kept. */
gsize relais_body_file_peek (gpointer file, guint64 offset, const guint8 **bytes);

/* The loop's own: the upload that feeds the file, NULL without. */
void relais_body_file_set_upload (RelaisBodyFile *file, gpointer upload);
gpointer relais_body_file_upload (const RelaisBodyFile *file);
