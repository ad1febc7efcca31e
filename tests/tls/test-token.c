/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Key rings and tokens: what is sealed opens for its purpose until it expires, whatever is changed in it does
 * not, and no damage to the ring's file puts another ring in its place.
 */
#include "config.h"

#include "tls/token-private.h"
#include "tls/tokens-private.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#define HOUR RELAIS_USEC_PER_HOUR
#define NOW (400000 * HOUR)
#define DAY (24 * HOUR)

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

static RelaisTokenState
open_text (const RelaisKeyRing *ring, const char *purpose, const char *text, gint64 wall_us,
           char **payload)
{
    guint8 *bytes = NULL;
    gsize n = 0;
    RelaisTokenState state =
        relais_token_read (ring, purpose, text, strlen (text), wall_us, &bytes, &n);

    g_assert ((bytes != NULL) == (state == RELAIS_TOKEN_STATE_GOOD));
    if (payload != NULL)
        *payload = g_strndup ((char *)bytes, n);
    g_free (bytes);
    return state;
}

static void
test_round (void)
{
    g_autoptr (RelaisKeyRing) ring = ring_of (1);

    for (guint size = 0; size < 300; size++) {
        g_autofree char *payload = g_strnfill (size, (char)('a' + size % 26));
        g_autofree char *token =
            relais_token_make (ring, "m/click", (guint8 *)payload, size, NOW + DAY);
        g_autofree char *again =
            relais_token_make (ring, "m/click", (guint8 *)payload, size, NOW + DAY);
        g_autofree char *back = NULL;

        g_assert_cmpstr (token, ==, again);
        g_assert_cmpuint (strspn (token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                         "0123456789-_"),
                          ==, strlen (token));
        g_assert_cmpuint (strlen (token), ==, ((23 + size) * 4 + 2) / 3);
        g_assert (open_text (ring, "m/click", token, NOW, &back) == RELAIS_TOKEN_STATE_GOOD);
        g_assert_cmpstr (back, ==, payload);
        g_assert (open_text (ring, "m/open", token, NOW, NULL) == RELAIS_TOKEN_STATE_FORGED);
    }
}

static void
test_limit (void)
{
    g_autoptr (RelaisKeyRing) ring = ring_of (1);
    g_autofree guint8 *payload = g_malloc0 (RELAIS_TOKEN_PAYLOAD_BYTES + 1);
    g_autofree char *most =
        relais_token_make (ring, "p", payload, RELAIS_TOKEN_PAYLOAD_BYTES, NOW + DAY);
    g_autofree char *longer = g_strconcat (most, "A", NULL);

    g_assert_cmpuint (strlen (most), <=, RELAIS_TOKEN_TEXT_BYTES);
    g_assert (open_text (ring, "p", most, NOW, NULL) == RELAIS_TOKEN_STATE_GOOD);
    g_assert (open_text (ring, "p", longer, NOW, NULL) == RELAIS_TOKEN_STATE_FORGED);
    g_assert_null (
        relais_token_make (ring, "p", payload, RELAIS_TOKEN_PAYLOAD_BYTES + 1, NOW + DAY));
}

static void
test_expiry (void)
{
    g_autoptr (RelaisKeyRing) ring = ring_of (1);
    g_autofree char *token = relais_token_make (ring, "p", (guint8 *)"x", 1, NOW + 1);

    /* Rounded up to the hour, never down. */
    g_assert (open_text (ring, "p", token, NOW + HOUR - 1, NULL) == RELAIS_TOKEN_STATE_GOOD);
    g_assert (open_text (ring, "p", token, NOW + HOUR, NULL) == RELAIS_TOKEN_STATE_EXPIRED);
}

