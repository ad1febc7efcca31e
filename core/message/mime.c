/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The MIME splitter. A machine over lines: of each line it keeps the first octets (enough for a
 * delimiter), of a header under way all of it. Owned by its caller; one thread at a time.
 *
 *     header --empty line--> content        (a leaf)
 *            --empty line--> gap            (preamble of a multipart; its boundary is open)
 *            --empty line--> header         (of the message inside a message/rfc822)
 *     any    --delimiter---> header         (of the next part of the multipart it belongs to)
 *     any    --last delimiter--> gap        (epilogue; the boundary is closed)
 *
 * A delimiter of an outer multipart ends all inner ones, closed or not.
 */
#include "config.h"

#include "message/mime-private.h"

#include <string.h>

#include "message/header-private.h"
#include "message/lines-private.h"

enum { PREFIX_BYTES = 512 }; /* a longer line is no delimiter */

typedef struct {
    guint part;
    char *boundary;
    gsize size;
    bool digest;
} Open;

struct RelaisMimeSplitter {
    GArray *parts;      /* RelaisMimePart */
    GArray *segments;   /* RelaisMimeSegment, the last one under way */
    GArray *open;       /* Open, outermost first */
    GByteArray *header; /* of the part under way, while its segment is a header */
    bool header_too_long;
    guint64 offset; /* of the next octet */
    guint64 steps;

    /* The line under way. */
    guint64 line_offset;
    guint8 prefix[PREFIX_BYTES];
    gsize prefix_size;
    guint64 line_size;
    guint8 last;
    bool line_eight_bit;
};

static void
open_clear (gpointer data)
{
    g_free (((Open *)data)->boundary);
}

static RelaisMimePart *
part_at (RelaisMimeSplitter *splitter, guint i)
{
    return &g_array_index (splitter->parts, RelaisMimePart, i);
}

static RelaisMimeSegment *
current (RelaisMimeSplitter *splitter)
{
    return &g_array_index (splitter->segments, RelaisMimeSegment, splitter->segments->len - 1);
}

/* Begins a segment at `offset`; one that is still empty is overwritten. */
static void
begin (RelaisMimeSplitter *splitter, RelaisMimeSegmentKind kind, guint part, guint64 offset)
{
    RelaisMimeSegment segment = {.offset = offset, .part = part, .kind = (guint8)kind};

    if (splitter->segments->len > 0 && current (splitter)->size == 0)
        *current (splitter) = segment;
    else
        g_array_append_val (splitter->segments, segment);
}

/* Nothing of a part that is open changes any more: itself and all in it, which came behind it. */
static void
seal (RelaisMimeSplitter *splitter, guint from)
{
    for (guint i = from; i < splitter->parts->len; i++)
        part_at (splitter, i)->sealed = true;
}

/* Begins a part with its header at `offset`; when there are too many, what follows is content of the
 * multipart or message it would have belonged to, which is sealed. */
static void
begin_part (RelaisMimeSplitter *splitter, int parent, guint64 offset)
{
    RelaisMimePart part = {.parent = parent};

    if (parent >= 0) {
        RelaisMimePart *above = part_at (splitter, (guint)parent);

        if (splitter->parts->len >= RELAIS_MIME_PARTS || above->depth >= RELAIS_MIME_DEPTH) {
            g_array_set_size (splitter->open, 0);
            seal (splitter, (guint)parent);
            begin (splitter, RELAIS_MIME_CONTENT, (guint)parent, offset);
            return;
        }
        part.depth = (guint8)(above->depth + 1);
        part.sealed = above->sealed;
    }
    g_array_append_val (splitter->parts, part);
    begin (splitter, RELAIS_MIME_HEADER, splitter->parts->len - 1, offset);
    g_byte_array_set_size (splitter->header, 0);
    splitter->header_too_long = false;
}

RelaisMimeSplitter *
relais_mime_splitter_new (void)
{
    RelaisMimeSplitter *splitter = g_new0 (RelaisMimeSplitter, 1);

    splitter->parts = g_array_new (FALSE, FALSE, sizeof (RelaisMimePart));
    splitter->segments = g_array_new (FALSE, FALSE, sizeof (RelaisMimeSegment));
    splitter->open = g_array_new (FALSE, FALSE, sizeof (Open));
    g_array_set_clear_func (splitter->open, open_clear);
    splitter->header = g_byte_array_new ();
    begin_part (splitter, -1, 0);
    return splitter;
}

