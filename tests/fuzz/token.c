/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Tokens that come back from anywhere, and the file of their keys (core/tls). An input is read as a web token, as an
 * envelope token and as a file of keys, and sealed as a payload. Properties: what opens is sealed to the same text again,
 * within its limits; a purpose opens no other one's; what was sealed opens as it was, until its hour is over, and
 * not with a character changed; keys that are taken are whole, each with its own id, and are written as they are read.
 *
 * Parsers: core/tls/token.c, core/tls/envelope-token.c, core/tls/key-ring.c, core/tls/siv.c.
 */
#include "config.h"

#include "fuzz.h"
#include "loop/loop-private.h"
#include "tls/envelope-token-private.h"

#define HOUR_US RELAIS_USEC_PER_HOUR
#define NOW_US (500000 * HOUR_US)     /* in January 2027 */
#define EXPIRES_US (600000 * HOUR_US) /* of the tokens among the seeds, too */

/* 64 octets of key, twice in a word of the driver's. */
#define KEY "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
static const char keys[] = "relais-token-keys 1\n"
                           "7 2026-11-28T07:00:00Z " KEY KEY "\n";

static const char *const words[] = {"relais-token-keys 1\n",
                                    "7 2026-11-28T07:00:00Z " KEY KEY "\n",
                                    "65535 2026-11-28T07:00:00Z ",
                                    "AQAH",
                                    "00 ",
                                    "\n",
                                    KEY,
                                    NULL};
const FuzzTarget fuzz_target = {20000, words};

static const RelaisKeyRing *
ring_in_use (void)
{
    static RelaisKeyRing *ring;

    if (ring == NULL)
        ring = relais_key_ring_parse (keys, strlen (keys), "keys", NULL);
    return ring;
}

/* --- Web tokens --------------------------------------------------------------------------------- */

static RelaisTokenState
read_web (const char *purpose, const char *text, gsize size, gint64 wall_us, guint8 **payload,
          gsize *n)
{
    guint8 *exact = fuzz_exact ((const guint8 *)text, size);
    const RelaisTokenState state =
        relais_token_read (ring_in_use (), purpose, (const char *)exact, size, wall_us, payload, n);

    g_assert_true ((state == RELAIS_TOKEN_STATE_GOOD) == (*payload != NULL));
    free (exact);
    return state;
}

static void
check_web (const char *text, gsize size)
{
    g_autofree guint8 *payload = NULL, *other = NULL;
    g_autofree char *again = NULL;
    gsize n = 0;

    if (read_web ("fuzz/web", text, size, NOW_US, &payload, &n) != RELAIS_TOKEN_STATE_GOOD)
        return;
    g_assert_cmpuint (n, <=, RELAIS_TOKEN_PAYLOAD_BYTES);
    again = relais_token_make (ring_in_use (), "fuzz/web", payload, n, EXPIRES_US);
    fuzz_assert_same (again, strlen (again), text, size);
    g_assert_cmpint (read_web ("fuzz/other", text, size, NOW_US, &other, &n), ==,
                     RELAIS_TOKEN_STATE_FORGED);
}

static void
check_payload (const guint8 *bytes, gsize size, FuzzRandom *random)
{
    g_autofree char *text = relais_token_make (ring_in_use (), "fuzz/web", bytes, size, EXPIRES_US);
    g_autofree guint8 *payload = NULL, *none = NULL;
    gsize n = 0, at;

    g_assert_true ((text == NULL) == (size > RELAIS_TOKEN_PAYLOAD_BYTES));
    if (text == NULL)
        return;
    g_assert_cmpuint (strlen (text), <=, RELAIS_TOKEN_TEXT_BYTES);
    g_assert_cmpint (read_web ("fuzz/web", text, strlen (text), NOW_US, &payload, &n), ==,
                     RELAIS_TOKEN_STATE_GOOD);
    fuzz_assert_same (payload, n, bytes, size);
    g_assert_cmpint (read_web ("fuzz/web", text, strlen (text), EXPIRES_US, &none, &n), ==,
                     RELAIS_TOKEN_STATE_EXPIRED);
    at = fuzz_random_below (random, strlen (text));
    text[at] = text[at] == 'x' ? 'y' : 'x';
    g_assert_cmpint (read_web ("fuzz/web", text, strlen (text), NOW_US, &none, &n), ==,
                     RELAIS_TOKEN_STATE_FORGED);
}

/* --- Envelope tokens ---------------------------------------------------------------------------- */

static RelaisTokenState
read_envelope (const char *purpose, const char *text, gint64 wall_us, RelaisEnvelopeName *name)
{
    return relais_envelope_token_read (ring_in_use (), purpose, text, wall_us, name);
}

