/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Envelope tokens: they name the delivery that they were made for, in either case of letters, for their
 * purpose until they expire; whatever is changed in one makes it a forgery.
 */
#include "config.h"

#include "tls/envelope-token-private.h"

#include <string.h>

#include "loop/loop-private.h"

#define HOUR RELAIS_USEC_PER_HOUR
#define MINUTE RELAIS_USEC_PER_MIN
#define NOW (496000 * HOUR)
#define DAY (24 * HOUR)

static const char digits[] = "0123456789abcdefghijklmnopqrstuv";

static RelaisKeyRing *
ring_of (guint n)
{
    RelaisKeyRing *ring = NULL;

    for (guint i = 0; i < n; i++) {
        RelaisKeyRing *next = relais_key_ring_rotate (ring, NOW + i * DAY, G_MAXINT64 / 2, NULL);

        relais_key_ring_unref (ring);
        ring = next;
    }
    return ring;
}

static char *
make (const RelaisKeyRing *ring, guint64 id, guint32 recipient, gint64 made_us, gint64 expires_us)
{
    const RelaisEnvelopeName name = {id, recipient, made_us};

    return relais_envelope_token_make (ring, "bounce/bounce", &name, expires_us);
}

static RelaisTokenState
read_token (const RelaisKeyRing *ring, const char *purpose, const char *text, gint64 wall_us,
            RelaisEnvelopeName *name)
{
    RelaisEnvelopeName unused;

    return relais_envelope_token_read (ring, purpose, text, wall_us, name != NULL ? name : &unused);
}

static void
test_round (void)
{
    g_autoptr (RelaisKeyRing) ring = ring_of (1);

    for (guint i = 0; i < 1000; i++) {
        const guint64 id = (guint64)g_test_rand_int () << 32 | (guint32)g_test_rand_int ();
        const guint32 number = (guint32)g_test_rand_int () % RELAIS_ENVELOPE_TOKEN_RECIPIENTS;
        g_autofree char *token = make (ring, id, number, NOW + i, NOW + DAY);
        g_autofree char *again = make (ring, id, number, NOW + i, NOW + DAY);
        g_autofree char *upper = g_ascii_strup (token, -1);
        g_autofree char *local = g_strconcat ("b-", token, NULL);
        RelaisEnvelopeName name;

        g_assert_cmpstr (token, ==, again);
        g_assert_cmpuint (strlen (token), ==, RELAIS_ENVELOPE_TOKEN_TEXT_BYTES);
        g_assert_cmpuint (strlen (local), <=, 64);
        g_assert_cmpuint (strspn (token, digits), ==, strlen (token));
        g_assert (read_token (ring, "bounce/bounce", token, NOW, &name) == RELAIS_TOKEN_STATE_GOOD);
        g_assert_cmpuint (name.id, ==, id);
        g_assert_cmpuint (name.recipient, ==, number);
        g_assert_cmpint (name.made_us, ==, NOW);
        g_assert (read_token (ring, "bounce/bounce", upper, NOW, &name) == RELAIS_TOKEN_STATE_GOOD);
        g_assert_cmpuint (name.id, ==, id);
        g_assert (read_token (ring, "bounce/trace", token, NOW, NULL) == RELAIS_TOKEN_STATE_FORGED);
    }
}

static void
test_limits (void)
{
    g_autoptr (RelaisKeyRing) ring = ring_of (1);
    g_autofree char *most = make (ring, G_MAXUINT64, RELAIS_ENVELOPE_TOKEN_RECIPIENTS - 1,
                                  NOW + MINUTE - 1, G_MAXINT64);
    g_autofree char *zero = make (ring, 0, 0, -1, 0);
    RelaisEnvelopeName name;

    g_assert_null (make (ring, 1, RELAIS_ENVELOPE_TOKEN_RECIPIENTS, NOW, NOW + DAY));
    g_assert (read_token (ring, "bounce/bounce", most, NOW, &name) == RELAIS_TOKEN_STATE_GOOD);
    g_assert_cmpuint (name.id, ==, G_MAXUINT64);
    g_assert_cmpuint (name.recipient, ==, RELAIS_ENVELOPE_TOKEN_RECIPIENTS - 1);
    g_assert_cmpint (name.made_us, ==, NOW);
    g_assert (read_token (ring, "bounce/bounce", zero, NOW, NULL) == RELAIS_TOKEN_STATE_EXPIRED);
    g_assert (read_token (ring, "bounce/bounce", "", NOW, NULL) == RELAIS_TOKEN_STATE_FORGED);
}

static void
test_expiry (void)
{
    g_autoptr (RelaisKeyRing) ring = ring_of (1);
    g_autofree char *token = make (ring, 1, 2, NOW, NOW + 1);
    g_autofree char *whole = make (ring, 1, 2, NOW, NOW + HOUR);

    /* Rounded up to the hour, never down. */
    g_assert_cmpstr (token, ==, whole);
    g_assert (read_token (ring, "bounce/bounce", token, NOW + HOUR - 1, NULL) ==
              RELAIS_TOKEN_STATE_GOOD);
    g_assert (read_token (ring, "bounce/bounce", token, NOW + HOUR, NULL) ==
              RELAIS_TOKEN_STATE_EXPIRED);
    /* Of another purpose it is a forgery, expired or not. */
    g_assert (read_token (ring, "other/bounce", token, NOW + HOUR, NULL) ==
              RELAIS_TOKEN_STATE_FORGED);
}

