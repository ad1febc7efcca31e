/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Crash records: who the process was in when it ended. A file of RELAIS_CRASH_SLOTS records of fixed size, written in
 * turn, the oldest first, each with its checksum: what was torn or changed is no record, and harms no other.
 *
 * Coding is pure and safe in signal handlers; the rest may block.
 */
#pragma once

#include <glib.h>

#include <stdbool.h>

enum {
    RELAIS_CRASH_BYTES = 256, /* of a record */
    RELAIS_CRASH_SLOTS = 256, /* of the file */
    RELAIS_CRASH_NAME_BYTES = 64,
    RELAIS_CRASH_MODULE = 3, /* crashes that put a module off */
    RELAIS_CRASH_MESSAGE = 2 /* at which a message is put aside */
};
#define RELAIS_CRASH_WITHIN_US (5 * (gint64)60 * 1000000)

/* In RelaisCrash.hooks: those of the module are known, bit 1 << RelaisHookId for each. */
#define RELAIS_CRASH_HOOKS_KNOWN ((guint32)1 << 31)

typedef enum {
    RELAIS_CRASH_FORGIVEN = 1 << 0, /* its module is trusted again: counts for it no more */
    RELAIS_CRASH_SETTLED = 1 << 1,  /* its message was put aside: counts for that no more */
    RELAIS_CRASH_STUCK = 1 << 2     /* the watchdog's doing */
} RelaisCrashFlags;

typedef struct {
    guint64 number; /* from 1 on, in the order of writing */
    gint64 wall_us;
    guint64 id; /* of the message, 0 for none */
    guint32 signal;
    guint32 hooks;
    guint32 flags;                        /* RelaisCrashFlags */
    char module[RELAIS_CRASH_NAME_BYTES]; /* "" for the core; NUL-terminated, as `what` */
    char what[RELAIS_CRASH_NAME_BYTES];   /* hook or kind of callback */
} RelaisCrash;

void relais_crash_encode (const RelaisCrash *crash, guint8 bytes[RELAIS_CRASH_BYTES]);
/* False if that is no record. */
bool relais_crash_decode (const guint8 bytes[RELAIS_CRASH_BYTES], RelaisCrash *crash);

/* All records of a file's bytes (RelaisCrash), oldest first. Pure. Owned. */
GArray *relais_crashes_read (const guint8 *bytes, gsize size);
/* Those of a file; none where it is not there. NULL with an error if it cannot be read, or is no regular file. */
GArray *relais_crashes_load (const char *path, GError **error);
/* Where the next one goes. */
guint64 relais_crashes_next (const GArray *crashes);
gint64 relais_crash_offset (guint64 number);
/* Writes flags into the record on disk, synced. */
bool relais_crash_flag (int fd, RelaisCrash *crash, RelaisCrashFlags flags, GError **error);

/* Whether the module had RELAIS_CRASH_MODULE crashes within RELAIS_CRASH_WITHIN_US that were not forgiven;
 * the last of its crashes. NULL if not. Borrowed. */
const RelaisCrash *relais_crashes_against_module (const GArray *crashes, const char *module);
/* The hooks that any of its records names, RELAIS_CRASH_HOOKS_KNOWN only if all of them know. */
guint32 relais_crashes_hooks (const GArray *crashes, const char *module);
/* The last of RELAIS_CRASH_MESSAGE crashes or more in which the message was worked on; NULL if there were fewer. */
const RelaisCrash *relais_crashes_against_message (const GArray *crashes, guint64 id);
