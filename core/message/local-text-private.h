/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Text of local files and programs on its way to a message: lines that end in LF or CRLF come out with
 * CRLF. Pure, linear, resumable at any split; any thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Zero-initialised, but for `dot_ends`: whether a line with a dot alone ends the text (sendmail without -i). */
typedef struct {
    bool dot_ends;
    bool ended;     /* such a line came: what follows counts for nothing */
    bool bare_cr;   /* a CR stood alone, which no message may hold */
    bool cr, dot;   /* held back */
    bool line_open; /* the last line has no end yet */
} RelaisLocalText;

/* Appends to `out`; at most two octets more than twice what came. */
void
relais_local_text_feed (RelaisLocalText *text, const guint8 *bytes, gsize size, GByteArray *out);
/* The text has ended: gives its last line an end. */
void relais_local_text_end (RelaisLocalText *text, GByteArray *out);
