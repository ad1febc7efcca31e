/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The decoder of message data (RFC 5321 section 4.1.1.4, 4.5.2): where data ends, and what the
 * bytes were before dot-stuffing. What BDAT brings (RFC 3030) goes through the same states, but for
 * the dots. Pure and resumable at any octet; it holds no bytes. Any thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef enum {
    RELAIS_FRAME_TEXT,  /* inside a line */
    RELAIS_FRAME_CR,    /* after a CR that was not handed on yet */
    RELAIS_FRAME_LINE,  /* after CRLF (or DATA's own): a dot may follow */
    RELAIS_FRAME_DOT,   /* after CRLF and a dot that was not handed on */
    RELAIS_FRAME_DOT_CR /* after CRLF, dot, CR */
} RelaisFrameState;

/* How the bytes given ended. */
typedef enum {
    RELAIS_FRAMING_MORE, /* all were taken, data goes on */
    RELAIS_FRAMING_END,  /* CRLF.CRLF was taken; what follows are commands */
    RELAIS_FRAMING_BARE /* a CR or LF alone, and they are refused: the end can no longer be trusted */
} RelaisFramingStatus;

typedef struct {
    RelaisFrameState state;
    bool normalise; /* a CR or LF alone becomes CRLF; it never takes part in the end of data */
    bool chunks;    /* a dot is a dot, and the end is told by relais_framing_end () */
} RelaisFraming;

/* Gets the decoded bytes, in runs that point into the input wherever they can. */
typedef void (*RelaisFramingSink) (gpointer data, const guint8 *bytes, gsize size);

void relais_framing_init (RelaisFraming *framing, bool normalise);
/* The same for the octets of all chunks of one message. */
void relais_framing_init_chunks (RelaisFraming *framing, bool normalise);
RelaisFramingStatus relais_framing_decode (RelaisFraming *framing, const guint8 *bytes, gsize size,
                                           gsize *used, RelaisFramingSink sink, gpointer data);
/* The last chunk ended: a CR that waited for its LF stands alone, and a last line without an end gets
 * one, as message data is lines. RELAIS_FRAMING_END or RELAIS_FRAMING_BARE. */
RelaisFramingStatus
relais_framing_end (RelaisFraming *framing, RelaisFramingSink sink, gpointer data);
