/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The key ring and its file. See the header. Any thread; what touches the file may block.
 */
#include "config.h"

#include "tls/key-ring-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>
#include <unistd.h>

#include "conf/kept-file-private.h"
#include "loop/loop-private.h"
#include "tls/siv-private.h"

static const char ring_heading[] = "relais-token-keys 1";

struct RelaisKeyRing {
    gatomicrefcount refs;
    EVP_CIPHER *cipher;
    guint n;
    RelaisKey keys[RELAIS_RING_KEYS];
};

/* --- A ring ----------------------------------------------------------------------------------- */

static RelaisKeyRing *
ring_new (GError **error)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch (NULL, "AES-256-SIV", NULL);
    RelaisKeyRing *ring;

    if (cipher == NULL) {
        g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                             _ ("this OpenSSL has no AES-256-SIV, which tokens are sealed with"));
        return NULL;
    }
    ring = g_new0 (RelaisKeyRing, 1);
    g_atomic_ref_count_init (&ring->refs);
    ring->cipher = cipher;
    return ring;
}

static void
key_clear (RelaisKey *key)
{
    EVP_CIPHER_CTX_free (key->seal);
    EVP_CIPHER_CTX_free (key->open);
    relais_siv_starts_free (key->starts);
    OPENSSL_cleanse (key->secret, sizeof key->secret);
}

RelaisKeyRing *
relais_key_ring_ref (RelaisKeyRing *ring)
{
    g_atomic_ref_count_inc (&ring->refs);
    return ring;
}

void
relais_key_ring_unref (RelaisKeyRing *ring)
{
    if (ring == NULL || !g_atomic_ref_count_dec (&ring->refs))
        return;
    for (guint i = 0; i < ring->n; i++)
        key_clear (&ring->keys[i]);
    EVP_CIPHER_free (ring->cipher);
    g_free (ring);
}

guint
relais_key_ring_n_keys (const RelaisKeyRing *ring)
{
    return ring->n;
}

const RelaisKey *
relais_key_ring_nth (const RelaisKeyRing *ring, guint n)
{
    return n < ring->n ? &ring->keys[n] : NULL;
}

const RelaisKey *
relais_key_ring_newest (const RelaisKeyRing *ring)
{
    return &ring->keys[ring->n - 1];
}

const RelaisKey *
relais_key_ring_find (const RelaisKeyRing *ring, guint16 id)
{
    for (guint i = ring->n; i > 0; i--)
        if (ring->keys[i - 1].id == id)
            return &ring->keys[i - 1];
    return NULL;
}

/* Adds a key at the end; there must be room. */
static bool
add_key (RelaisKeyRing *ring, guint16 id, gint64 created_us, const guint8 *secret, GError **error)
{
    RelaisKey *key = &ring->keys[ring->n];

    *key = (RelaisKey){.id = id, .created_us = created_us};
    memcpy (key->secret, secret, sizeof key->secret);
    key->seal = EVP_CIPHER_CTX_new ();
    key->open = EVP_CIPHER_CTX_new ();
    key->starts = relais_siv_starts_new ();
    ring->n++;
    if (key->seal != NULL && key->open != NULL &&
        EVP_EncryptInit_ex2 (key->seal, ring->cipher, secret, NULL, NULL) == 1 &&
        EVP_DecryptInit_ex2 (key->open, ring->cipher, secret, NULL, NULL) == 1)
        return true;
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED,
                         _ ("OpenSSL did not take a token key"));
    return false;
}

/* --- Rotation --------------------------------------------------------------------------------- */

/* Copies the keys that tokens may still be out under: each was in use until the next one was made. There must be room
 * for another one. */
static bool
keep_keys (RelaisKeyRing *to, const RelaisKeyRing *from, gint64 wall_us, gint64 keep_us,
           GError **error)
{
    for (guint i = 0; i < from->n; i++) {
        const RelaisKey *key = &from->keys[i];
        const gint64 until_us = i + 1 < from->n ? from->keys[i + 1].created_us : wall_us;

        if (wall_us - until_us > keep_us)
            continue;
        if (to->n == RELAIS_RING_KEYS - 1) {
            g_set_error_literal (
                error, G_IO_ERROR, G_IO_ERROR_NO_SPACE,
                _ ("there are 64 keys, the most there can be, and links may be out "
                   "under each; see rotate and keep of [tokens]"));
            return false;
        }
        if (!add_key (to, key->id, key->created_us, key->secret, error))
            return false;
    }
    return true;
}