/* What never expires is good as long as time can be told. */
static void
test_last_hour (void)
{
    g_autoptr (RelaisKeyRing) ring = ring_of (1);

    for (gint64 ago_us = 0; ago_us < 3 * HOUR; ago_us += HOUR / 2) {
        g_autofree char *token =
            relais_token_make (ring, "p", (guint8 *)"x", 1, G_MAXINT64 - ago_us);

        g_assert (open_text (ring, "p", token, NOW, NULL) == RELAIS_TOKEN_STATE_GOOD);
        g_assert (open_text (ring, "p", token, G_MAXINT64 - 4 * HOUR, NULL) ==
                  RELAIS_TOKEN_STATE_GOOD);
        g_assert (open_text (ring, "p", token, G_MAXINT64, NULL) == RELAIS_TOKEN_STATE_EXPIRED);
    }
}

/* A million changed tokens: none opens. A change of a character, of a bit, a cut, a longer one, a piece of another
 * one. */
static void
test_forged (void)
{
    g_autoptr (RelaisKeyRing) ring = ring_of (3);
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    g_autofree char *other = relais_token_make (ring, "p", (guint8 *)"0123456789", 10, NOW + DAY);
    guint opened = 0;

    for (guint i = 0; i < 1000000; i++) {
        char text[64];
        const gsize n = strlen (other);
        const gsize at = (gsize)g_test_rand_int_range (0, (gint32)n);
        const char before = other[at];

        g_assert_cmpuint (n, <, sizeof text - 2);
        memcpy (text, other, n + 1);
        switch (i % 8) {
        case 0: text[at] = '\0'; break;
        case 1:
            text[n] = digits[g_test_rand_int () & 63];
            text[n + 1] = '\0';
            break;
        case 2: memmove (text + at, text + at + 1, n - at); break;
        case 3: text[at] = (char)g_test_rand_int_range (1, 256); break;
        default: text[at] = digits[g_test_rand_int () & 63];
        }
        if (i % 8 >= 3 && text[at] == before)
            continue;
        opened += open_text (ring, "p", text, NOW, NULL) != RELAIS_TOKEN_STATE_FORGED;
    }
    g_assert_cmpuint (opened, ==, 0);
    g_assert (open_text (ring, "p", other, NOW, NULL) == RELAIS_TOKEN_STATE_GOOD);
}

/* The last digit's spare bits: four texts would stand for the same octets, three of them are refused. */
static void
test_one_text (void)
{
    g_autoptr (RelaisKeyRing) ring = ring_of (1);
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    for (guint size = 0; size < 3; size++) {
        g_autofree char *token = relais_token_make (ring, "p", (guint8 *)"ab", size, NOW + DAY);
        const gsize last = strlen (token) - 1;
        const char right = token[last];

        for (guint i = 0; i < 64; i++) {
            token[last] = digits[i];
            g_assert (open_text (ring, "p", token, NOW, NULL) ==
                      (digits[i] == right ? RELAIS_TOKEN_STATE_GOOD : RELAIS_TOKEN_STATE_FORGED));
        }
    }
}

/* --- Rings ------------------------------------------------------------------------------------ */

static void
test_rotation (void)
{
    g_autoptr (RelaisKeyRing) first = relais_key_ring_rotate (NULL, NOW, 0, NULL);
    g_autoptr (RelaisKeyRing) second =
        relais_key_ring_rotate (first, NOW + 90 * DAY, 400 * DAY, NULL);
    /* The first key was in use until day 90: kept until day 490. */
    g_autoptr (RelaisKeyRing) kept =
        relais_key_ring_rotate (second, NOW + 490 * DAY, 400 * DAY, NULL);
    g_autoptr (RelaisKeyRing) dropped =
        relais_key_ring_rotate (second, NOW + 490 * DAY + RELAIS_USEC_PER_SEC, 400 * DAY, NULL);
    g_autofree char *old = relais_token_make (first, "p", (guint8 *)"x", 1, NOW + 5000 * DAY);
    g_autofree char *new = relais_token_make (second, "p", (guint8 *)"x", 1, NOW + 5000 * DAY);

    g_assert_cmpstr (old, !=, new);
    g_assert (open_text (second, "p", old, NOW, NULL) == RELAIS_TOKEN_STATE_GOOD);
    g_assert (open_text (first, "p", new, NOW, NULL) == RELAIS_TOKEN_STATE_FORGED);
    g_assert (open_text (kept, "p", old, NOW, NULL) == RELAIS_TOKEN_STATE_GOOD);
    g_assert (open_text (dropped, "p", old, NOW, NULL) == RELAIS_TOKEN_STATE_FORGED);
    g_assert (open_text (dropped, "p", new, NOW, NULL) == RELAIS_TOKEN_STATE_GOOD);
}

