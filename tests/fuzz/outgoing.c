/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What leaves: a message fitted to its peer (core/message/outgoing.c, sink.c, rope.c) and stuffed
 * (core/smtp/dotstuff.c). The input is made a body as the server would have accepted it. Properties,
 * for each of the four kinds of peer: on the wire there is no bare CR or LF, no line of a lone dot
 * before the end and, unless such lines may pass, none over 998 octets; a receiver decodes the wire
 * to the fitted bytes; the text of each leaf, decoded, is that of the stored one; no octet above 127
 * is in content that goes to a peer without 8BITMIME, and whether there are any at all is told
 * rightly; fitting again changes nothing.
 *
 * Parsers: core/message/outgoing.c, core/message/sink.c.
 */
#include "config.h"

#include "fuzz.h"
#include "message/mime-private.h"
#include "message/outgoing-private.h"
#include "smtp/dotstuff-private.h"
#include "smtp/framing-private.h"

static const char *const words[] = {"--b1\r\n",
                                    "--b1--\r\n",
                                    "--b2\r\n",
                                    "Content-Type: multipart/mixed; boundary=b1\r\n\r\n",
                                    "Content-Type: message/rfc822\r\n\r\n",
                                    "Content-Transfer-Encoding: base64\r\n",
                                    "Content-Transfer-Encoding: 8bit\r\n",
                                    "Content-Transfer-Encoding: quoted-printable\r\n",
                                    "\r\n.\r\n",
                                    "\r\n..",
                                    "\xc3\xbc",
                                    "x",
                                    " ",
                                    "\t\r\n",
                                    "=\r\n",
                                    "\r\n\r\n",
                                    "MIME-Version: 1.0\r\n",
                                    NULL};
const FuzzTarget fuzz_target = {25000, words};

enum { LINE_OCTETS = 998 };

static void
append (gpointer data, const guint8 *bytes, gsize size)
{
    g_byte_array_append (data, bytes, (guint)size);
}

/* --- The body, as it was accepted --------------------------------------------------------------- */

static GByteArray *
accept (const guint8 *bytes, gsize size)
{
    GByteArray *body = g_byte_array_new ();
    RelaisFraming framing;
    gsize used;

    relais_framing_init (&framing, true);
    if (relais_framing_decode (&framing, bytes, size, &used, append, body) != RELAIS_FRAMING_END)
        relais_framing_decode (&framing, (const guint8 *)"\r\n.\r\n", 5, &used, append, body);
    if (body->len < 2 || memcmp (body->data + body->len - 2, "\r\n", 2) != 0)
        append (body, (const guint8 *)"\r\n", 2);
    return body;
}

static bool
read_copy (gpointer data, guint64 offset, gpointer to, gsize size, GError **error)
{
    memcpy (to, (const guint8 *)g_bytes_get_data (data, NULL) + offset, size);
    return true;
}

static RelaisBody *
make_body (const GByteArray *bytes, bool elsewhere)
{
    GBytes *copy = g_bytes_new (bytes->data, bytes->len);
    RelaisBodyScanner scanner = {0};
    RelaisBody *body;

    relais_body_scan (&scanner, bytes->data, bytes->len);
    relais_body_scan_end (&scanner);
    if (elsewhere)
        return relais_body_new_reader (read_copy, NULL, copy, (GDestroyNotify)g_bytes_unref,
                                       &scanner.facts);
    body = relais_body_new_bytes (copy, &scanner.facts);
    g_bytes_unref (copy);
    return body;
}

static GByteArray *
read_rope (const RelaisRope *rope, FuzzRandom *random)
{
    const guint64 size = relais_rope_size (rope);
    GByteArray *bytes = g_byte_array_sized_new ((guint)size);
    gssize n;

    for (guint64 at = 0; at < size; at += (guint64)n) {
        g_byte_array_set_size (bytes, (guint)size);
        n = relais_rope_read (rope, at, bytes->data + at,
                              fuzz_next_piece (random, 2, (gsize)(size - at)), NULL);
        g_assert_cmpint (n, >, 0);
    }
    return bytes;
}

/* --- The wire ----------------------------------------------------------------------------------- */

