/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Messages: ids as text, the serial form (round trip, every cut and every flipped bit), the scanner
 * at every split, ropes against a plain copy.
 */
#include "config.h"

#include "message/rope-private.h"

#include <string.h>

static void
assert_bytes (gconstpointer a, gsize a_size, gconstpointer b, gsize b_size)
{
    g_assert_cmpmem (a, (int)a_size, b, (int)b_size);
}

/* --- Making messages ---------------------------------------------------------------------------- */

static char *
random_string (GRand *rand, int min, int max)
{
    int n = g_rand_int_range (rand, min, max + 1);
    char *s = g_malloc ((gsize)n + 1);

    for (int i = 0; i < n; i++)
        s[i] = (char)g_rand_int_range (rand, 1, 256);
    s[n] = '\0';
    return s;
}

static char *
maybe_string (GRand *rand)
{
    return g_rand_int_range (rand, 0, 3) == 0 ? NULL : random_string (rand, 0, 40);
}

static gint64
random_signed (GRand *rand)
{
    guint64 bits = (guint64)g_rand_int (rand) << 32 | g_rand_int (rand);

    return (gint64)(bits >> g_rand_int_range (rand, 0, 64));
}

static RelaisBody *
random_body (GRand *rand)
{
    gsize size = (gsize)g_rand_int_range (rand, 100, 3000);
    g_autoptr (GBytes) bytes = g_bytes_new_take (g_malloc0 (size), size);
    RelaisBodyFacts facts = {.size_bytes = size,
                             .header_bytes = (guint64)g_rand_int_range (rand, 0, (int)size + 1),
                             .longest_line = g_rand_int (rand),
                             .eight_bit = g_rand_boolean (rand),
                             .eight_bit_header = g_rand_boolean (rand),
                             .has_nul = g_rand_boolean (rand)};

    facts.longest_header_line = facts.longest_line / 2;
    return relais_body_new_bytes (bytes, &facts);
}

static void
add_overlay (GRand *rand, RelaisMessage *message)
{
    guint64 header = relais_body_facts (message->body)->header_bytes;
    guint64 at = 0;

    message->prepend = g_bytes_new ("Received: x\r\n", 13);
    message->cuts = g_array_new (FALSE, FALSE, sizeof (RelaisRange));
    while (header - at > 20) {
        RelaisRange cut = {at + (guint64)g_rand_int_range (rand, 0, 10),
                           (guint64)g_rand_int_range (rand, 1, 10)};

        g_array_append_val (message->cuts, cut);
        at = cut.offset + cut.size;
    }
    message->attributes =
        g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_bytes_unref);
    for (int i = 0; i < 3; i++)
        g_hash_table_insert (message->attributes, g_strdup_printf ("module.a%d", i),
                             g_bytes_new ("\0v", (gsize)i));
}

static RelaisMessage *
random_message (GRand *rand)
{
    RelaisMessage *message = relais_message_new (g_rand_int (rand));
    RelaisEnvelope *envelope = &message->envelope;
    int n = g_rand_int_range (rand, 1, 6);

    message->body = random_body (rand);
    envelope->sender = random_string (rand, 0, 30);
    for (int i = 0; i < n; i++) {
        g_autofree char *address = random_string (rand, 1, 30);
        RelaisRecipient *recipient = relais_envelope_add_recipient (envelope, address);

        recipient->orcpt = maybe_string (rand);
        recipient->notify = (guint8)g_rand_int_range (rand, 0, 16);
        recipient->claimed = g_rand_boolean (rand);
    }
    envelope->envid = maybe_string (rand);
    envelope->ret = (RelaisRet)g_rand_int_range (rand, 0, 3);
    envelope->smtputf8 = g_rand_boolean (rand);
    envelope->klass = (RelaisClass)g_rand_int_range (rand, 0, 2);
    envelope->tenant = maybe_string (rand);
    envelope->campaign = maybe_string (rand);
    envelope->user = maybe_string (rand);
    envelope->listener = maybe_string (rand);
    envelope->client = maybe_string (rand);
    envelope->helo = maybe_string (rand);
    envelope->message_id = maybe_string (rand);
    envelope->header_from = maybe_string (rand);
    envelope->received_us = random_signed (rand);
    if (g_rand_boolean (rand))
        add_overlay (rand, message);
    relais_message_init_states (message);
    for (int i = 0; i < n; i++) {
        g_autofree char *reply = maybe_string (rand);

        message->states[i].kind = (guint8)g_rand_int_range (rand, 0, RELAIS_STATE_HELD + 1);
        message->states[i].flags = (guint8)g_rand_int_range (rand, 0, 2);
        message->states[i].attempts = (guint16)g_rand_int_range (rand, 0, 65536);
        message->states[i].source = g_rand_int (rand);
        message->states[i].due_us = random_signed (rand);
        message->states[i].age_us = random_signed (rand);
        relais_message_set_state_reply (&message->states[i], reply);
    }
    return message;
}