/* A ring does not grow beyond its limit, and drops no key for that under which a token may be out. */
static void
test_many_keys (void)
{
    g_autoptr (RelaisKeyRing) ring = ring_of (RELAIS_RING_KEYS);
    g_autofree char *text = relais_key_ring_to_text (ring);
    g_autoptr (RelaisKeyRing) again = relais_key_ring_parse (text, strlen (text), "ring", NULL);
    g_autoptr (RelaisKeyRing) next = NULL;
    g_autoptr (GError) error = NULL;

    g_assert_cmpuint (relais_key_ring_n_keys (ring), ==, RELAIS_RING_KEYS);
    g_assert_cmpuint (strlen (text), <=, RELAIS_RING_FILE_BYTES);
    g_assert_nonnull (again);
    g_assert_cmpuint (relais_key_ring_newest (again)->id, ==, RELAIS_RING_KEYS);
    g_assert_null (relais_key_ring_rotate (ring, NOW + RELAIS_RING_KEYS * DAY, G_MAXINT64, &error));
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE);
    /* The first was in use until the second was made, on day 1. */
    g_clear_error (&error);
    g_assert_null (relais_key_ring_rotate (ring, NOW + 100 * DAY, 99 * DAY, &error));
    g_clear_error (&error);
    next = relais_key_ring_rotate (ring, NOW + 100 * DAY, 98 * DAY, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (relais_key_ring_n_keys (next), ==, RELAIS_RING_KEYS);
    g_assert_cmpuint (relais_key_ring_nth (next, 0)->id, ==, 2);
    g_assert_cmpuint (relais_key_ring_newest (next)->id, ==, RELAIS_RING_KEYS + 1);
}

static char *
damaged (const char *text, guint what)
{
    g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
    g_autofree char *line = g_strdup (lines[1]);

    switch (what) {
    case 0: return g_strdup ("");
    case 1: return g_strdup ("relais-token-keys 2\n");
    case 2: return g_strdup ("relais-token-keys 1\n");
    case 3: return g_strndup (text, strlen (text) - 1);
    case 4: return g_strconcat (text, line, "\n", NULL);
    case 5: return g_strconcat (text, "0", line + 1, "\n", NULL);
    case 6: return g_strconcat (text, "65536", line + 1, "\n", NULL);
    case 7: return g_strconcat (text, "9 yesterday ", strrchr (line, ' ') + 1, "\n", NULL);
    case 8: line[strlen (line) - 1] = 'g'; break;
    case 9: line[strlen (line) - 1] = '\0'; break;
    default: return g_strconcat (text, "\n", NULL);
    }
    return g_strconcat (lines[0], "\n", line, "\n", NULL);
}

static void
test_damaged_file (void)
{
    g_autoptr (RelaisKeyRing) ring = ring_of (2);
    g_autofree char *text = relais_key_ring_to_text (ring);
    g_autofree char *dir = g_dir_make_tmp ("relais-ring-XXXXXX", NULL);
    g_autofree char *path = g_build_filename (dir, "token-keys", NULL);

    for (guint what = 0; what <= 10; what++) {
        g_autofree char *bad = damaged (text, what);
        g_autofree char *after = NULL;
        g_autoptr (GError) error = NULL;

        g_assert_true (g_file_set_contents (path, bad, -1, NULL));
        g_assert_null (relais_key_ring_open (path, NOW, &error));
        g_assert_nonnull (strstr (error->message, "token-keys:"));
        g_assert_true (g_file_get_contents (path, &after, NULL, NULL));
        g_assert_cmpstr (after, ==, bad);
    }
    g_unlink (path);
    g_rmdir (dir);
}

