/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fitting a message to its peer. One pass over the message finds its MIME structure, a second one
 * makes the new rope: ranges that stay are shared with the old one, changed leaves are read and
 * encoded in pieces. Worker threads.
 *
 * What changes: a leaf in 7bit, 8bit or binary becomes quoted-printable; base64 with lines too long is cut into
 * shorter ones; header lines are folded at blanks; preambles and epilogues, which nobody reads, are
 * tidied; the multiparts and messages around say "7bit" where they said more. Inside message/rfc822 the same
 * is done: the alternative would be to bounce every forwarded 8-bit message, while what its reader sees stays the
 * same; a signed message inside is sealed as outside. What is said to be quoted-printable and yet has lines too long or
 * octets above 127 is no quoted-printable: decoders differ about it, so it counts as sealed.
 */
#include "config.h"

#include "message/outgoing-private.h"

#include <string.h>

#include "message/header-private.h"
#include "message/lines-private.h"
#include "message/mime-private.h"
#include "message/sink-private.h"

enum { LINE_OCTETS = 998 };

typedef struct {
    RelaisRope *rope; /* as it came */
    const RelaisTransportLimits *limits;
    RelaisMimeSplitter *splitter;
    gint8 *new_encodings; /* RelaisMimeEncoding, one a part; -1: as it was */
    RelaisSink sink;
    bool eight_bit; /* what was written so far has an octet above 127 */
    bool refused;   /* found while writing: a header line that cannot be folded */
} Fit;

/* --- Reading ---------------------------------------------------------------------------------- */

static void
append_array (gpointer to, const guint8 *bytes, gsize size)
{
    g_byte_array_append (to, bytes, (guint)size);
}

/* --- What has to change ----------------------------------------------------------------------- */

static bool
is_too_long (const RelaisMimeSegment *segment)
{
    return segment->longest_line > LINE_OCTETS;
}

static bool
is_too_wide (const Fit *fit, const RelaisMimeSegment *segment)
{
    return segment->eight_bit && !fit->limits->eight_bit_allowed;
}

/* Whether these bytes change; octets above 127 in a header are not ours to change. */
static bool
needs_change (const Fit *fit, const RelaisMimeSegment *segment)
{
    switch ((RelaisMimeSegmentKind)segment->kind) {
    case RELAIS_MIME_HEADER: return is_too_long (segment);
    case RELAIS_MIME_CONTENT:
    case RELAIS_MIME_GAP: return is_too_long (segment) || is_too_wide (fit, segment);
    case RELAIS_MIME_DELIMITER: return false;
    }
    return false;
}

static bool
is_sealed (const Fit *fit, const RelaisMimeSegment *segment)
{
    const RelaisMimePart *part = relais_mime_part (fit->splitter, segment->part);

    if (segment->kind == RELAIS_MIME_HEADER)
        return part->parent >= 0 && relais_mime_part (fit->splitter, (guint)part->parent)->sealed;
    if (segment->kind != RELAIS_MIME_CONTENT)
        return part->sealed;
    return part->sealed || part->encoding == RELAIS_MIME_QUOTED_PRINTABLE ||
           (part->encoding == RELAIS_MIME_BASE64 && is_too_wide (fit, segment));
}

/* Sealed bytes whose only fault is long lines, and the operator lets these pass. */
static bool
passes (const Fit *fit, const RelaisMimeSegment *segment)
{
    return is_sealed (fit, segment) && fit->limits->pass_long_lines && !is_too_wide (fit, segment);
}

static bool
will_change (const Fit *fit, const RelaisMimeSegment *segment)
{
    return needs_change (fit, segment) && !passes (fit, segment);
}

/* A multipart or message that says 8bit or binary, of which nothing 8-bit will be left. */
static bool
becomes_7bit (const Fit *fit, const RelaisMimePart *part, bool eight_bit_left)
{
    return part->kind != RELAIS_MIME_LEAF && !part->sealed && !eight_bit_left &&
           (part->encoding == RELAIS_MIME_8BIT || part->encoding == RELAIS_MIME_BINARY);
}

