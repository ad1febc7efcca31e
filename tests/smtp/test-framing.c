/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/smtp/framing: CRLF.CRLF ends data and nothing else does, at whatever octets the input is
 * split; a bare CR or LF is refused or becomes CRLF; stuffed dots are taken out. Compared with a
 * reference that works on whole lines and keeps no state.
 */
#include "config.h"

#include "smtp/framing-private.h"

#include <string.h>

typedef struct {
    RelaisFramingStatus status;
    gsize used;
    GByteArray *out;
} Outcome;

static Outcome
outcome_new (void)
{
    return (Outcome){RELAIS_FRAMING_MORE, 0, g_byte_array_new ()};
}

static void
collect (gpointer data, const guint8 *bytes, gsize size)
{
    g_assert_cmpuint (size, >, 0);
    g_byte_array_append (data, bytes, (guint)size);
}

/* Each piece from memory of its own size, so that a read beyond it is seen by the sanitizer. */
static bool
feed (RelaisFraming *framing, const char *bytes, gsize size, Outcome *outcome)
{
    g_autofree guint8 *piece = g_memdup2 (bytes, size);
    gsize used = 0;

    if (size == 0)
        return true;
    outcome->status = relais_framing_decode (framing, piece, size, &used, collect, outcome->out);
    outcome->used += used;
    g_assert_cmpuint (used, <=, size);
    return outcome->status == RELAIS_FRAMING_MORE;
}

/* --- The reference ------------------------------------------------------------------------------ */

/* Length of the line end at `at`: 2 for CRLF, 1 for a bare one, 0 for none, -1 for a CR at the end. */
static int
line_end (const char *bytes, gsize size, gsize at)
{
    if (bytes[at] == '\n')
        return 1;
    if (bytes[at] != '\r')
        return 0;
    if (at + 1 == size)
        return -1;
    return bytes[at + 1] == '\n' ? 2 : 1;
}

static void
refer (const char *bytes, gsize size, bool normalise, Outcome *outcome)
{
    gsize at = 0;
    bool after_crlf = true;

    while (at < size) {
        gsize end = at;
        int kind = 0;

        while (end < size && (kind = line_end (bytes, size, end)) == 0)
            end++;
        if (after_crlf && kind == 2 && end == at + 1 && bytes[at] == '.') {
            outcome->status = RELAIS_FRAMING_END;
            outcome->used = end + 2;
            return;
        }
        if (after_crlf && bytes[at] == '.')
            at++;
        g_byte_array_append (outcome->out, (const guint8 *)bytes + at, (guint)(end - at));
        if (kind <= 0)
            break;
        if (kind == 1 && !normalise) {
            outcome->status = RELAIS_FRAMING_BARE;
            return;
        }
        g_byte_array_append (outcome->out, (const guint8 *)"\r\n", 2);
        after_crlf = kind == 2;
        at = end + (gsize)kind;
    }
    outcome->used = size;
}

/* --- Comparing ---------------------------------------------------------------------------------- */

static void
compare (const Outcome *got, const Outcome *expected)
{
    g_assert_cmpint (got->status, ==, expected->status);
    if (got->status == RELAIS_FRAMING_BARE)
        return; /* nothing of it is accepted */
    g_assert_cmpuint (got->used, ==, expected->used);
    g_assert_cmpmem (got->out->data, got->out->len, expected->out->data, expected->out->len);
}

static void
check_pieces (const char *bytes, gsize size, bool normalise, gsize first, gsize rest,
              const Outcome *expected)
{
    Outcome got = outcome_new ();
    RelaisFraming framing;
    gsize at = MIN (first, size);

    relais_framing_init (&framing, normalise);
    if (feed (&framing, bytes, at, &got))
        for (; at < size; at += rest)
            if (!feed (&framing, bytes + at, MIN (rest, size - at), &got))
                break;
    compare (&got, expected);
    g_byte_array_unref (got.out);
}

static void
check_all_splits (const char *bytes, gsize size, bool normalise)
{
    Outcome expected = outcome_new ();

    refer (bytes, size, normalise, &expected);
    check_pieces (bytes, size, normalise, 1, 1, &expected);
    for (gsize split = 0; split <= size; split++)
        check_pieces (bytes, size, normalise, split, MAX (size, 1), &expected);
    g_byte_array_unref (expected.out);
}

