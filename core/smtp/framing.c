/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The decoder of message data. Five states and the rule that CRLF.CRLF alone ends data: whatever
 * else a peer may take for a line end is either refused on the spot or turned into CRLF for those
 * who read the message later, but is never a line end here. Ordinary text is passed over in one go;
 * the states look at what is not. Owns nothing, allocates nothing.
 */
#include "config.h"

#include "smtp/framing-private.h"

#include "message/lines-private.h"

static const guint8 crlf[] = {'\r', '\n'};

/* One call of decode: `run` is where the bytes that are not handed on yet begin. */
typedef struct {
    RelaisFraming *framing;
    const guint8 *bytes;
    gsize size, at, run;
    RelaisFramingSink sink;
    gpointer data;
} Decoding;

void
relais_framing_init (RelaisFraming *framing, bool normalise)
{
    *framing = (RelaisFraming){RELAIS_FRAME_LINE, normalise, false};
}

void
relais_framing_init_chunks (RelaisFraming *framing, bool normalise)
{
    *framing = (RelaisFraming){RELAIS_FRAME_LINE, normalise, true};
}

static void
flush (Decoding *d, gsize end)
{
    if (end > d->run)
        d->sink (d->data, d->bytes + d->run, end - d->run);
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
    /* In DATA a dot behind it is no end. */
    d->framing->state = d->framing->chunks ? RELAIS_FRAME_LINE : RELAIS_FRAME_TEXT;
    return true;
}

/* At a CR or LF that is not part of a CRLF in this piece. */
static bool
decode_newline (Decoding *d)
{
    if (d->bytes[d->at] == '\n' || d->at + 1 < d->size)
        return bare_newline (d, d->at, d->at + 1);
    flush (d, d->at);
    d->at = d->run = d->size;
    d->framing->state = RELAIS_FRAME_CR;
    return true;
}

/* In a line or at its start: passes over what is ordinary, and looks at what then stands there. */
static bool
decode_text (Decoding *d)
{
    const bool line_start = d->framing->state == RELAIS_FRAME_LINE;
    const gsize run = relais_lines_ordinary (d->bytes + d->at, d->size - d->at, line_start);

    d->at += run;
    if (run > 0)
        d->framing->state = d->bytes[d->at - 1] == '\n' ? RELAIS_FRAME_LINE : RELAIS_FRAME_TEXT;
    if (d->at == d->size)
        return true;
    if (d->bytes[d->at] != '.')
        return decode_newline (d);
    if (d->framing->chunks) {
        d->at++;
        d->framing->state = RELAIS_FRAME_TEXT;
        return true;
    }
    flush (d, d->at);
    d->run = ++d->at;
    d->framing->state = RELAIS_FRAME_DOT;
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
    Decoding d = {.framing = framing, .bytes = bytes, .size = size, .sink = sink, .data = data};
    bool good = true;

    while (good && d.at < size) {
        switch (framing->state) {
        case RELAIS_FRAME_TEXT:
        case RELAIS_FRAME_LINE: good = decode_text (&d); break;
        case RELAIS_FRAME_CR: good = decode_after_cr (&d); break;
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

RelaisFramingStatus
relais_framing_end (RelaisFraming *framing, RelaisFramingSink sink, gpointer data)
{
    g_assert (framing->chunks);
    if (framing->state == RELAIS_FRAME_CR && !framing->normalise)
        return RELAIS_FRAMING_BARE;
    if (framing->state != RELAIS_FRAME_LINE)
        sink (data, crlf, sizeof crlf);
    framing->state = RELAIS_FRAME_LINE;
    return RELAIS_FRAMING_END;
}