/* Whether a change of these bytes leaves nothing above 127 in them. */
static bool
loses_eight_bit (const Fit *fit, const RelaisMimeSegment *segment)
{
    if (segment->kind == RELAIS_MIME_GAP)
        return is_too_wide (fit, segment);
    return segment->kind == RELAIS_MIME_CONTENT &&
           relais_mime_part (fit->splitter, segment->part)->encoding <= RELAIS_MIME_BINARY;
}

/* Of a segment; a header that is written anew may lose some with a field that is replaced. */
static bool
keeps_eight_bit (const Fit *fit, const RelaisMimeSegment *segment)
{
    return segment->eight_bit && !(will_change (fit, segment) && loses_eight_bit (fit, segment));
}

/* Decides what happens; `*eight_bit`: octets above 127 are left, or may be. */
static RelaisTransportResult
plan (Fit *fit, bool *eight_bit)
{
    const GArray *segments = relais_mime_splitter_segments (fit->splitter);
    const GArray *parts = relais_mime_splitter_parts (fit->splitter);
    RelaisTransportResult result = RELAIS_TRANSPORT_AS_IS;
    bool left = false;

    fit->new_encodings = g_malloc (parts->len);
    memset (fit->new_encodings, -1, parts->len);
    for (guint i = 0; i < segments->len; i++) {
        const RelaisMimeSegment *segment = &g_array_index (segments, RelaisMimeSegment, i);
        const bool changes = will_change (fit, segment);

        left |= keeps_eight_bit (fit, segment);
        if (!changes)
            continue;
        if (is_sealed (fit, segment))
            return RELAIS_TRANSPORT_REFUSED;
        result = RELAIS_TRANSPORT_CHANGED;
        if (segment->kind == RELAIS_MIME_CONTENT &&
            relais_mime_part (fit->splitter, segment->part)->encoding <= RELAIS_MIME_BINARY)
            fit->new_encodings[segment->part] = RELAIS_MIME_QUOTED_PRINTABLE;
    }
    for (guint i = 0; result == RELAIS_TRANSPORT_CHANGED && i < parts->len; i++)
        if (becomes_7bit (fit, relais_mime_part (fit->splitter, i), left))
            fit->new_encodings[i] = RELAIS_MIME_7BIT;
    *eight_bit = left;
    return result;
}

/* --- Headers ---------------------------------------------------------------------------------- */

static bool
is_blank (guint8 c)
{
    return c == ' ' || c == '\t';
}

/* Where to break a line that is too long: at the last blank that leaves something to be seen on
 * both sides; 0 if there is none. Behind `last` are blanks alone. */
static gsize
find_break (const guint8 *line, gsize size, gsize last)
{
    gsize first = 0;

    while (first < size && is_blank (line[first]))
        first++;
    for (gsize i = MIN (LINE_OCTETS, size - 1); i > first; i--)
        if (is_blank (line[i]) && i < last)
            return i;
    return 0;
}

/* One physical line without its CRLF. */
static bool
put_folded (Fit *fit, const guint8 *line, gsize size)
{
    gsize last = size;

    while (last > 0 && is_blank (line[last - 1]))
        last--;
    while (size > LINE_OCTETS) {
        gsize at = find_break (line, size, last);

        if (at == 0)
            return false;
        relais_sink_put (&fit->sink, line, at);
        relais_sink_put (&fit->sink, "\r\n", 2);
        line += at;
        size -= at;
        last -= at;
    }
    relais_sink_put (&fit->sink, line, size);
    return true;
}

static bool
put_lines (Fit *fit, const guint8 *bytes, gsize size)
{
    const guint8 *end = bytes + size;

    fit->eight_bit = fit->eight_bit || relais_has_eight_bit (bytes, size);
    while (bytes < end) {
        const guint8 *lf = memmem (bytes, (gsize)(end - bytes), "\r\n", 2);
        const guint8 *stop = lf != NULL ? lf : end;

        if (!put_folded (fit, bytes, (gsize)(stop - bytes)))
            return false;
        if (lf == NULL)
            return true;
        relais_sink_put (&fit->sink, "\r\n", 2);
        bytes = lf + 2;
    }
    return true;
}