/* A web token's octets of the same purpose are none. */
static void
test_web_token (void)
{
    g_autoptr (RelaisKeyRing) ring = ring_of (1);
    g_autofree char *envelope = make (ring, 1, 2, NOW, NOW + DAY);
    guint8 *payload = NULL;
    gsize n;

    g_assert (relais_token_read (ring, "bounce/bounce", envelope, strlen (envelope), NOW, &payload,
                                 &n) == RELAIS_TOKEN_STATE_FORGED);
    g_assert_null (payload);
}

/* A change of a character, a cut, a longer one, one character less, any octet, halves of two good ones. */
static bool
mutate (char *text, const char *token, const char *other, guint how)
{
    const gsize n = strlen (token);
    const gsize at = (gsize)g_test_rand_int_range (0, (gint32)n);

    memcpy (text, token, n + 1);
    switch (how % 8) {
    case 0: text[at] = '\0'; break;
    case 1:
        text[n] = digits[g_test_rand_int () & 31];
        text[n + 1] = '\0';
        break;
    case 2: memmove (text + at, text + at + 1, n - at); break;
    case 3: text[at] = (char)g_test_rand_int_range (1, 256); break;
    case 4: memcpy (text + at, other + at, n - at); break;
    default: text[at] = digits[g_test_rand_int () & 31];
    }
    return g_ascii_strcasecmp (text, token) != 0 && g_ascii_strcasecmp (text, other) != 0;
}

static void
test_forged (void)
{
    const guint times = 1000000;
    g_autoptr (RelaisKeyRing) ring = ring_of (3);
    g_autofree char *token = make (ring, 0x0123456789abcdef, 7, NOW, NOW + DAY);
    g_autofree char *other = make (ring, 0x0123456789abcdf0, 8, NOW, NOW + DAY);
    guint opened = 0, tried = 0;

    for (guint i = 0; i < times; i++) {
        char text[RELAIS_ENVELOPE_TOKEN_TEXT_BYTES + 2];

        if (!mutate (text, token, other, i))
            continue;
        tried++;
        opened += read_token (ring, "bounce/bounce", text, NOW, NULL) != RELAIS_TOKEN_STATE_FORGED;
    }
    g_assert_cmpuint (tried, >, times / 2);
    g_assert_cmpuint (opened, ==, 0);
    g_assert (read_token (ring, "bounce/bounce", token, NOW, NULL) == RELAIS_TOKEN_STATE_GOOD);
}

/* Of the last digit's values one is right: its spare bits are 0. */
static void
test_one_text (void)
{
    g_autoptr (RelaisKeyRing) ring = ring_of (1);
    g_autofree char *token = make (ring, 5, 6, NOW, NOW + DAY);
    const gsize last = RELAIS_ENVELOPE_TOKEN_TEXT_BYTES - 1;
    const char right = token[last];

    for (guint i = 0; i < 32; i++) {
        token[last] = digits[i];
        g_assert (read_token (ring, "bounce/bounce", token, NOW, NULL) ==
                  (digits[i] == right ? RELAIS_TOKEN_STATE_GOOD : RELAIS_TOKEN_STATE_FORGED));
    }
}

static void
test_rotation (void)
{
    g_autoptr (RelaisKeyRing) first = relais_key_ring_rotate (NULL, NOW, 0, NULL);
    g_autoptr (RelaisKeyRing) second = relais_key_ring_rotate (first, NOW + DAY, 30 * DAY, NULL);
    g_autofree char *old = make (first, 1, 2, NOW, NOW + 60 * DAY);
    g_autofree char *new = make (second, 1, 2, NOW, NOW + 60 * DAY);

    g_assert_cmpstr (old, !=, new);
    g_assert (read_token (second, "bounce/bounce", old, NOW, NULL) == RELAIS_TOKEN_STATE_GOOD);
    g_assert (read_token (second, "bounce/bounce", new, NOW, NULL) == RELAIS_TOKEN_STATE_GOOD);
    g_assert (read_token (first, "bounce/bounce", new, NOW, NULL) == RELAIS_TOKEN_STATE_FORGED);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/envelope-token/round", test_round);
    g_test_add_func ("/envelope-token/limits", test_limits);
    g_test_add_func ("/envelope-token/expiry", test_expiry);
    g_test_add_func ("/envelope-token/web-token", test_web_token);
    g_test_add_func ("/envelope-token/forged", test_forged);
    g_test_add_func ("/envelope-token/one-text", test_one_text);
    g_test_add_func ("/envelope-token/rotation", test_rotation);
    return g_test_run ();
}