/* The longest line's octets, without its CRLF and the dot put before it. */
static gsize
check_wire (const guint8 *wire, gsize size)
{
    gsize longest = 0;

    g_assert_true (size >= 3 && memcmp (wire + size - 3, ".\r\n", 3) == 0);
    for (gsize at = 0, n; at < size; at += n) {
        const guint8 *lf = memchr (wire + at, '\n', size - at);

        g_assert_nonnull (lf);
        n = (gsize)(lf - wire) + 1 - at;
        g_assert_true (n >= 2 && memchr (wire + at, '\r', n) == lf - 1);
        g_assert_true (n != 3 || wire[at] != '.' || at + n == size);
        longest = MAX (longest, wire[at] == '.' ? n - 3 : n - 2);
    }
    return longest;
}

static gsize
send_and_receive (const GByteArray *bytes, FuzzRandom *random)
{
    g_autoptr (GByteArray) wire = g_byte_array_new ();
    g_autoptr (GByteArray) received = g_byte_array_new ();
    RelaisDotStuff stuff = {0};
    RelaisFraming framing;
    gsize used;

    for (gsize at = 0, n; at < bytes->len; at += n) {
        n = fuzz_next_piece (random, 2, bytes->len - at);
        g_assert_true (relais_dot_stuff (&stuff, bytes->data + at, n, append, wire));
    }
    g_assert_true (relais_dot_stuff_end (&stuff, append, wire));
    relais_framing_init (&framing, false);
    g_assert_cmpint (
        relais_framing_decode (&framing, wire->data, wire->len, &used, append, received), ==,
        RELAIS_FRAMING_END);
    g_assert_cmpuint (used, ==, wire->len);
    fuzz_assert_same (received->data, received->len, bytes->data, bytes->len);
    return check_wire (wire->data, wire->len);
}

/* --- The text ----------------------------------------------------------------------------------- */

static int
hex (guint8 c)
{
    return g_ascii_isxdigit (c) ? g_ascii_xdigit_value ((char)c) : -1;
}

static void
decode_qp (const guint8 *bytes, gsize size, GByteArray *text)
{
    for (gsize i = 0; i < size; i++) {
        guint8 octet = bytes[i];

        if (octet == '=') {
            g_assert_cmpuint (size - i, >=, 3);
            i += 2;
            if (memcmp (bytes + i - 1, "\r\n", 2) == 0)
                continue;
            octet = (guint8)(hex (bytes[i - 1]) * 16 + hex (bytes[i]));
        }
        g_byte_array_append (text, &octet, 1);
    }
}

static void
decode_base64_lines (const guint8 *bytes, gsize size, GByteArray *text)
{
    for (gsize i = 0; i < size; i++)
        if (bytes[i] != '\r' && bytes[i] != '\n')
            g_byte_array_append (text, bytes + i, 1);
}

typedef struct {
    RelaisMimeSplitter *splitter;
    const GByteArray *bytes;
    guint at; /* segment */
} Leaves;

static const RelaisMimeSegment *
next_leaf (Leaves *leaves)
{
    const GArray *segments = relais_mime_splitter_segments (leaves->splitter);

    while (leaves->at < segments->len) {
        const RelaisMimeSegment *segment =
            &g_array_index (segments, RelaisMimeSegment, leaves->at++);

        if (segment->kind == RELAIS_MIME_CONTENT)
            return segment;
    }
    return NULL;
}

static Leaves
find_leaves (const GByteArray *bytes)
{
    Leaves leaves = {relais_mime_splitter_new (), bytes, 0};

    relais_mime_splitter_feed (leaves.splitter, bytes->data, bytes->len);
    relais_mime_splitter_end (leaves.splitter);
    return leaves;
}

/* Both decoded by the encoding that each says, unless they say the same. */
static void
compare_leaf (const Leaves *a, const RelaisMimeSegment *x, const Leaves *b,
              const RelaisMimeSegment *y)
{
    g_autoptr (GByteArray) x_text = g_byte_array_new (), y_text = g_byte_array_new ();
    const guint8 x_encoding = relais_mime_part (a->splitter, x->part)->encoding;
    const guint8 y_encoding = relais_mime_part (b->splitter, y->part)->encoding;
    const guint8 *x_bytes = a->bytes->data + x->offset, *y_bytes = b->bytes->data + y->offset;

    if (x_encoding == RELAIS_MIME_BASE64 && y_encoding == RELAIS_MIME_BASE64) {
        decode_base64_lines (x_bytes, (gsize)x->size, x_text);
        decode_base64_lines (y_bytes, (gsize)y->size, y_text);
    } else {
        append (x_text, x_bytes, (gsize)x->size);
        if (y_encoding == RELAIS_MIME_QUOTED_PRINTABLE && x_encoding <= RELAIS_MIME_BINARY)
            decode_qp (y_bytes, (gsize)y->size, y_text);
        else
            append (y_text, y_bytes, (gsize)y->size);
    }
    fuzz_assert_same (x_text->data, x_text->len, y_text->data, y_text->len);
}

