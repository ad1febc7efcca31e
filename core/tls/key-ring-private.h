/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The key ring that tokens are sealed with: a short list of secret keys, of which the newest seals and
 * all open. A ring is immutable and counted; any thread. Its file is text, one key a line, readable by its
 * owner alone:
 *
 *   relais-token-keys 1
 *   ID CREATED KEY          ID 1 to 65535, CREATED as 2026-11-28T07:00:00Z, KEY 128 hexadecimal digits
 *
 * oldest first. Several machines that share tracking hosts share the file.
 */
#pragma once

#include <gio/gio.h>
#include <openssl/evp.h>
#include <stdbool.h>

typedef struct RelaisKeyRing RelaisKeyRing;
typedef struct RelaisSivStarts RelaisSivStarts; /* see siv-private.h */

enum {
    RELAIS_KEY_BYTES = 64, /* AES-256-SIV takes two keys of 32 (RFC 5297) */
    RELAIS_RING_KEYS = 64, /* the most that a ring holds */
    RELAIS_RING_FILE_BYTES = 64 * 1024
};

typedef struct {
    guint16 id;
    gint64 created_us; /* wall clock, whole seconds */
    guint8 secret[RELAIS_KEY_BYTES];
    /* Contexts with the key set up, to be copied for each token: setting it up costs three times the
     * sealing. Never used themselves. */
    EVP_CIPHER_CTX *seal, *open;
    RelaisSivStarts
        *starts; /* such contexts that are further on; it has its own way with threads */
} RelaisKey;

/* Reads a ring's text (`name` is for messages). NULL with an error that names the line. Pure. */
RelaisKeyRing *
relais_key_ring_parse (const char *text, gsize size, const char *name, GError **error);
/* The file's text. Secret: to be freed with relais_key_ring_text_free (). */
char *relais_key_ring_to_text (const RelaisKeyRing *ring);
void relais_key_ring_text_free (char *text);

/* A ring with one key more, made at `wall_us`; keys that have not been the newest for `keep_us` are left out.
 * `ring` may be NULL: a first ring. NULL with an error if there is no randomness, or no room because all keys are to
 * be kept: none goes before its time. */
RelaisKeyRing *
relais_key_ring_rotate (const RelaisKeyRing *ring, gint64 wall_us, gint64 keep_us, GError **error);

/* Reads the file; makes it, with one key, if there is none. A file that cannot be read or understood is an
 * error: another ring in its place would make every token that is out a forgery. May block. */
RelaisKeyRing *relais_key_ring_open (const char *path, gint64 wall_us, GError **error);
/* Replaces the file and syncs it and its directory. May block. */
bool relais_key_ring_save (const RelaisKeyRing *ring, const char *path, GError **error);

RelaisKeyRing *relais_key_ring_ref (RelaisKeyRing *ring);
void relais_key_ring_unref (RelaisKeyRing *ring);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisKeyRing, relais_key_ring_unref)

guint relais_key_ring_n_keys (const RelaisKeyRing *ring);
/* Oldest first; borrowed. */
const RelaisKey *relais_key_ring_nth (const RelaisKeyRing *ring, guint n);
const RelaisKey *relais_key_ring_newest (const RelaisKeyRing *ring);
/* NULL if there is none of that id. */
const RelaisKey *relais_key_ring_find (const RelaisKeyRing *ring, guint16 id);
