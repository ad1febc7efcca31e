/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The decoder of message data. Five states and the rule that CRLF.CRLF alone ends data: whatever
 * else a peer may take for a line end is either refused on the spot or turned into CRLF for those
 * who read the message later, but is never a line end here. Owns nothing, allocates nothing.
 */
#include "config.h"

#include "smtp/framing-private.h"

#include <string.h>

static const guint8 crlf[] = {'\r', '\n'};

/* One call of decode: `run` is where the bytes that are not handed on yet begin. */
typedef struct {
    RelaisFraming *framing;
    const guint8 *bytes;
    gsize size, at, run;
    gsize lf; /* place of the next LF from `at` on, or `size`; so that no octet is searched twice */
    bool lf_known;
    RelaisFramingSink sink;
    gpointer data;
} Decoding;

void
relais_framing_init (RelaisFraming *framing, bool normalise)
{
    *framing = (RelaisFraming){RELAIS_FRAME_LINE, normalise};
}

static void
flush (Decoding *d, gsize end)
{
    if (end > d->run)
        d->sink (d->data, d->bytes + d->run, end - d->run);
}

static gsize
next_lf (Decoding *d)
{
    const guint8 *found;

    if (d->lf_known && d->lf >= d->at)
        return d->lf;
    found = memchr (d->bytes + d->at, '\n', d->size - d->at);
    d->lf = found != NULL ? (gsize)(found - d->bytes) : d->size;
    d->lf_known = true;
    return d->lf;
}

/* A CR or LF alone, whose place in the input (if it is there) is `place`; the next octet to look at
 * is `next`. False if that is the end of it. */
static bool
bare_newline (Decoding *d, gsize place, gsize next)
{
    if (!d->framing->normalise)
        return false;
    flush (d, place);
    d->sink (d->data, crlf, sizeof crlf);
    d->at = d->run = next;
    d->framing->state = RELAIS_FRAME_TEXT;
    return true;
}

static bool
decode_text (Decoding *d)
{
    const gsize lf = next_lf (d);
    const guint8 *found = memchr (d->bytes + d->at, '\r', lf - d->at);
    gsize cr;

    if (found == NULL) {
        if (lf < d->size)
            return bare_newline (d, lf, lf + 1);
        d->at = d->size;
        return true;
    }
    cr = (gsize)(found - d->bytes);
    if (cr + 1 == d->size) {
        flush (d, cr);
        d->at = d->run = d->size;
        d->framing->state = RELAIS_FRAME_CR;
        return true;
    }
    if (cr + 1 != lf)
        return bare_newline (d, cr, cr + 1);
    d->at = lf + 1;
    d->framing->state = RELAIS_FRAME_LINE;
    return true;
}

/* The CR came with an earlier piece. */
static bool
decode_after_cr (Decoding *d)
{
    if (d->bytes[d->at] != '\n')
        return bare_newline (d, d->at, d->at);
    d->sink (d->data, crlf, sizeof crlf);
    d->run = ++d->at;
    d->framing->state = RELAIS_FRAME_LINE;
    return true;
}

static void
decode_line_start (Decoding *d)
{
    if (d->bytes[d->at] != '.') {
        d->framing->state = RELAIS_FRAME_TEXT;
        return;
    }
    flush (d, d->at);
    d->run = ++d->at;
    d->framing->state = RELAIS_FRAME_DOT;
}

/* A leading dot before anything but CRLF was stuffed: it is left out (section 4.5.2). */
static void
decode_after_dot (Decoding *d)
{
    if (d->bytes[d->at] != '\r') {
        d->framing->state = RELAIS_FRAME_TEXT;
        return;
    }
    d->run = ++d->at;
    d->framing->state = RELAIS_FRAME_DOT_CR;
}

RelaisFramingStatus
relais_framing_decode (RelaisFraming *framing, const guint8 *bytes, gsize size, gsize *used,
                       RelaisFramingSink sink, gpointer data)
{
    Decoding d = {
        .framing = framing, .bytes = bytes, .size = size, .lf = size, .sink = sink, .data = data};
    bool good = true;

    while (good && d.at < size) {
        switch (framing->state) {
        case RELAIS_FRAME_TEXT: good = decode_text (&d); break;
        case RELAIS_FRAME_CR: good = decode_after_cr (&d); break;
        case RELAIS_FRAME_LINE: decode_line_start (&d); break;
        case RELAIS_FRAME_DOT: decode_after_dot (&d); break;
        case RELAIS_FRAME_DOT_CR:
            if (bytes[d.at] == '\n') {
                *used = d.at + 1;
                return RELAIS_FRAMING_END;
            }
            good = bare_newline (&d, d.at, d.at);
            break;
        }
    }
    *used = d.at;
    if (!good)
        return RELAIS_FRAMING_BARE;
    flush (&d, size);
    return RELAIS_FRAMING_MORE;
}
