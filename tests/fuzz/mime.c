/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The MIME splitter (core/message/mime.c, mime-fields.c). Properties: segments and parts do not
 * depend on where the input is cut; the segments stand one behind the other and leave nothing out;
 * parts are no deeper and no more than the limits, each behind its parent; what is said of octets
 * above 127 is so.
 *
 * Parsers: core/message/mime.c, core/message/mime-fields.c.
 */
#include "config.h"

#include "fuzz.h"
#include "message/mime-private.h"

static const char *const words[] = {"--b1\r\n",
                                    "--b1--\r\n",
                                    "--b2\r\n",
                                    "\r\nContent-Type: multipart/mixed; boundary=b1\r\n\r\n",
                                    "Content-Type: message/rfc822\r\n\r\n",
                                    "Content-Transfer-Encoding: base64\r\n",
                                    "Content-Transfer-Encoding: 8bit\r\n",
                                    "multipart/signed; protocol=\"x\"; boundary=\"b1\"",
                                    "boundary=\"b 1\"",
                                    "boundary*0=b",
                                    "\r\n--",
                                    "; ",
                                    "MIME-Version: 1.0\r\n",
                                    "(comment)",
                                    NULL};
const FuzzTarget fuzz_target = {20000, words};

static RelaisMimeSplitter *
split (const guint8 *bytes, gsize size, guint way)
{
    RelaisMimeSplitter *splitter = relais_mime_splitter_new ();
    FuzzRandom random = fuzz_random_from (bytes, size);

    for (gsize at = 0, n; at < size; at += n) {
        n = fuzz_next_piece (&random, way, size - at);
        relais_mime_splitter_feed (splitter, bytes + at, n);
    }
    relais_mime_splitter_end (splitter);
    return splitter;
}

static void
check_segments (const RelaisMimeSplitter *splitter, const guint8 *bytes, gsize size)
{
    const GArray *segments = relais_mime_splitter_segments (splitter);
    const guint n_parts = relais_mime_splitter_parts (splitter)->len;
    guint64 end = 0;

    for (guint i = 0; i < segments->len; i++) {
        const RelaisMimeSegment *segment = &g_array_index (segments, RelaisMimeSegment, i);
        bool eight_bit = false;

        g_assert_cmpuint (segment->offset, ==, end);
        g_assert_cmpuint (segment->part, <, n_parts);
        end += segment->size;
        g_assert_cmpuint (end, <=, size);
        for (guint64 at = segment->offset; at < end; at++)
            eight_bit |= bytes[at] >= 0x80;
        g_assert_true (eight_bit == segment->eight_bit);
        g_assert_cmpuint (segment->longest_line, <=, segment->size);
    }
    g_assert_cmpuint (end, ==, size);
}

static void
check_parts (const RelaisMimeSplitter *splitter)
{
    const GArray *parts = relais_mime_splitter_parts (splitter);

    g_assert_true (parts->len >= 1 && parts->len <= RELAIS_MIME_PARTS);
    for (guint i = 0; i < parts->len; i++) {
        const RelaisMimePart *part = relais_mime_part (splitter, i);

        g_assert_true (part->parent < (int)i && (part->parent >= 0 || i == 0));
        g_assert_cmpuint (part->depth, <=, RELAIS_MIME_DEPTH);
        if (part->parent >= 0) {
            g_assert_cmpint (relais_mime_part (splitter, (guint)part->parent)->kind, !=,
                             RELAIS_MIME_LEAF);
            g_assert_true (part->sealed ||
                           !relais_mime_part (splitter, (guint)part->parent)->sealed);
        }
    }
}

static void
check_same (const RelaisMimeSplitter *a, const RelaisMimeSplitter *b)
{
    const GArray *a_segments = relais_mime_splitter_segments (a);
    const GArray *b_segments = relais_mime_splitter_segments (b);

    g_assert_cmpuint (a_segments->len, ==, b_segments->len);
    for (guint i = 0; i < a_segments->len; i++) {
        const RelaisMimeSegment *x = &g_array_index (a_segments, RelaisMimeSegment, i);
        const RelaisMimeSegment *y = &g_array_index (b_segments, RelaisMimeSegment, i);

        g_assert_true (x->offset == y->offset && x->size == y->size && x->part == y->part &&
                       x->kind == y->kind && x->longest_line == y->longest_line);
    }
    g_assert_cmpuint (relais_mime_splitter_parts (a)->len, ==, relais_mime_splitter_parts (b)->len);
    for (guint i = 0; i < relais_mime_splitter_parts (a)->len; i++) {
        const RelaisMimePart *x = relais_mime_part (a, i), *y = relais_mime_part (b, i);

        g_assert_true (x->parent == y->parent && x->kind == y->kind && x->encoding == y->encoding &&
                       x->sealed == y->sealed);
    }
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    g_autoptr (RelaisMimeSplitter) whole = split (bytes, size, 0);
    RelaisMimeFields fields = {0};

    relais_mime_fields_read (&fields, bytes, size);
    relais_mime_fields_clear (&fields);
    check_segments (whole, bytes, size);
    check_parts (whole);
    for (guint way = 1; way < 3; way++) {
        g_autoptr (RelaisMimeSplitter) other = split (bytes, size, way);

        check_same (whole, other);
    }
    return 0;
}