/* --- Comparing ---------------------------------------------------------------------------------- */

static void
assert_same_envelope (const RelaisEnvelope *a, const RelaisEnvelope *b)
{
    g_assert_cmpstr (a->sender, ==, b->sender);
    g_assert_cmpuint (a->recipients->len, ==, b->recipients->len);
    for (guint i = 0; i < a->recipients->len; i++) {
        const RelaisRecipient *x = relais_envelope_recipient (a, i);
        const RelaisRecipient *y = relais_envelope_recipient (b, i);

        g_assert_cmpstr (x->address, ==, y->address);
        g_assert_cmpstr (x->orcpt, ==, y->orcpt);
        g_assert_cmpuint (x->notify, ==, y->notify);
        g_assert_cmpint (x->claimed, ==, y->claimed);
    }
    g_assert_cmpstr (a->envid, ==, b->envid);
    g_assert_cmpint (a->ret, ==, b->ret);
    g_assert_cmpint (a->smtputf8, ==, b->smtputf8);
    g_assert_cmpint (a->klass, ==, b->klass);
    g_assert_cmpstr (a->tenant, ==, b->tenant);
    g_assert_cmpstr (a->campaign, ==, b->campaign);
    g_assert_cmpstr (a->user, ==, b->user);
    g_assert_cmpstr (a->listener, ==, b->listener);
    g_assert_cmpstr (a->client, ==, b->client);
    g_assert_cmpstr (a->helo, ==, b->helo);
    g_assert_cmpstr (a->message_id, ==, b->message_id);
    g_assert_cmpstr (a->header_from, ==, b->header_from);
    g_assert_cmpint (a->received_us, ==, b->received_us);
}

static void
assert_same_overlay (const RelaisMessage *a, const RelaisMessage *b)
{
    GHashTableIter iter;
    gpointer name, value;

    g_assert_cmpint (a->prepend != NULL, ==, b->prepend != NULL);
    if (a->prepend == NULL)
        return;
    g_assert_true (g_bytes_equal (a->prepend, b->prepend));
    g_assert_cmpuint (a->cuts->len, ==, b->cuts != NULL ? b->cuts->len : 0);
    if (a->cuts->len > 0)
        assert_bytes (a->cuts->data, a->cuts->len * sizeof (RelaisRange), b->cuts->data,
                      b->cuts->len * sizeof (RelaisRange));
    g_assert_cmpuint (g_hash_table_size (a->attributes), ==, g_hash_table_size (b->attributes));
    g_hash_table_iter_init (&iter, a->attributes);
    while (g_hash_table_iter_next (&iter, &name, &value))
        g_assert_true (g_bytes_equal (value, g_hash_table_lookup (b->attributes, name)));
}

static void
assert_same_facts (const RelaisBodyFacts *a, const RelaisBodyFacts *b)
{
    g_assert_cmpuint (a->size_bytes, ==, b->size_bytes);
    g_assert_cmpuint (a->header_bytes, ==, b->header_bytes);
    g_assert_cmpuint (a->longest_line, ==, b->longest_line);
    g_assert_cmpuint (a->longest_header_line, ==, b->longest_header_line);
    g_assert_cmpint (a->eight_bit, ==, b->eight_bit);
    g_assert_cmpint (a->eight_bit_header, ==, b->eight_bit_header);
    g_assert_cmpint (a->has_nul, ==, b->has_nul);
}