void
relais_mime_splitter_free (RelaisMimeSplitter *splitter)
{
    if (splitter == NULL)
        return;
    g_array_unref (splitter->parts);
    g_array_unref (splitter->segments);
    g_array_unref (splitter->open);
    g_byte_array_unref (splitter->header);
    g_free (splitter);
}

/* --- What a header says ----------------------------------------------------------------------- */

static bool
is_one_of (const char *type, const char *const *types)
{
    return type != NULL && g_strv_contains (types, type);
}

static bool
is_open_boundary (const RelaisMimeSplitter *splitter, const char *boundary)
{
    for (guint i = 0; i < splitter->open->len; i++)
        if (strcmp (g_array_index (splitter->open, Open, i).boundary, boundary) == 0)
            return true;
    return false;
}

/* Whether a part without a Content-Type is a message (RFC 2046 section 5.1.5). */
static bool
is_in_digest (const RelaisMimeSplitter *splitter, const RelaisMimePart *part)
{
    const Open *last;

    if (splitter->open->len == 0)
        return false;
    last = &g_array_index (splitter->open, Open, splitter->open->len - 1);
    return last->digest && part->parent == (int)last->part;
}

static void
begin_multipart (RelaisMimeSplitter *splitter, guint index, RelaisMimeFields *fields,
                 guint64 offset)
{
    static const char *const sealing[] = {"multipart/signed", "multipart/encrypted", NULL};
    RelaisMimePart *part = part_at (splitter, index);
    Open open = {.part = index, .digest = strcmp (fields->type, "multipart/digest") == 0};

    if (part->encoding > RELAIS_MIME_BINARY || fields->boundary == NULL ||
        is_open_boundary (splitter, fields->boundary)) {
        part->sealed = true;
        begin (splitter, RELAIS_MIME_CONTENT, index, offset);
        return;
    }
    part->kind = RELAIS_MIME_MULTIPART;
    part->sealed |= is_one_of (fields->type, sealing);
    open.size = strlen (fields->boundary);
    open.boundary = g_steal_pointer (&fields->boundary);
    g_array_append_val (splitter->open, open);
    begin (splitter, RELAIS_MIME_GAP, index, offset);
}

static void
begin_leaf (RelaisMimeSplitter *splitter, guint index, const char *type, guint64 offset)
{
    static const char *const sealing[] = {"application/pkcs7-mime", "application/x-pkcs7-mime",
                                          "application/pgp-encrypted", NULL};
    RelaisMimePart *part = part_at (splitter, index);

    /* Of message/..., only a whole message may be edited inside; the others are bound to 7bit. */
    if (is_one_of (type, sealing) || (type != NULL && g_str_has_prefix (type, "message/")))
        part->sealed = true;
    begin (splitter, RELAIS_MIME_CONTENT, index, offset);
}

/* At the end of a part's header: what the part is, and what follows at `offset`. */
static void
begin_body (RelaisMimeSplitter *splitter, guint64 offset)
{
    static const char *const messages[] = {"message/rfc822", "message/global", NULL};
    const guint index = splitter->parts->len - 1;
    RelaisMimePart *part = part_at (splitter, index);
    RelaisMimeFields fields;
    const char *type;

    relais_mime_fields_read (&fields, splitter->header->data, splitter->header->len);
    part->encoding = fields.encoding;
    part->has_type = fields.has_type;
    part->has_version = fields.has_version;
    part->sealed |= fields.doubtful || splitter->header_too_long;
    type = fields.type;
    if (!fields.has_type && is_in_digest (splitter, part))
        type = "message/rfc822";
    if (type != NULL && g_str_has_prefix (type, "multipart/")) {
        begin_multipart (splitter, index, &fields, offset);
    } else if (is_one_of (type, messages) && part->encoding <= RELAIS_MIME_BINARY) {
        part->kind = RELAIS_MIME_MESSAGE;
        begin_part (splitter, (int)index, offset);
    } else {
        begin_leaf (splitter, index, type, offset);
    }
    relais_mime_fields_clear (&fields);
}

/* --- Lines ------------------------------------------------------------------------------------ */