static void
check_envelope (const char *text)
{
    RelaisEnvelopeName name;
    g_autofree char *again = NULL;

    if (read_envelope ("fuzz/envelope", text, NOW_US, &name) != RELAIS_TOKEN_STATE_GOOD)
        return;
    g_assert_cmpuint (name.recipient, <, RELAIS_ENVELOPE_TOKEN_RECIPIENTS);
    again = relais_envelope_token_make (ring_in_use (), "fuzz/envelope", &name, EXPIRES_US);
    g_assert_true (g_ascii_strcasecmp (again, text) == 0);
    g_assert_cmpint (read_envelope ("fuzz/other", text, NOW_US, &name), ==,
                     RELAIS_TOKEN_STATE_FORGED);
}

/* A name drawn from the input; letters' case says nothing, what it is made of does. */
static void
check_name (FuzzRandom *random)
{
    const RelaisEnvelopeName name = {.id = fuzz_random_next (random),
                                     .recipient = (guint32)fuzz_random_next (random) >>
                                                  fuzz_random_below (random, 16),
                                     .made_us = NOW_US};
    g_autofree char *text =
        relais_envelope_token_make (ring_in_use (), "fuzz/envelope", &name, EXPIRES_US);
    g_autofree char *loud = NULL;
    RelaisEnvelopeName back = {0};
    gsize at;

    g_assert_true ((text == NULL) == (name.recipient >= RELAIS_ENVELOPE_TOKEN_RECIPIENTS));
    if (text == NULL)
        return;
    g_assert_cmpuint (strlen (text), ==, RELAIS_ENVELOPE_TOKEN_TEXT_BYTES);
    loud = g_ascii_strup (text, -1);
    g_assert_cmpint (read_envelope ("fuzz/envelope", loud, NOW_US, &back), ==,
                     RELAIS_TOKEN_STATE_GOOD);
    g_assert_true (back.id == name.id && back.recipient == name.recipient &&
                   back.made_us == name.made_us);
    g_assert_cmpint (read_envelope ("fuzz/envelope", text, EXPIRES_US, &back), ==,
                     RELAIS_TOKEN_STATE_EXPIRED);
    at = fuzz_random_below (random, strlen (text));
    text[at] = text[at] == '0' ? '1' : '0';
    g_assert_cmpint (read_envelope ("fuzz/envelope", text, NOW_US, &back), ==,
                     RELAIS_TOKEN_STATE_FORGED);
}

/* --- The file of keys --------------------------------------------------------------------------- */

/* With a key more, which seals; the old ones open what they sealed. */
static void
check_rotated (const RelaisKeyRing *ring)
{
    const gint64 keep_us = G_MAXINT64 / 4;
    g_autoptr (RelaisKeyRing) next = relais_key_ring_rotate (ring, NOW_US, keep_us, NULL);
    g_autofree char *text =
        relais_token_make (ring, "fuzz/web", (const guint8 *)"x", 1, EXPIRES_US);
    g_autofree guint8 *payload = NULL;
    gsize n;

    if (next == NULL) {
        g_assert_cmpuint (relais_key_ring_n_keys (ring), ==, RELAIS_RING_KEYS);
        return;
    }
    g_assert_cmpuint (relais_key_ring_n_keys (next), <=, RELAIS_RING_KEYS);
    g_assert_true (relais_key_ring_newest (next)->created_us == NOW_US);
    if (relais_key_ring_newest (ring)->created_us > NOW_US - keep_us)
        g_assert_cmpint (
            relais_token_read (next, "fuzz/web", text, strlen (text), NOW_US, &payload, &n), ==,
            RELAIS_TOKEN_STATE_GOOD);
}

static void
check_keys (const char *text, gsize size)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (RelaisKeyRing) ring = relais_key_ring_parse (text, size, "keys", &error);
    g_autoptr (RelaisKeyRing) again = NULL;
    char *written, *rewritten;

    g_assert_true ((ring == NULL) == (error != NULL));
    if (ring == NULL) {
        g_assert_true (g_str_has_prefix (error->message, "keys:"));
        return;
    }
    g_assert_cmpuint (relais_key_ring_n_keys (ring), <=, RELAIS_RING_KEYS);
    for (guint i = 0; i < relais_key_ring_n_keys (ring); i++) {
        const RelaisKey *key = relais_key_ring_nth (ring, i);

        g_assert_true (key->id > 0 && relais_key_ring_find (ring, key->id) == key);
    }
    written = relais_key_ring_to_text (ring);
    again = relais_key_ring_parse (written, strlen (written), "keys", NULL);
    g_assert_nonnull (again);
    rewritten = relais_key_ring_to_text (again);
    g_assert_cmpstr (rewritten, ==, written);
    check_rotated (ring);
    relais_key_ring_text_free (written);
    relais_key_ring_text_free (rewritten);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    g_autofree char *text = fuzz_string (bytes, size);
    FuzzRandom random = fuzz_random_from (bytes, size);

    check_web ((const char *)bytes, size);
    check_envelope (text);
    check_keys ((const char *)bytes, size);
    check_payload (bytes, size, &random);
    check_name (&random);
    return 0;
}
