/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An input read as changes to bytes that are whole: what a bad disk, a torn write or a slip of a
 * repairer makes of a file, which mutations of the file's own bytes would find only at its start.
 * Eight octets a change: what, where (3, big-endian), how much (3), value.
 */
#pragma once

#include "fuzz.h"

enum { FUZZ_EDIT_BYTES = 8, FUZZ_EDITS = 16 };

typedef enum {
    FUZZ_EDIT_XOR,
    FUZZ_EDIT_SET,
    FUZZ_EDIT_FILL,
    FUZZ_EDIT_CUT, /* the file ends there */
    FUZZ_EDIT_COPY /* `value` * 256 octets from there on to the place named by "how much" */
} FuzzEditKind;

typedef struct {
    FuzzEditKind kind;
    gsize at, size;
    guint8 value;
} FuzzEdit;

static inline bool
fuzz_next_edit (const guint8 **bytes, gsize *size, gsize limit, FuzzEdit *edit)
{
    const guint8 *from = *bytes;

    if (*size < FUZZ_EDIT_BYTES || limit == 0)
        return false;
    edit->kind = (FuzzEditKind)(from[0] % (FUZZ_EDIT_COPY + 1));
    edit->at = ((gsize)from[1] << 16 | (gsize)from[2] << 8 | from[3]) % limit;
    edit->size = ((gsize)from[4] << 16 | (gsize)from[5] << 8 | from[6]) % limit;
    edit->value = from[7];
    *bytes += FUZZ_EDIT_BYTES;
    *size -= FUZZ_EDIT_BYTES;
    return true;
}

/* Applies one change; returns the size after it, and the range that may differ in `*from`, `*to`. */
static inline gsize
fuzz_apply_edit (const FuzzEdit *edit, guint8 *bytes, gsize size, gsize *from, gsize *to)
{
    const gsize left = size - edit->at;

    *from = edit->at;
    *to = edit->at + 1;
    switch (edit->kind) {
    case FUZZ_EDIT_XOR: bytes[edit->at] ^= edit->value; break;
    case FUZZ_EDIT_SET: bytes[edit->at] = edit->value; break;
    case FUZZ_EDIT_FILL:
        *to = edit->at + MIN (left, edit->size);
        memset (bytes + edit->at, edit->value & 1 ? 0 : edit->value, *to - *from);
        break;
    case FUZZ_EDIT_CUT: *to = size; return edit->at;
    case FUZZ_EDIT_COPY:
        *from = edit->size;
        *to = edit->size + MIN (MIN (left, (gsize)edit->value * 256), size - edit->size);
        memmove (bytes + *from, bytes + edit->at, *to - *from);
        break;
    }
    return size;
}
