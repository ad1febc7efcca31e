/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A small file of state that outlives the daemon: read once at start, written whole by a worker some moment after
 * it changed. For what may be lost with a crash (the last seconds of it) and must not be torn. Loop thread.
 */
#pragma once

#include "loop/loop-private.h"
#include "loop/pool-private.h"

typedef struct RelaisStateFile RelaisStateFile;

enum { RELAIS_STATE_FILE_BYTES = 64 << 20 /* a larger one is not read */ };

/* The whole text behind the first line, to be written now. Owned by the caller. */
typedef GString *(*RelaisStateFileText) (gpointer data);

typedef struct {
    RelaisLoop *loop;
    RelaisPool *pool;
    const char *path;
    const char *first_line; /* what kind of file it is, and which version of it; static */
    const char *lost;       /* what is said before the reason if it cannot be used; static */
    gint64 delay_us;        /* from a change to the writing */
    RelaisStateFileText text;
    gpointer data;
} RelaisStateFileOptions;

RelaisStateFile *relais_state_file_new (const RelaisStateFileOptions *options);
/* What is there behind the first line; NULL if there is no file, or, with a warning, if it cannot be used.
 * May block. */
char *relais_state_file_read (RelaisStateFile *file);
/* It has to be written. */
void relais_state_file_mark (RelaisStateFile *file);
/* Writes what is not written yet, and frees: shutdown only, once the pool is gone or idle. May block. NULL ok. */
void relais_state_file_free (RelaisStateFile *file);