/* The id after the newest one's; 0 is none, and none is taken twice. */
static guint16
next_id (const RelaisKeyRing *ring)
{
    guint16 id = ring->n > 0 ? ring->keys[ring->n - 1].id : 0;

    do
        id = id == G_MAXUINT16 ? 1 : (guint16)(id + 1);
    while (relais_key_ring_find (ring, id) != NULL);
    return id;
}

RelaisKeyRing *
relais_key_ring_rotate (const RelaisKeyRing *ring, gint64 wall_us, gint64 keep_us, GError **error)
{
    g_autoptr (RelaisKeyRing) next = ring_new (error);
    guint8 secret[RELAIS_KEY_BYTES];
    bool done;

    if (next == NULL)
        return NULL;
    if (ring != NULL && !keep_keys (next, ring, wall_us, keep_us, error))
        return NULL;
    if (RAND_priv_bytes (secret, sizeof secret) != 1) {
        g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED,
                             _ ("there is no randomness for a token key"));
        return NULL;
    }
    wall_us -= wall_us % RELAIS_USEC_PER_SEC;
    done = add_key (next, next_id (next), wall_us, secret, error);
    OPENSSL_cleanse (secret, sizeof secret);
    return done ? g_steal_pointer (&next) : NULL;
}

/* --- Text ------------------------------------------------------------------------------------- */

static bool
parse_secret (const char *text, guint8 secret[RELAIS_KEY_BYTES])
{
    if (strlen (text) != (gsize)2 * RELAIS_KEY_BYTES)
        return false;
    for (guint i = 0; i < RELAIS_KEY_BYTES; i++) {
        const int high = g_ascii_xdigit_value (text[2 * i]);
        const int low = g_ascii_xdigit_value (text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        secret[i] = (guint8)(high << 4 | low);
    }
    return true;
}

/* What is wrong with a key's line, or NULL. */
static const char *
parse_key (RelaisKeyRing *ring, char *line, GError **error)
{
    g_auto (GStrv) words = g_strsplit (line, " ", 4);
    g_autoptr (GDateTime) created = NULL;
    guint8 secret[RELAIS_KEY_BYTES];
    const char *trouble = NULL;
    guint64 id;

    if (g_strv_length (words) != 3)
        trouble = _ ("expected ID CREATED KEY");
    else if (!g_ascii_string_to_unsigned (words[0], 10, 1, G_MAXUINT16, &id, NULL))
        trouble = _ ("expected an id of 1 to 65535");
    else if (relais_key_ring_find (ring, (guint16)id) != NULL)
        trouble = _ ("this id stands there twice");
    else if ((created = g_date_time_new_from_iso8601 (words[1], NULL)) == NULL ||
             g_date_time_to_unix (created) < 0)
        trouble = _ ("expected a time such as 2026-11-28T07:00:00Z");
    else if (!parse_secret (words[2], secret))
        trouble = _ ("expected a key of 128 hexadecimal digits");
    else if (ring->n == RELAIS_RING_KEYS)
        trouble = _ ("more keys than a ring holds (64)");
    else if (!add_key (ring, (guint16)id, g_date_time_to_unix (created) * RELAIS_USEC_PER_SEC,
                       secret, error))
        trouble = "";
    OPENSSL_cleanse (secret, sizeof secret);
    for (char **word = words; *word != NULL; word++)
        OPENSSL_cleanse (*word, strlen (*word));
    return trouble;
}

static bool
refuse (GError **error, const char *name, guint line, const char *trouble)
{
    if (error == NULL || *error == NULL)
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                     _ ("%s:%u: %s; put the file back from a copy: without its keys every link and "
                        "pixel that is out is dead"),
                     name, line, trouble);
    return false;
}

static bool
parse_lines (RelaisKeyRing *ring, char *text, const char *name, GError **error)
{
    guint number = 1;

    for (char *line = text, *end; *line != '\0'; line = end + 1, number++) {
        const char *trouble = NULL;

        end = strchr (line, '\n');
        if (end == NULL)
            return refuse (error, name, number, _ ("the last line is not whole"));
        *end = '\0';
        if (number > 1)
            trouble = parse_key (ring, line, error);
        else if (strcmp (line, ring_heading) != 0)
            trouble = _ ("expected \"relais-token-keys 1\"");
        if (trouble != NULL)
            return refuse (error, name, number, trouble);
    }
    return ring->n > 0 || refuse (error, name, number, _ ("there is no key"));
}

