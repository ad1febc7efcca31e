/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Recorded replies, a line each, and what was probably meant by a mistyped name. Pure, bounded; any thread.
 */
#pragma once

#include <glib.h>

typedef enum {
    REPLIES_LINE_EMPTY, /* or a comment, or an event that tells of no reply */
    REPLIES_LINE_BAD,
    REPLIES_LINE_REPLY
} RepliesLineType;
typedef struct {
    RepliesLineType type;
    char *provider, *phase, *enhanced, *text; /* NULL: none said */
    guint code;
} RepliesLine;
enum { REPLIES_LINE_BYTES = 64 * 1024 }; /* longer is BAD */
/* "421 4.7.28 text"; "PROVIDER<TAB>PHASE<TAB>421 4.7.28 text" (- or nothing: none); a line of the event log. */
void replies_line_parse (const char *bytes, gsize size, RepliesLine *line);
void replies_line_clear (RepliesLine *line);

/* The name that was probably meant, or NULL. Borrowed. */
const char *replies_nearest (const char *name, const GPtrArray *names);