/* --- Cases -------------------------------------------------------------------------------------- */

static const struct {
    const char *bytes;
    gsize size;
} ends[] = {{"\r", 1}, {"\n", 1}, {"\r\n", 2}, {"\0", 1}, {"\r\r", 2}, {"", 0}};

static void
test_product (void)
{
    static const char tail[] = "MAIL FROM:<smuggled@example>\r\n.\r\n";
    guint ended = 0;

    for (guint i = 0; i < G_N_ELEMENTS (ends) * G_N_ELEMENTS (ends) * 2; i++) {
        const guint before = i / 2 / G_N_ELEMENTS (ends), after = i / 2 % G_N_ELEMENTS (ends);
        const bool normalise = i % 2 == 1;
        g_autoptr (GByteArray) text = g_byte_array_new ();
        Outcome outcome = outcome_new ();

        g_byte_array_append (text, (const guint8 *)"x: y\r\n\r\nbody", 12);
        g_byte_array_append (text, (const guint8 *)ends[before].bytes, (guint)ends[before].size);
        g_byte_array_append (text, (const guint8 *)".", 1);
        g_byte_array_append (text, (const guint8 *)ends[after].bytes, (guint)ends[after].size);
        g_byte_array_append (text, (const guint8 *)tail, sizeof tail - 1);
        check_all_splits ((const char *)text->data, text->len, normalise);

        refer ((const char *)text->data, text->len, normalise, &outcome);
        if (outcome.status == RELAIS_FRAMING_END && outcome.used < text->len) {
            g_assert_cmpuint (before, ==, 2);
            g_assert_cmpuint (after, ==, 2);
            ended++;
        }
        g_byte_array_unref (outcome.out);
    }
    g_assert_cmpuint (ended, ==, 2);
}

/* Every text of up to seven octets over those that matter. */
static void
test_exhaustive (void)
{
    static const char alphabet[] = {'\r', '\n', '.', 'a'};
    char text[7];

    for (gsize size = 0; size <= sizeof text; size++)
        for (guint n = 0; n < 1u << (2 * size); n++) {
            for (gsize i = 0; i < size; i++)
                text[i] = alphabet[(n >> (2 * i)) & 3];
            check_all_splits (text, size, false);
            check_all_splits (text, size, true);
        }
}

static void
test_known (void)
{
    static const struct {
        const char *in, *out;
        bool normalise;
        RelaisFramingStatus status;
        gsize used;
    } cases[] = {
        {".\r\n", "", false, RELAIS_FRAMING_END, 3},
        {"a\r\n.\r\nQUIT", "a\r\n", false, RELAIS_FRAMING_END, 6},
        {"..\r\n...\r\n.a\r\n.\r\n", ".\r\n..\r\na\r\n", false, RELAIS_FRAMING_END, 16},
        {"a\n.\nb\r\n.\r\n", "a\r\n.\r\nb\r\n", true, RELAIS_FRAMING_END, 10},
        {"a\n..b\r\n.\r\n", "a\r\n..b\r\n", true, RELAIS_FRAMING_END, 10},
        {"a\r\n.\nb\r\n.\r\n", "a\r\n\r\nb\r\n", true, RELAIS_FRAMING_END, 11},
        {"a\r\n.\rb\r\n.\r\n", "a\r\n\r\nb\r\n", true, RELAIS_FRAMING_END, 11},
        {"a\r\r\n.\r\n", "a\r\n\r\n", true, RELAIS_FRAMING_END, 7},
        {"a\n", "", false, RELAIS_FRAMING_BARE, 1},
        {"a\r\n.\n", "", false, RELAIS_FRAMING_BARE, 4},
        {"\n.\r\n", "\r\n.\r\n", true, RELAIS_FRAMING_MORE, 4},
    };

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        Outcome got = outcome_new ();
        RelaisFraming framing;

        relais_framing_init (&framing, cases[i].normalise);
        feed (&framing, cases[i].in, strlen (cases[i].in), &got);
        g_assert_cmpint (got.status, ==, cases[i].status);
        if (got.status != RELAIS_FRAMING_BARE) {
            g_assert_cmpuint (got.used, ==, cases[i].used);
            g_assert_cmpmem (got.out->data, got.out->len, cases[i].out, (int)strlen (cases[i].out));
        }
        g_byte_array_unref (got.out);
    }
}

