/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Changes of a header that milters asked for, kept with the message as an attribute until it goes out. A
 * field that is changed is named by what it said and by how many of the same stand below it, so that fields
 * which Relais put above, or took out, since do not matter. Pure; any thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

enum { MILTER_EDITS_BYTES = 32768 /* of all changes of a message */ };

typedef enum {
    MILTER_EDIT_ADD = 'h',
    MILTER_EDIT_INSERT = 'i',
    MILTER_EDIT_CHANGE = 'm'
} MilterEditKind;

typedef struct {
    MilterEditKind kind;
    guint32 below;     /* CHANGE: how many fields of the name with the same value stand below */
    const char *name;  /* borrowed, all three */
    const char *was;   /* CHANGE: digest of the old raw value */
    const char *value; /* with LF for folds; CHANGE: "" removes the field */
} MilterEdit;

/* Appends one. FALSE, and nothing is appended, beyond MILTER_EDITS_BYTES. */
bool milter_edits_put (GByteArray *edits, const MilterEdit *edit);
/* The next one; `*at` starts at 0. FALSE at the end, and for octets that are none. */
bool milter_edits_next (const guint8 *bytes, gsize size, gsize *at, MilterEdit *edit);

/* Names the `index`-th field (from 1) of that name in a header block: sets `below`, and returns the digest.
 * Owned; NULL if there is none. */
char *milter_edits_name_field (const guint8 *block, gsize size, const char *name, guint32 index,
                               guint32 *below);
/* Finds it in a block of today: its number among the fields of the name, from 0; -1 if it is not there any more. */
gint64 milter_edits_find_field (const guint8 *block, gsize size, const MilterEdit *edit);