static void
put_text (Fit *fit, const char *text)
{
    relais_sink_put (&fit->sink, text, strlen (text));
}

static void
put_encoding (Fit *fit, gint8 encoding)
{
    put_text (fit, encoding == RELAIS_MIME_7BIT
                       ? "Content-Transfer-Encoding: 7bit\r\n"
                       : "Content-Transfer-Encoding: quoted-printable\r\n");
}

/* What a message's header, its own or that of one inside, lacks to be MIME, now that it needs it. RFC 1428
 * gives the name for text of which nobody said what its octets mean. */
static void
put_missing (Fit *fit, const RelaisMimePart *part, bool eight_bit)
{
    if (part->parent >= 0 &&
        relais_mime_part (fit->splitter, (guint)part->parent)->kind != RELAIS_MIME_MESSAGE)
        return;
    if (!part->has_version)
        put_text (fit, "MIME-Version: 1.0\r\n");
    if (!part->has_type && eight_bit)
        put_text (fit, "Content-Type: text/plain; charset=unknown-8bit\r\n");
}

static bool
put_header (Fit *fit, const RelaisMimeSegment *segment, const guint8 *header, gsize size,
            bool eight_bit)
{
    const RelaisMimePart *part = relais_mime_part (fit->splitter, segment->part);
    const gint8 encoding = fit->new_encodings[segment->part];
    RelaisField field;
    gsize position = 0;
    bool said = encoding < 0;

    while (relais_header_next (header, size, &position, &field)) {
        if (encoding >= 0 && relais_field_is (&field, "Content-Transfer-Encoding")) {
            put_encoding (fit, encoding);
            said = true;
        } else if (!put_lines (fit, header + field.offset, field.size)) {
            return false;
        }
    }
    if (!said)
        put_encoding (fit, encoding);
    if (encoding == RELAIS_MIME_QUOTED_PRINTABLE)
        put_missing (fit, part, eight_bit);
    return put_lines (fit, header + position, size - position);
}

/* --- Writing ---------------------------------------------------------------------------------- */

static void
feed_qp (gpointer to, const guint8 *bytes, gsize size)
{
    relais_qp_put (to, bytes, size);
}

static void
feed_rewrap (gpointer to, const guint8 *bytes, gsize size)
{
    relais_rewrap_put (to, bytes, size);
}

static void
feed_tidy (gpointer to, const guint8 *bytes, gsize size)
{
    relais_tidy_put (to, bytes, size);
}

static bool
write_header (Fit *fit, const RelaisMimeSegment *segment, bool eight_bit, GError **error)
{
    g_autoptr (GByteArray) header = g_byte_array_new ();

    if (!relais_rope_each (fit->rope, segment->offset, segment->size, append_array, header, error))
        return false;
    if (!put_header (fit, segment, header->data, header->len, eight_bit))
        fit->refused = true;
    return true;
}

static bool
write_content (Fit *fit, const RelaisMimeSegment *segment, GError **error)
{
    RelaisQp qp = {.sink = &fit->sink};
    RelaisRewrap rewrap = {.sink = &fit->sink};

    if (relais_mime_part (fit->splitter, segment->part)->encoding == RELAIS_MIME_BASE64)
        return relais_rope_each (fit->rope, segment->offset, segment->size, feed_rewrap, &rewrap,
                                 error);
    if (!relais_rope_each (fit->rope, segment->offset, segment->size, feed_qp, &qp, error))
        return false;
    relais_qp_end (&qp);
    return true;
}

static bool
write_gap (Fit *fit, const RelaisMimeSegment *segment, GError **error)
{
    RelaisTidy tidy = {.sink = &fit->sink, .seven_bit = !fit->limits->eight_bit_allowed};

    return relais_rope_each (fit->rope, segment->offset, segment->size, feed_tidy, &tidy, error);
}