/* --- Chunks ------------------------------------------------------------------------------------- */

/* What chunks that together hold these octets mean. */
static void
refer_chunks (const char *bytes, gsize size, bool normalise, Outcome *outcome)
{
    bool ended = true;

    for (gsize at = 0; at < size; at++) {
        const bool crlf = bytes[at] == '\r' && at + 1 < size && bytes[at + 1] == '\n';

        ended = bytes[at] == '\r' || bytes[at] == '\n';
        if (ended && !crlf && !normalise) {
            outcome->status = RELAIS_FRAMING_BARE;
            return;
        }
        g_byte_array_append (outcome->out, (const guint8 *)(ended ? "\r\n" : bytes + at),
                             ended ? 2 : 1);
        at += crlf;
    }
    if (!ended)
        g_byte_array_append (outcome->out, (const guint8 *)"\r\n", 2);
    outcome->status = RELAIS_FRAMING_END;
}

static void
check_chunks (const char *bytes, gsize size, bool normalise, gsize first, gsize rest,
              const Outcome *expected)
{
    Outcome got = outcome_new ();
    RelaisFraming framing;
    gsize at = MIN (first, size);
    bool more;

    relais_framing_init_chunks (&framing, normalise);
    more = feed (&framing, bytes, at, &got);
    for (; more && at < size; at += rest)
        more = feed (&framing, bytes + at, MIN (rest, size - at), &got);
    if (more)
        got.status = relais_framing_end (&framing, collect, got.out);
    got.used = expected->used;
    compare (&got, expected);
    g_byte_array_unref (got.out);
}

/* Every text of up to seven octets over those that matter, in chunks cut everywhere. */
static void
test_chunks (void)
{
    static const char alphabet[] = {'\r', '\n', '.', 'a'};
    char text[7];

    for (gsize size = 0; size <= sizeof text; size++)
        for (guint n = 0; n < 2u << (2 * size); n++) {
            Outcome expected = outcome_new ();
            const bool normalise = n % 2 == 1;

            for (gsize i = 0; i < size; i++)
                text[i] = alphabet[(n >> (2 * i + 1)) & 3];
            refer_chunks (text, size, normalise, &expected);
            check_chunks (text, size, normalise, 1, 1, &expected);
            for (gsize split = 0; split <= size; split++)
                check_chunks (text, size, normalise, split, MAX (size, 1), &expected);
            g_byte_array_unref (expected.out);
        }
}

/* A megabyte of the octets that could make the search for line ends go over the same ground again. */
static void
test_linear (void)
{
    static const char patterns[][3] = {"\r", "\n", ".", "\r.", "\n."};
    enum { SIZE = 1 << 20 };
    g_autofree char *bytes = g_malloc (SIZE);

    for (guint i = 0; i < G_N_ELEMENTS (patterns); i++) {
        const gsize n = strlen (patterns[i]);
        Outcome got = outcome_new ();
        RelaisFraming framing;
        gint64 began = g_get_monotonic_time ();

        for (gsize at = 0; at < SIZE; at++)
            bytes[at] = patterns[i][at % n];
        relais_framing_init (&framing, true);
        feed (&framing, bytes, SIZE, &got);
        g_assert_cmpint (got.status, ==, RELAIS_FRAMING_MORE);
        g_assert_cmpint (g_get_monotonic_time () - began, <, 2 * G_USEC_PER_SEC);
        g_byte_array_unref (got.out);
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/smtp/framing/known", test_known);
    g_test_add_func ("/smtp/framing/product", test_product);
    g_test_add_func ("/smtp/framing/exhaustive", test_exhaustive);
    g_test_add_func ("/smtp/framing/chunks", test_chunks);
    g_test_add_func ("/smtp/framing/linear", test_linear);
    return g_test_run ();
}