static void
test_file (void)
{
    g_autofree char *dir = g_dir_make_tmp ("relais-ring-XXXXXX", NULL);
    g_autofree char *path = g_build_filename (dir, "token-keys", NULL);
    g_autoptr (RelaisKeyRing) made = relais_key_ring_open (path, NOW, NULL);
    g_autoptr (RelaisKeyRing) found = relais_key_ring_open (path, NOW + DAY, NULL);
    g_autofree char *token = relais_token_make (made, "p", (guint8 *)"x", 1, NOW + DAY);
    struct stat st;

    g_assert_cmpint (stat (path, &st), ==, 0);
    g_assert_cmpuint (st.st_mode & 0777, ==, 0600);
    g_assert (open_text (found, "p", token, NOW, NULL) == RELAIS_TOKEN_STATE_GOOD);
    g_unlink (path);
    g_rmdir (dir);
}

/* --- In a daemon ------------------------------------------------------------------------------ */

static void
note_done (gpointer data, const GError *error)
{
    *(int *)data = error == NULL ? 1 : -1;
}

static int
rotate (RelaisLoop *loop, RelaisTokens *tokens)
{
    int done = 0;

    g_assert_true (relais_tokens_rotate (tokens, note_done, &done));
    g_assert_false (relais_tokens_rotate (tokens, note_done, &done));
    while (done == 0)
        relais_loop_turn (loop, true);
    return done;
}

static void
test_daemon (void)
{
    g_autofree char *dir = g_dir_make_tmp ("relais-ring-XXXXXX", NULL);
    g_autofree char *below = g_build_filename (dir, "state", NULL);
    g_autofree char *path = g_build_filename (below, "token-keys", NULL);
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    RelaisPool *pool = relais_pool_new (loop, "test", 1, 4);
    RelaisTokens *tokens;
    g_autoptr (RelaisKeyRing) ring = NULL;

    g_assert_cmpint (g_mkdir (below, 0700), ==, 0);
    tokens = relais_tokens_new (&(RelaisTokensOptions){loop, pool, path, 0, 1000 * DAY}, NULL);
    g_assert_cmpint (rotate (loop, tokens), ==, 1);
    ring = relais_tokens_ring (tokens);
    g_assert_cmpuint (relais_key_ring_n_keys (ring), ==, 2);

    /* A key that cannot be kept is not used. */
    g_unlink (path);
    g_rmdir (below);
    g_test_expect_message (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "tokens: no new key: *");
    g_assert_cmpint (rotate (loop, tokens), ==, -1);
    g_test_assert_expected_messages ();
    g_clear_pointer (&ring, relais_key_ring_unref);
    ring = relais_tokens_ring (tokens);
    g_assert_cmpuint (relais_key_ring_n_keys (ring), ==, 2);
    relais_pool_free (pool);
    relais_tokens_free (tokens);
    g_rmdir (dir);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/token/round", test_round);
    g_test_add_func ("/token/limit", test_limit);
    g_test_add_func ("/token/expiry", test_expiry);
    g_test_add_func ("/token/last-hour", test_last_hour);
    g_test_add_func ("/token/forged", test_forged);
    g_test_add_func ("/token/one-text", test_one_text);
    g_test_add_func ("/ring/rotation", test_rotation);
    g_test_add_func ("/ring/many-keys", test_many_keys);
    g_test_add_func ("/ring/damaged-file", test_damaged_file);
    g_test_add_func ("/ring/file", test_file);
    g_test_add_func ("/ring/daemon", test_daemon);
    return g_test_run ();
}