RelaisKeyRing *
relais_key_ring_parse (const char *text, gsize size, const char *name, GError **error)
{
    g_autoptr (RelaisKeyRing) ring = ring_new (error);
    char *copy;
    bool good;

    if (ring == NULL)
        return NULL;
    if (memchr (text, '\0', size) != NULL) {
        refuse (error, name, 1, _ ("the file is not text"));
        return NULL;
    }
    copy = g_strndup (text, size);
    good = parse_lines (ring, copy, name, error);
    OPENSSL_cleanse (copy, size);
    g_free (copy);
    return good ? g_steal_pointer (&ring) : NULL;
}

char *
relais_key_ring_to_text (const RelaisKeyRing *ring)
{
    GString *text = g_string_sized_new (RELAIS_RING_FILE_BYTES / 4);

    g_string_append_printf (text, "%s\n", ring_heading);
    for (guint i = 0; i < ring->n; i++) {
        const RelaisKey *key = &ring->keys[i];
        g_autoptr (GDateTime) created =
            g_date_time_new_from_unix_utc (key->created_us / RELAIS_USEC_PER_SEC);
        g_autofree char *when = g_date_time_format (created, "%Y-%m-%dT%H:%M:%SZ");

        g_string_append_printf (text, "%u %s ", key->id, when);
        for (guint k = 0; k < RELAIS_KEY_BYTES; k++)
            g_string_append_printf (text, "%02x", key->secret[k]);
        g_string_append_c (text, '\n');
    }
    return g_string_free (text, FALSE);
}

void
relais_key_ring_text_free (char *text)
{
    if (text != NULL)
        OPENSSL_cleanse (text, strlen (text));
    g_free (text);
}

/* --- The file --------------------------------------------------------------------------------- */

static bool
fail (GError **error, const char *what, const char *path)
{
    const int saved = errno;

    g_set_error (error, G_IO_ERROR, (gint)g_io_error_from_errno (saved), "%s '%s': %s", what, path,
                 g_strerror (saved));
    return false;
}

bool
relais_key_ring_save (const RelaisKeyRing *ring, const char *path, GError **error)
{
    char *text = relais_key_ring_to_text (ring);
    bool good;

    relais_assert_may_block ();
    good = g_file_set_contents_full (
        path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600, error);
    relais_key_ring_text_free (text);
    return good && (relais_kept_file_sync_dir (path) ||
                    fail (error, _ ("cannot sync the directory of"), path));
}

/* NULL with an error, or with none if there is no file. */
static RelaisKeyRing *
read_file (const char *path, GError **error)
{
    const int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    g_autofree char *text = g_malloc (RELAIS_RING_FILE_BYTES + 1);
    RelaisKeyRing *ring = NULL;
    gsize size = 0;
    ssize_t n = 1;

    if (fd < 0) {
        if (errno != ENOENT)
            fail (error, _ ("cannot open"), path);
        return NULL;
    }
    while (n > 0 && size <= RELAIS_RING_FILE_BYTES) {
        n = read (fd, text + size, RELAIS_RING_FILE_BYTES + 1 - size);
        size += n > 0 ? (gsize)n : 0;
    }
    if (n < 0)
        fail (error, _ ("cannot read"), path);
    else if (size > RELAIS_RING_FILE_BYTES)
        refuse (error, path, 1, _ ("the file is larger than a ring can be"));
    else
        ring = relais_key_ring_parse (text, size, path, error);
    OPENSSL_cleanse (text, RELAIS_RING_FILE_BYTES + 1);
    close (fd);
    return ring;
}

RelaisKeyRing *
relais_key_ring_open (const char *path, gint64 wall_us, GError **error)
{
    GError *trouble = NULL;
    g_autoptr (RelaisKeyRing) ring = NULL;

    relais_assert_may_block ();
    ring = read_file (path, &trouble);
    if (trouble != NULL) {
        g_propagate_error (error, trouble);
        return NULL;
    }
    if (ring == NULL) {
        ring = relais_key_ring_rotate (NULL, wall_us, 0, error);
        if (ring == NULL || !relais_key_ring_save (ring, path, error))
            return NULL;
    }
    return g_steal_pointer (&ring);
}