/* Whether the line is a delimiter of this multipart; `*last` if it closes it. */
static bool
is_delimiter (RelaisMimeSplitter *splitter, const Open *open, gsize size, bool *last)
{
    const guint8 *line = splitter->prefix;
    gsize at = 2 + open->size;

    splitter->steps++;
    if (size < at || memcmp (line + 2, open->boundary, open->size) != 0)
        return false;
    *last = size >= at + 2 && memcmp (line + at, "--", 2) == 0;
    if (*last)
        at += 2;
    while (at < size && (line[at] == ' ' || line[at] == '\t'))
        at++;
    return at == size;
}

/* Ends the segment under way before a delimiter, which takes the CRLF before it (but not that of
 * a header), and begins the delimiter's. False if the line is none any more: what it cut off began a part
 * too many, and all from here on is content. */
static bool
begin_delimiter (RelaisMimeSplitter *splitter, guint part, guint64 line_end)
{
    RelaisMimeSegment *segment = current (splitter);
    guint64 start = splitter->line_offset;

    if (segment->kind != RELAIS_MIME_HEADER && segment->size >= 2)
        start -= 2;
    /* A part without body, and perhaps without empty line; or a message inside without anything. */
    while (current (splitter)->kind == RELAIS_MIME_HEADER)
        begin_body (splitter, start);
    if (splitter->open->len == 0)
        return false;
    segment = current (splitter);
    segment->size = start > segment->offset ? start - segment->offset : 0;
    begin (splitter, RELAIS_MIME_DELIMITER, part, start);
    current (splitter)->size = line_end - start;
    current (splitter)->eight_bit = splitter->line_eight_bit;
    return true;
}

/* Handles the line if it is a delimiter. */
static bool
take_delimiter (RelaisMimeSplitter *splitter, gsize size, guint64 line_end)
{
    bool last = false;
    guint i = 0;

    if (size < 3 || splitter->prefix[0] != '-' || splitter->prefix[1] != '-')
        return false;
    while (i < splitter->open->len &&
           !is_delimiter (splitter, &g_array_index (splitter->open, Open, i), size, &last))
        i++;
    if (i == splitter->open->len)
        return false;

    const guint part = g_array_index (splitter->open, Open, i).part;

    if (!begin_delimiter (splitter, part, line_end))
        return false;
    g_array_set_size (splitter->open, last ? i : i + 1);
    if (last)
        begin (splitter, RELAIS_MIME_GAP, part, line_end);
    else
        begin_part (splitter, (int)part, line_end);
    return true;
}

/* Whether the line may stand in a header. */
static bool
is_header_line (RelaisMimeSplitter *splitter, gsize size)
{
    gsize n = 0;

    if (size > 0 && (splitter->prefix[0] == ' ' || splitter->prefix[0] == '\t'))
        return current (splitter)->size > 0;
    while (n < size && splitter->prefix[n] > ' ' && splitter->prefix[n] < 0x7f &&
           splitter->prefix[n] != ':')
        n++;
    return n > 0 && n < size && splitter->prefix[n] == ':';
}

static void
count_line (RelaisMimeSplitter *splitter, guint64 length)
{
    RelaisMimeSegment *segment = current (splitter);

    segment->size += splitter->line_size;
    segment->eight_bit |= splitter->line_eight_bit;
    segment->longest_line = MAX (segment->longest_line, (guint32)MIN (length, G_MAXUINT32));
}

/* A whole line, or what stands after the last one. `length` is without CRLF. */
static void
end_line (RelaisMimeSplitter *splitter, guint64 length)
{
    const guint64 line_end = splitter->line_offset + splitter->line_size;
    const gsize known = (gsize)MIN (length, (guint64)splitter->prefix_size);
    bool header;

    splitter->steps++;
    if (length <= PREFIX_BYTES && take_delimiter (splitter, known, line_end))
        return;
    header = current (splitter)->kind == RELAIS_MIME_HEADER;
    if (header && length > 0 && !is_header_line (splitter, known)) {
        part_at (splitter, splitter->parts->len - 1)->sealed = true;
        g_byte_array_set_size (splitter->header, (guint)MIN ((guint64)splitter->header->len,
                                                             current (splitter)->size));
        begin_body (splitter, splitter->line_offset);
        if (current (splitter)->kind ==
            RELAIS_MIME_HEADER) /* a message inside: its header is bad too */
            end_line (splitter, length);
        else
            count_line (splitter, length);
        return;
    }
    count_line (splitter, length);
    if (header && length == 0)
        begin_body (splitter, line_end);
}