static void
assert_same_states (const RelaisMessage *a, const RelaisMessage *b)
{
    for (guint i = 0; i < a->envelope.recipients->len; i++) {
        g_assert_cmpuint (a->states[i].kind, ==, b->states[i].kind);
        g_assert_cmpuint (a->states[i].flags, ==, b->states[i].flags);
        g_assert_cmpuint (a->states[i].attempts, ==, b->states[i].attempts);
        g_assert_cmpuint (a->states[i].source, ==, b->states[i].source);
        g_assert_cmpint (a->states[i].due_us, ==, b->states[i].due_us);
        g_assert_cmpint (a->states[i].age_us, ==, b->states[i].age_us);
        g_assert_cmpstr (a->states[i].reply, ==, b->states[i].reply);
    }
}

/* --- The serial form ---------------------------------------------------------------------------- */

static void
test_round_trip (void)
{
    g_autoptr (GRand) rand = g_rand_new_with_seed (7);

    for (int i = 0; i < 3000; i++) {
        g_autoptr (RelaisMessage) message = random_message (rand);
        g_autoptr (RelaisMessage) back = NULL;
        g_autoptr (GByteArray) bytes = g_byte_array_new ();
        g_autoptr (GByteArray) states = g_byte_array_new ();
        g_autoptr (GByteArray) again = g_byte_array_new ();
        g_autoptr (GError) error = NULL;
        RelaisBodyFacts facts;

        relais_message_encode (message, bytes);
        relais_states_encode (message, states);
        back = relais_message_decode (message->id, bytes->data, bytes->len, &facts, &error);
        g_assert_no_error (error);
        g_assert_true (relais_states_decode (back, states->data, states->len, &error));
        assert_same_envelope (&message->envelope, &back->envelope);
        assert_same_overlay (message, back);
        assert_same_facts (relais_body_facts (message->body), &facts);
        assert_same_states (message, back);
        back->body = relais_body_ref (message->body);
        relais_message_encode (back, again);
        assert_bytes (bytes->data, bytes->len, again->data, again->len);
    }
}

/* A copy of exactly the size, so that a sanitizer sees a read beyond it. */
static void
decode_copy (const guint8 *bytes, gsize size, const RelaisMessage *states_of, bool must_fail)
{
    g_autofree guint8 *copy = g_memdup2 (bytes, size);
    g_autoptr (RelaisMessage) back = NULL;
    g_autoptr (GError) error = NULL;
    bool good;

    if (states_of == NULL) {
        back = relais_message_decode (1, copy, size, NULL, &error);
        good = back != NULL;
    } else {
        back = relais_message_new (1);
        for (guint i = 0; i < states_of->envelope.recipients->len; i++)
            relais_envelope_add_recipient (&back->envelope, "a@b");
        good = relais_states_decode (back, copy, size, &error);
    }
    g_assert_cmpint (good, ==, error == NULL);
    g_assert_false (good && must_fail);
}

static void
sweep (GByteArray *bytes, const RelaisMessage *states_of)
{
    for (gsize cut = 0; cut < bytes->len; cut++)
        decode_copy (bytes->data, cut, states_of, true);
    for (gsize i = 0; i < bytes->len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            bytes->data[i] ^= (guint8)(1 << bit);
            decode_copy (bytes->data, bytes->len, states_of, false);
            bytes->data[i] ^= (guint8)(1 << bit);
        }
    }
    g_byte_array_append (bytes, (const guint8 *)"", 1);
    decode_copy (bytes->data, bytes->len, states_of, true);
}

static void
test_damage (void)
{
    g_autoptr (GRand) rand = g_rand_new_with_seed (11);

    for (int i = 0; i < 20; i++) {
        g_autoptr (RelaisMessage) message = random_message (rand);
        g_autoptr (GByteArray) bytes = g_byte_array_new ();
        g_autoptr (GByteArray) states = g_byte_array_new ();

        relais_message_encode (message, bytes);
        relais_states_encode (message, states);
        sweep (bytes, NULL);
        sweep (states, message);
    }
}

static void
test_version (void)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (RelaisMessage) message =
        relais_message_decode (1, (const guint8 *)"\2x", 2, NULL, &error);

    g_assert_null (message);
    g_assert_nonnull (strstr (error->message, "newer release"));
}

/* A count that claims more than can be there must not allocate for it. */
static void
test_huge_counts (void)
{
    static const guint8 record[] = {1,    0,    0,    0,    0,    0,    1,   0xff,
                                    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f};

    decode_copy (record, sizeof record, NULL, true);
}

