/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Message data (core/smtp/framing.c, dotstuff.c). Properties: status, octets used and decoded bytes
 * do not depend on where the input is cut; what is decoded holds no bare CR or LF; only CRLF.CRLF
 * ends it; and what is stuffed again by the sending side decodes to the same bytes. In chunks no dot
 * means anything, and what is taken as it is comes out as it is.
 *
 * Parsers: core/smtp/dotstuff.c, core/smtp/framing.c.
 */
#include "config.h"

#include "fuzz.h"
#include "smtp/dotstuff-private.h"
#include "smtp/framing-private.h"

static const char *const words[] = {"\r\n.\r\n", "\r\n..", "\r\n.", ".\r\n",
                                    "\r\r\n",    "\n.\n",  NULL};
const FuzzTarget fuzz_target = {60000, words};

typedef struct {
    RelaisFramingStatus status;
    gsize used;
    GByteArray *out;
} Outcome;

static void
append (gpointer data, const guint8 *bytes, gsize size)
{
    g_byte_array_append (data, bytes, (guint)size);
}

static Outcome
decode (const guint8 *bytes, gsize size, bool normalise, guint way)
{
    Outcome outcome = {RELAIS_FRAMING_MORE, 0, g_byte_array_new ()};
    FuzzRandom random = fuzz_random_from (bytes, size);
    RelaisFraming framing;

    relais_framing_init (&framing, normalise);
    while (outcome.used < size && outcome.status == RELAIS_FRAMING_MORE) {
        const gsize piece = fuzz_next_piece (&random, way, size - outcome.used);
        guint8 *exact = fuzz_exact (bytes + outcome.used, piece);
        gsize used = 0;

        outcome.status = relais_framing_decode (&framing, exact, piece, &used, append, outcome.out);
        free (exact);
        g_assert_cmpuint (used, <=, piece);
        if (outcome.status == RELAIS_FRAMING_MORE)
            g_assert_cmpuint (used, ==, piece);
        outcome.used += used;
    }
    return outcome;
}

/* The same of chunks, whose end is told; the pieces are both chunks and what comes at a time. */
static Outcome
decode_chunks (const guint8 *bytes, gsize size, bool normalise, guint way)
{
    Outcome outcome = {RELAIS_FRAMING_MORE, 0, g_byte_array_new ()};
    FuzzRandom random = fuzz_random_from (bytes, size);
    RelaisFraming framing;

    relais_framing_init_chunks (&framing, normalise);
    while (outcome.used < size && outcome.status == RELAIS_FRAMING_MORE) {
        const gsize piece = fuzz_next_piece (&random, way, size - outcome.used);
        guint8 *exact = fuzz_exact (bytes + outcome.used, piece);
        gsize used = 0;

        outcome.status = relais_framing_decode (&framing, exact, piece, &used, append, outcome.out);
        free (exact);
        outcome.used += used;
        if (outcome.status == RELAIS_FRAMING_MORE)
            g_assert_cmpuint (used, ==, piece);
    }
    g_assert_cmpint (outcome.status, !=, RELAIS_FRAMING_END);
    if (outcome.status == RELAIS_FRAMING_MORE)
        outcome.status = relais_framing_end (&framing, append, outcome.out);
    return outcome;
}

static void
check_clean (const GByteArray *out)
{
    for (guint i = 0; i < out->len; i++) {
        if (out->data[i] == '\n')
            g_assert_true (i > 0 && out->data[i - 1] == '\r');
        if (out->data[i] == '\r')
            g_assert_true (i + 1 < out->len && out->data[i + 1] == '\n');
    }
}