/* Whether the leaf's content, which follows its header, has octets above 127. */
static bool
has_wide_content (const GArray *segments, guint header)
{
    const RelaisMimeSegment *next;

    if (header + 1 >= segments->len)
        return false;
    next = &g_array_index (segments, RelaisMimeSegment, header + 1);
    return next->kind == RELAIS_MIME_CONTENT && next->eight_bit;
}

static bool
write_segment (Fit *fit, const GArray *segments, guint i, GError **error)
{
    const RelaisMimeSegment *segment = &g_array_index (segments, RelaisMimeSegment, i);
    const bool changes = will_change (fit, segment);

    if (segment->kind == RELAIS_MIME_HEADER && (changes || fit->new_encodings[segment->part] >= 0))
        return write_header (fit, segment, has_wide_content (segments, i), error);
    fit->eight_bit = fit->eight_bit || keeps_eight_bit (fit, segment);
    if (segment->kind == RELAIS_MIME_CONTENT && changes)
        return write_content (fit, segment, error);
    if (segment->kind == RELAIS_MIME_GAP && changes)
        return write_gap (fit, segment, error);
    relais_sink_flush (&fit->sink);
    relais_rope_append_rope (fit->sink.rope, fit->rope, segment->offset, segment->size);
    return true;
}

static RelaisTransportResult
write_all (Fit *fit, RelaisRope **out, GError **error)
{
    g_autoptr (RelaisRope) rope = relais_rope_new ();
    const GArray *segments = relais_mime_splitter_segments (fit->splitter);
    RelaisTransportResult result = RELAIS_TRANSPORT_CHANGED;

    relais_sink_init (&fit->sink, rope);
    for (guint i = 0; i < segments->len && result == RELAIS_TRANSPORT_CHANGED; i++) {
        if (!write_segment (fit, segments, i, error))
            result = RELAIS_TRANSPORT_ERROR;
        else if (fit->refused)
            result = RELAIS_TRANSPORT_REFUSED;
    }
    relais_sink_flush (&fit->sink);
    if (result == RELAIS_TRANSPORT_CHANGED && fit->sink.error != NULL) {
        g_propagate_error (error, g_steal_pointer (&fit->sink.error));
        result = RELAIS_TRANSPORT_ERROR;
    }
    if (result == RELAIS_TRANSPORT_CHANGED)
        *out = g_steal_pointer (&rope);
    relais_sink_clear (&fit->sink);
    return result;
}

static RelaisTransportResult
fit_rope (Fit *fit, RelaisRope **out, bool *eight_bit, GError **error)
{
    RelaisTransportResult result;

    if (!relais_mime_splitter_read (fit->splitter, fit->rope, error))
        return RELAIS_TRANSPORT_ERROR;
    result = plan (fit, eight_bit);
    if (result == RELAIS_TRANSPORT_CHANGED) {
        result = write_all (fit, out, error);
        *eight_bit = fit->eight_bit;
    }
    if (result == RELAIS_TRANSPORT_AS_IS)
        *out = relais_rope_ref (fit->rope);
    return result;
}

RelaisTransportResult
relais_outgoing_fit (RelaisRope *rope, const RelaisBodyFacts *facts,
                     const RelaisTransportLimits *limits, RelaisRope **out, bool *eight_bit,
                     GError **error)
{
    Fit fit = {.rope = rope, .limits = limits};
    RelaisTransportResult result;

    if (facts != NULL && facts->longest_line <= LINE_OCTETS &&
        (limits->eight_bit_allowed || !facts->eight_bit)) {
        *eight_bit = facts->eight_bit || facts->eight_bit_header;
        *out = relais_rope_ref (rope);
        return RELAIS_TRANSPORT_AS_IS;
    }
    fit.splitter = relais_mime_splitter_new ();
    result = fit_rope (&fit, out, eight_bit, error);
    relais_mime_splitter_free (fit.splitter);
    g_free (fit.new_encodings);
    return result;
}