static void
test_reply (void)
{
    RelaisState state = {0};
    g_autofree char *long_reply = g_strnfill (2000, '\r');

    relais_message_set_state_reply (&state, "550 no\r\nX: y\x7f\xc3\xa9");
    g_assert_cmpstr (state.reply, ==, "550 no\\x0d\\x0aX: y\\x7f\xc3\xa9");
    relais_message_set_state_reply (&state, long_reply);
    g_assert_cmpuint (strlen (state.reply), <=, 512);
    g_assert_cmpuint (strlen (state.reply), >, 500);
    relais_message_set_state_reply (&state, NULL);
    g_assert_null (state.reply);
}

/* --- Ids ---------------------------------------------------------------------------------------- */

static void
test_ids (void)
{
    static const guint64 ids[] = {0, 1, 31, 32, 1234567, G_MAXINT64, G_MAXUINT64};
    static const char *const bad[] = {"",
                                      "0",
                                      "000000000000",
                                      "00000000000000",
                                      "g000000000000",
                                      "000000000000w",
                                      "00000000000A0",
                                      "0000000\n00000"};
    char last[RELAIS_ID_TEXT_BYTES] = "";
    guint64 id = 5;

    for (guint i = 0; i < G_N_ELEMENTS (ids); i++) {
        char text[RELAIS_ID_TEXT_BYTES];

        relais_id_to_text (ids[i], text);
        g_assert_cmpuint (strlen (text), ==, 13);
        g_assert_cmpint (strcmp (last, text), <, 0);
        g_assert_true (relais_id_from_text (text, &id));
        g_assert_cmpuint (id, ==, ids[i]);
        memcpy (last, text, sizeof last);
    }
    for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
        g_assert_false (relais_id_from_text (bad[i], &id));
}

/* --- The scanner -------------------------------------------------------------------------------- */

typedef struct {
    const char *bytes;
    gsize size;
    RelaisBodyFacts facts;
} ScanCase;

#define SCAN(text, ...)                                                                            \
    {                                                                                              \
        text, sizeof text - 1,                                                                     \
        {                                                                                          \
            .size_bytes = sizeof text - 1, __VA_ARGS__                                             \
        }                                                                                          \
    }

static const ScanCase scan_cases[] = {
    SCAN ("", .header_bytes = 0),
    SCAN ("\r\n", .header_bytes = 2),
    SCAN ("\r\nabc\r\n", .header_bytes = 2, .longest_line = 3),
    SCAN ("A: b\r\n\r\nlonger line\r\n", .header_bytes = 8, .longest_line = 11,
          .longest_header_line = 4),
    SCAN ("A: b\r\n", .header_bytes = 6, .longest_line = 4, .longest_header_line = 4),
    SCAN ("A: b", .header_bytes = 4, .longest_line = 4, .longest_header_line = 4),
    SCAN ("A: \xe9\r\n\r\n", .header_bytes = 8, .longest_line = 4, .longest_header_line = 4,
          .eight_bit_header = true),
    SCAN ("A: b\r\n\r\n1234567\x80\r\n", .header_bytes = 8, .longest_line = 8,
          .longest_header_line = 4, .eight_bit = true),
    SCAN ("A: b\r\n\r\n12345678\r\n\xff", .header_bytes = 8, .longest_line = 8,
          .longest_header_line = 4, .eight_bit = true),
    SCAN ("A: b\r\n\r\n1\0", .header_bytes = 8, .longest_line = 4, .longest_header_line = 4,
          .has_nul = true),
    SCAN ("A: b\n\nc\r\r\nd\n", .header_bytes = 12, .longest_line = 8, .longest_header_line = 8),
};

static void
test_scan (void)
{
    for (guint i = 0; i < G_N_ELEMENTS (scan_cases); i++) {
        const ScanCase *one = &scan_cases[i];
        const guint8 *bytes = (const guint8 *)one->bytes;

        for (gsize a = 0; a <= one->size; a++) {
            for (gsize b = a; b <= one->size; b++) {
                RelaisBodyScanner scanner = {0};

                relais_body_scan (&scanner, bytes, a);
                relais_body_scan (&scanner, bytes + a, b - a);
                relais_body_scan (&scanner, bytes + b, one->size - b);
                assert_same_facts (relais_body_scan_end (&scanner), &one->facts);
            }
        }
    }
}

/* --- Ropes -------------------------------------------------------------------------------------- */

static bool
read_from_string (gpointer data, guint64 offset, gpointer to, gsize size, GError **error)
{
    memcpy (to, (const char *)data + offset, size);
    return true;
}