/* The sending side's view of the same bytes. */
static void
check_stuffing (const GByteArray *text)
{
    g_autoptr (GByteArray) wire = g_byte_array_new ();
    RelaisDotStuff stuff = {0};
    FuzzRandom random = fuzz_random_from (text->data, text->len);
    Outcome back;

    for (gsize at = 0, n; at < text->len; at += n) {
        n = fuzz_next_piece (&random, 2, text->len - at);
        g_assert_true (relais_dot_stuff (&stuff, text->data + at, n, append, wire));
    }
    g_assert_true (relais_dot_stuff_end (&stuff, append, wire));
    back = decode (wire->data, wire->len, false, 2);
    g_assert_cmpint (back.status, ==, RELAIS_FRAMING_END);
    g_assert_cmpuint (back.used, ==, wire->len);
    g_assert_cmpuint (back.out->len, >=, text->len);
    g_assert_cmpuint (back.out->len, <=, text->len + 2);
    if (text->len > 0)
        g_assert_true (memcmp (back.out->data, text->data, text->len) == 0);
    g_byte_array_unref (back.out);
}

static void
check (const guint8 *bytes, gsize size, bool normalise)
{
    Outcome whole = decode (bytes, size, normalise, 0);

    for (guint way = 1; way < 4; way++) {
        Outcome other = decode (bytes, size, normalise, way);

        g_assert_cmpint (other.status, ==, whole.status);
        if (whole.status != RELAIS_FRAMING_BARE) {
            g_assert_cmpuint (other.used, ==, whole.used);
            fuzz_assert_same (other.out->data, other.out->len, whole.out->data, whole.out->len);
        }
        g_byte_array_unref (other.out);
    }
    g_assert_true (!normalise || whole.status != RELAIS_FRAMING_BARE);
    if (whole.status == RELAIS_FRAMING_END) {
        g_assert_true (whole.used == 3 || memcmp (bytes + whole.used - 5, "\r\n", 2) == 0);
        g_assert_true (memcmp (bytes + whole.used - 3, ".\r\n", 3) == 0);
    }
    if (whole.status != RELAIS_FRAMING_BARE) {
        check_clean (whole.out);
        check_stuffing (whole.out);
    }
    g_byte_array_unref (whole.out);
}

static void
check_chunks (const guint8 *bytes, gsize size, bool normalise)
{
    Outcome whole = decode_chunks (bytes, size, normalise, 0);

    for (guint way = 1; way < 4; way++) {
        Outcome other = decode_chunks (bytes, size, normalise, way);

        g_assert_cmpint (other.status, ==, whole.status);
        if (whole.status == RELAIS_FRAMING_END)
            fuzz_assert_same (other.out->data, other.out->len, whole.out->data, whole.out->len);
        g_byte_array_unref (other.out);
    }
    g_assert_true (!normalise || whole.status == RELAIS_FRAMING_END);
    if (whole.status == RELAIS_FRAMING_END)
        check_clean (whole.out);
    if (whole.status == RELAIS_FRAMING_END && !normalise) {
        g_assert_cmpuint (whole.out->len, >=, size);
        fuzz_assert_same (whole.out->data, size, bytes, size);
    }
    g_byte_array_unref (whole.out);
}

/* What holds a bare CR or LF is not sent to its end. */
static void
check_refused (const guint8 *bytes, gsize size)
{
    g_autoptr (GByteArray) wire = g_byte_array_new ();
    RelaisDotStuff stuff = {0};
    FuzzRandom random = fuzz_random_from (bytes, size);
    bool good = true, clean = true;

    for (gsize at = 0, n; at < size; at += n) {
        n = fuzz_next_piece (&random, 2, size - at);
        good = relais_dot_stuff (&stuff, bytes + at, n, append, wire);
    }
    for (gsize i = 0; i < size; i++) {
        clean &= bytes[i] != '\n' || (i > 0 && bytes[i - 1] == '\r');
        clean &= bytes[i] != '\r' || (i + 1 < size && bytes[i + 1] == '\n');
    }
    g_assert_true (good || !clean);
    g_assert_true (relais_dot_stuff_end (&stuff, append, wire) == clean);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    check_refused (bytes, size);
    check_chunks (bytes, size, false);
    check_chunks (bytes, size, true);
    check (bytes, size, false);
    check (bytes, size, true);
    return 0;
}
