/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The encoders of what leaves (core/message/sink.c). Properties: quoted-printable decodes to the
 * bytes that went in, in lines of at most 76 printable columns of which none begins with "-", "." or
 * "F" nor ends in a blank; base64 cut anew keeps every octet but line ends; tidied text has no line
 * over 998 and, for seven bits, no octet above 127. None depends on where the input is cut.
 *
 * Parsers: core/message/sink.c.
 */
#include "config.h"

#include "fuzz.h"
#include "message/sink-private.h"

static const char *const words[] = {"\r\n",    " \r\n", "\t\r\n", "=", "=0D=0A", "From ",
                                    "--b\r\n", ".\r\n", "-",      "x", "\r\r\n", NULL};
const FuzzTarget fuzz_target = {15000, words};

typedef enum { QP, REWRAP, TIDY_SEVEN, TIDY_EIGHT, N_CODERS } Coder;

typedef struct {
    Coder coder;
    RelaisQp qp;
    RelaisRewrap rewrap;
    RelaisTidy tidy;
} State;

static void
put (State *state, const guint8 *bytes, gsize size)
{
    switch (state->coder) {
    case QP: relais_qp_put (&state->qp, bytes, size); break;
    case REWRAP: relais_rewrap_put (&state->rewrap, bytes, size); break;
    case TIDY_SEVEN:
    case TIDY_EIGHT: relais_tidy_put (&state->tidy, bytes, size); break;
    case N_CODERS: break;
    }
}

static GByteArray *
encode (Coder coder, const guint8 *bytes, gsize size, guint way)
{
    g_autoptr (RelaisRope) rope = relais_rope_new ();
    FuzzRandom random = fuzz_random_from (bytes, size);
    GByteArray *out = g_byte_array_new ();
    RelaisSink sink;
    State state = {coder, {.sink = &sink}, {.sink = &sink}, {&sink, 0, coder == TIDY_SEVEN}};

    relais_sink_init (&sink, rope);
    if (way == 2)
        sink.memory_limit = 1000; /* the rest goes through the file */
    for (gsize at = 0, n; at < size; at += n) {
        n = fuzz_next_piece (&random, way, size - at);
        put (&state, bytes + at, n);
    }
    if (coder == QP)
        relais_qp_end (&state.qp);
    relais_sink_flush (&sink);
    g_assert_no_error (sink.error);
    g_byte_array_set_size (out, (guint)relais_rope_size (rope));
    for (guint at = 0; at < out->len;)
        at += (guint)relais_rope_read (rope, at, out->data + at, out->len - at, NULL);
    relais_sink_clear (&sink);
    return out;
}

static void
check_qp_line (const guint8 *line, gsize size)
{
    g_assert_cmpuint (size, <=, 76);
    if (size == 0)
        return;
    g_assert_true (line[0] != '-' && line[0] != '.' && line[0] != 'F');
    g_assert_true (line[size - 1] != ' ' && line[size - 1] != '\t');
    for (gsize i = 0; i < size; i++)
        g_assert_true (line[i] == '\t' || (line[i] >= ' ' && line[i] < 0x7f));
}

static void
check_qp (const GByteArray *out, const guint8 *bytes, gsize size)
{
    const guint8 *at = out->data, *end = out->len > 0 ? out->data + out->len : at;
    g_autoptr (GByteArray) text = g_byte_array_new ();

    while (at < end) {
        const guint8 *cr = memchr (at, '\r', (gsize)(end - at));
        const guint8 *stop = cr != NULL ? cr : end;

        check_qp_line (at, (gsize)(stop - at));
        for (; at < stop && !(*at == '=' && at + 1 == stop); at++) {
            guint8 octet = *at;

            if (octet == '=') {
                g_assert_true (stop - at >= 3);
                octet = (guint8)(g_ascii_xdigit_value ((char)at[1]) * 16 +
                                 g_ascii_xdigit_value ((char)at[2]));
                at += 2;
            }
            g_byte_array_append (text, &octet, 1);
        }
        g_assert_true (cr != NULL || at == end);
        if (cr == NULL)
            break;
        g_assert_true (end - cr >= 2 && cr[1] == '\n');
        if (at == cr)
            g_byte_array_append (text, cr, 2);
        at = cr + 2;
    }
    fuzz_assert_same (text->data, text->len, bytes, size);
}

static void
check_rewrap (const GByteArray *out, const guint8 *bytes, gsize size)
{
    gsize from = 0;

    for (guint i = 0; i < out->len; i++) {
        if (out->data[i] == '\r' || out->data[i] == '\n')
            continue;
        while (from < size && (bytes[from] == '\r' || bytes[from] == '\n'))
            from++;
        g_assert_true (from < size && bytes[from] == out->data[i]);
        from++;
    }
    for (; from < size; from++)
        g_assert_true (bytes[from] == '\r' || bytes[from] == '\n');
}

static void
check_tidy (const GByteArray *out, bool seven_bit)
{
    guint column = 0;

    for (guint i = 0; i < out->len; i++) {
        g_assert_true (!seven_bit || out->data[i] < 0x80);
        column = out->data[i] == '\n' || out->data[i] == '\r' ? 0 : column + 1;
        g_assert_cmpuint (column, <=, 998);
    }
}

static void
check (Coder coder, const guint8 *bytes, gsize size)
{
    g_autoptr (GByteArray) whole = encode (coder, bytes, size, 0);

    for (guint way = 1; way < 3; way++) {
        g_autoptr (GByteArray) other = encode (coder, bytes, size, way);

        fuzz_assert_same (whole->data, whole->len, other->data, other->len);
    }
    switch (coder) {
    case QP: check_qp (whole, bytes, size); break;
    case REWRAP: check_rewrap (whole, bytes, size); break;
    case TIDY_SEVEN:
    case TIDY_EIGHT: check_tidy (whole, coder == TIDY_SEVEN); break;
    case N_CODERS: break;
    }
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    for (Coder coder = QP; coder < N_CODERS; coder++)
        check (coder, bytes, size);
    return 0;
}