static void
assert_rope_is (const RelaisRope *rope, const char *text)
{
    gsize size = strlen (text);

    g_assert_cmpuint (relais_rope_size (rope), ==, size);
    for (gsize offset = 0; offset <= size; offset++) {
        const guint8 *peeked = NULL;
        gsize n = relais_rope_peek (rope, offset, &peeked);

        g_assert_cmpuint (n, <=, size - offset);
        assert_bytes (peeked, n, text + offset, n);
        for (gsize want = 0; want <= size - offset + 1; want++) {
            char *to = g_malloc (want + 1);
            gssize got = relais_rope_read (rope, offset, to, want, NULL);

            g_assert_cmpint (got, ==, (gssize)MIN (want, size - offset));
            assert_bytes (to, (gsize)got, text + offset, (gsize)got);
            g_free (to);
        }
    }
}

static void
test_rope (void)
{
    g_autoptr (RelaisRope) rope = relais_rope_new ();
    g_autoptr (GBytes) bytes = g_bytes_new_static ("0123456789", 10);
    const RelaisBodyFacts facts = {.size_bytes = 10};
    g_autoptr (RelaisBody) memory = relais_body_new_bytes (bytes, &facts);
    g_autoptr (RelaisBody) reader =
        relais_body_new_reader (read_from_string, NULL, (char *)"abcdefghij", NULL, &facts);

    assert_rope_is (rope, "");
    relais_rope_append_body (rope, memory, 2, 3);
    relais_rope_append_copy (rope, "", 0);
    relais_rope_append_copy (rope, "xy", 2);
    relais_rope_append_bytes (rope, bytes);
    relais_rope_prepend_copy (rope, "P", 1);
    assert_rope_is (rope, "P234xy0123456789");
    g_assert_true (relais_rope_in_memory (rope));
    relais_rope_append_body (rope, reader, 9, 1);
    relais_rope_append_body (rope, reader, 0, 2);
    g_assert_false (relais_rope_in_memory (rope));
    assert_rope_is (rope, "P234xy0123456789jab");
}

static void
test_rope_of_message (void)
{
    g_autoptr (RelaisMessage) message = relais_message_new (1);
    g_autoptr (GBytes) bytes = g_bytes_new_static ("A: b\r\nBcc: x\r\nC: d\r\n\r\nhi\r\n", 26);
    const RelaisBodyFacts facts = {.size_bytes = 26, .header_bytes = 22};
    g_autoptr (RelaisRope) rope = NULL;
    RelaisRange cut = {6, 8};

    message->body = relais_body_new_bytes (bytes, &facts);
    message->prepend = g_bytes_new_static ("R: 1\r\n", 6);
    message->cuts = g_array_new (FALSE, FALSE, sizeof (RelaisRange));
    g_array_append_val (message->cuts, cut);
    rope = relais_rope_new_message (message);
    assert_rope_is (rope, "R: 1\r\nA: b\r\nC: d\r\n\r\nhi\r\n");
}

static void
test_body_range (void)
{
    g_autoptr (GBytes) bytes = g_bytes_new_static ("0123456789", 10);
    const RelaisBodyFacts facts = {.size_bytes = 10};
    g_autoptr (RelaisBody) body = relais_body_new_bytes (bytes, &facts);
    char to[10];

    g_assert_true (relais_body_read (body, 3, to, 7, NULL));
    assert_bytes (to, 7, "3456789", 7);
    g_assert_true (relais_body_read (body, 10, to, 0, NULL));
    g_assert_false (relais_body_read (body, 3, to, 8, NULL));
    g_assert_false (relais_body_read (body, G_MAXUINT64, to, 2, NULL));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/message/codec/round-trip", test_round_trip);
    g_test_add_func ("/message/codec/damage", test_damage);
    g_test_add_func ("/message/codec/version", test_version);
    g_test_add_func ("/message/codec/huge-counts", test_huge_counts);
    g_test_add_func ("/message/state-reply", test_reply);
    g_test_add_func ("/message/ids", test_ids);
    g_test_add_func ("/message/scan", test_scan);
    g_test_add_func ("/message/rope", test_rope);
    g_test_add_func ("/message/rope-of-message", test_rope_of_message);
    g_test_add_func ("/message/body-range", test_body_range);
    return g_test_run ();
}