static void
compare_text (const GByteArray *stored, const GByteArray *sent, const RelaisTransportLimits *limits)
{
    Leaves a = find_leaves (stored), b = find_leaves (sent);
    const RelaisMimeSegment *x, *y;

    do {
        x = next_leaf (&a);
        y = next_leaf (&b);
        g_assert_true ((x == NULL) == (y == NULL));
        if (x == NULL)
            break;
        compare_leaf (&a, x, &b, y);
        g_assert_true (limits->eight_bit_allowed || !y->eight_bit ||
                       relais_mime_part (b.splitter, y->part)->sealed);
    } while (true);
    relais_mime_splitter_free (a.splitter);
    relais_mime_splitter_free (b.splitter);
}

/* --- Fitting ------------------------------------------------------------------------------------ */

static bool
has_eight_bit (const GByteArray *bytes)
{
    for (guint i = 0; i < bytes->len; i++)
        if (bytes->data[i] >= 0x80)
            return true;
    return false;
}

/* Whether all octets above 127 stand before the first empty line, as the scanner of bodies sees it:
 * those of a header are left as they are. Without an empty line, or with a malformed header, the
 * splitter sees it otherwise, and who has no facts refuses the message. */
static bool
is_wide_header_only (const RelaisBodyFacts *facts)
{
    return facts->eight_bit_header && !facts->eight_bit;
}

static void
check_again (RelaisRope *rope, const RelaisTransportLimits *limits, bool eight_bit)
{
    g_autoptr (RelaisRope) out = NULL;
    bool again = !eight_bit;

    g_assert_cmpint (relais_outgoing_fit (rope, NULL, limits, &out, &again, NULL), ==,
                     RELAIS_TRANSPORT_AS_IS);
    g_assert_true (again == eight_bit);
}

static void
check_fit (const GByteArray *stored, const RelaisTransportLimits *limits, FuzzRandom *random)
{
    g_autoptr (RelaisBody) body = make_body (stored, fuzz_random_below (random, 2) == 1);
    g_autoptr (RelaisRope) rope = relais_rope_new ();
    g_autoptr (RelaisRope) out = NULL;
    g_autoptr (GByteArray) sent = NULL;
    g_autoptr (GError) error = NULL;
    const bool known = fuzz_random_below (random, 4) > 0;
    bool eight_bit = false;
    RelaisTransportResult result;
    gsize longest;

    relais_rope_append_body (rope, body, 0, stored->len);
    result = relais_outgoing_fit (rope, known ? relais_body_facts (body) : NULL, limits, &out,
                                  &eight_bit, &error);
    g_assert_no_error (error);
    g_assert_cmpint (result, !=, RELAIS_TRANSPORT_ERROR);
    if (result == RELAIS_TRANSPORT_REFUSED) {
        g_assert_null (out);
        return;
    }
    sent = read_rope (out, random);
    longest = send_and_receive (sent, random);
    g_assert_true (limits->pass_long_lines || longest <= LINE_OCTETS);
    g_assert_true (has_eight_bit (sent) == eight_bit);
    if (result == RELAIS_TRANSPORT_AS_IS)
        fuzz_assert_same (sent->data, sent->len, stored->data, stored->len);
    compare_text (stored, sent, limits);
    if (!known || !is_wide_header_only (relais_body_facts (body)))
        check_again (out, limits, eight_bit);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    g_autoptr (GByteArray) stored = accept (bytes, size);
    FuzzRandom random = fuzz_random_from (bytes, size);

    for (guint i = 0; i < 4; i++) {
        const RelaisTransportLimits limits = {(i & 1) != 0, (i & 2) != 0};

        check_fit (stored, &limits, &random);
    }
    return 0;
}