static void
start_line (RelaisMimeSplitter *splitter)
{
    splitter->line_offset = splitter->offset;
    splitter->line_size = 0;
    splitter->prefix_size = 0;
    splitter->line_eight_bit = false;
}

static void
keep_header (RelaisMimeSplitter *splitter, const guint8 *bytes, gsize size)
{
    if (current (splitter)->kind != RELAIS_MIME_HEADER || splitter->header_too_long)
        return;
    if (size > RELAIS_MIME_HEADER_BYTES - splitter->header->len)
        splitter->header_too_long = true;
    else
        g_byte_array_append (splitter->header, bytes, (guint)size);
}

/* Octets of one line, without another one's. */
static void
take_octets (RelaisMimeSplitter *splitter, const guint8 *bytes, gsize size, bool eight_bit)
{
    gsize room = MIN (size, PREFIX_BYTES - splitter->prefix_size);

    memcpy (splitter->prefix + splitter->prefix_size, bytes, room);
    splitter->prefix_size += room;
    keep_header (splitter, bytes, size);
    splitter->line_eight_bit |= eight_bit && relais_has_eight_bit (bytes, size);
    splitter->line_size += size;
    splitter->offset += size;
}

/* A line, all of which is here, that can only be counted: outside a header, and no delimiter. */
static void
take_plain_line (RelaisMimeSplitter *splitter, const guint8 *bytes, gsize size, bool eight_bit)
{
    splitter->steps++;
    splitter->line_size = size;
    splitter->line_eight_bit = eight_bit && relais_has_eight_bit (bytes, size);
    splitter->offset += size;
    count_line (splitter, size - 2);
    start_line (splitter);
}

void
relais_mime_splitter_feed (RelaisMimeSplitter *splitter, const guint8 *bytes, gsize size)
{
    /* Which lines have any is only asked where some have. */
    const bool eight_bit = relais_has_eight_bit (bytes, size);

    while (size > 0) {
        const guint8 *lf = memchr (bytes, '\n', size);
        const gsize taken = lf != NULL ? (gsize)(lf - bytes) + 1 : size;
        const bool ended = lf != NULL && (taken > 1 ? bytes[taken - 2] : splitter->last) == '\r' &&
                           splitter->line_size + taken >= 2;

        if (ended && splitter->line_size == 0 && bytes[0] != '-' &&
            current (splitter)->kind != RELAIS_MIME_HEADER) {
            take_plain_line (splitter, bytes, taken, eight_bit);
        } else {
            take_octets (splitter, bytes, taken, eight_bit);
            if (ended) {
                end_line (splitter, splitter->line_size - 2);
                start_line (splitter);
            }
        }
        splitter->last = bytes[taken - 1];
        bytes += taken;
        size -= taken;
    }
}

void
relais_mime_splitter_end (RelaisMimeSplitter *splitter)
{
    if (splitter->line_size > 0)
        end_line (splitter, splitter->line_size);
    start_line (splitter);
    while (current (splitter)->kind == RELAIS_MIME_HEADER)
        begin_body (splitter, splitter->offset);
    if (current (splitter)->size == 0)
        g_array_set_size (splitter->segments, splitter->segments->len - 1);
}

static void
feed (gpointer splitter, const guint8 *bytes, gsize size)
{
    relais_mime_splitter_feed (splitter, bytes, size);
}

bool
relais_mime_splitter_read (RelaisMimeSplitter *splitter, const RelaisRope *rope, GError **error)
{
    if (!relais_rope_each (rope, 0, relais_rope_size (rope), feed, splitter, error))
        return false;
    relais_mime_splitter_end (splitter);
    return true;
}

const GArray *
relais_mime_splitter_segments (const RelaisMimeSplitter *splitter)
{
    return splitter->segments;
}

const GArray *
relais_mime_splitter_parts (const RelaisMimeSplitter *splitter)
{
    return splitter->parts;
}

guint64
relais_mime_splitter_steps (const RelaisMimeSplitter *splitter)
{
    return splitter->steps;
}
