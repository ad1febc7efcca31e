/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sealing and opening with a key's prepared contexts. See the header. Any thread.
 *
 * A newsletter has hundreds of tokens of one purpose, so what all of them begin with is kept for each key: contexts
 * that have been given the two associated strings, to be copied. They are found without a lock, and stay until
 * the key goes.
 */
#include "config.h"

#include "tls/siv-private.h"

#include <string.h>

typedef struct Start {
    struct Start *next;
    char *purpose;
    guint8 head[RELAIS_SIV_HEAD_BYTES];
    EVP_CIPHER_CTX *seal, *open; /* never used themselves */
} Start;

struct RelaisSivStarts {
    Start *first; /* atomic; grows at its front only */
    gint n;       /* atomic; that were begun */
};

enum { STARTS = 32 /* of a key: modules have one to three purposes each */ };

/* A copy of a context; given the two associated strings, if there are any. NULL if OpenSSL fails. */
static EVP_CIPHER_CTX *
copy (const EVP_CIPHER_CTX *from, const char *purpose, const guint8 *head)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new ();
    int n;

    if (context != NULL && EVP_CIPHER_CTX_copy (context, from) == 1 &&
        (purpose == NULL ||
         (EVP_CipherUpdate (context, NULL, &n, (const guint8 *)purpose, (int)strlen (purpose)) ==
              1 &&
          EVP_CipherUpdate (context, NULL, &n, head, RELAIS_SIV_HEAD_BYTES) == 1)))
        return context;
    EVP_CIPHER_CTX_free (context);
    return NULL;
}

/* --- What tokens begin with ------------------------------------------------------------------- */

RelaisSivStarts *
relais_siv_starts_new (void)
{
    return g_new0 (RelaisSivStarts, 1);
}

static void
start_free (Start *start)
{
    EVP_CIPHER_CTX_free (start->seal);
    EVP_CIPHER_CTX_free (start->open);
    g_free (start->purpose);
    g_free (start);
}

void
relais_siv_starts_free (RelaisSivStarts *starts)
{
    if (starts == NULL)
        return;
    for (Start *start = starts->first, *next; start != NULL; start = next) {
        next = start->next;
        start_free (start);
    }
    g_free (starts);
}

/* Made, and kept for the next token; NULL if there are too many, or if OpenSSL fails. Two threads may make the same
 * one at once, which does no harm. */
static const Start *
make_start (const RelaisKey *key, const char *purpose, const guint8 *head)
{
    Start *start;

    if (g_atomic_int_add (&key->starts->n, 1) >= STARTS) {
        g_atomic_int_add (&key->starts->n, -1);
        return NULL;
    }
    start = g_new0 (Start, 1);
    start->purpose = g_strdup (purpose);
    memcpy (start->head, head, RELAIS_SIV_HEAD_BYTES);
    start->seal = copy (key->seal, purpose, head);
    start->open = copy (key->open, purpose, head);
    if (start->seal == NULL || start->open == NULL) {
        start_free (start);
        return NULL;
    }
    do
        start->next = g_atomic_pointer_get (&key->starts->first);
    while (!g_atomic_pointer_compare_and_exchange (&key->starts->first, start->next, start));
    return start;
}

static const Start *
find_start (const RelaisKey *key, const char *purpose, const guint8 *head)
{
    const Start *start = g_atomic_pointer_get (&key->starts->first);

    while (start != NULL && (memcmp (start->head, head, RELAIS_SIV_HEAD_BYTES) != 0 ||
                             strcmp (start->purpose, purpose) != 0))
        start = start->next;
    return start != NULL ? start : make_start (key, purpose, head);
}

/* --- Sealing and opening ---------------------------------------------------------------------- */

bool
relais_siv_seal (const RelaisKey *key, const char *purpose,
                 const guint8 head[RELAIS_SIV_HEAD_BYTES], const guint8 *plain, gsize size,
                 guint8 *to)
{
    const Start *start = find_start (key, purpose, head);
    EVP_CIPHER_CTX *context =
        start != NULL ? copy (start->seal, NULL, NULL) : copy (key->seal, purpose, head);
    int n = 0;
    const bool good =
        context != NULL &&
        EVP_CipherUpdate (context, to + RELAIS_SIV_BYTES, &n, plain, (int)size) == 1 &&
        EVP_CIPHER_CTX_ctrl (context, EVP_CTRL_AEAD_GET_TAG, RELAIS_SIV_BYTES, to) == 1;

    EVP_CIPHER_CTX_free (context);
    return good && n == (int)size;
}

bool
relais_siv_open (const RelaisKey *key, const char *purpose,
                 const guint8 head[RELAIS_SIV_HEAD_BYTES], const guint8 *from, guint8 *plain,
                 gsize size)
{
    const Start *start = find_start (key, purpose, head);
    EVP_CIPHER_CTX *context =
        start != NULL ? copy (start->open, NULL, NULL) : copy (key->open, purpose, head);
    int n = 0;
    const bool good =
        context != NULL &&
        EVP_CIPHER_CTX_ctrl (context, EVP_CTRL_AEAD_SET_TAG, RELAIS_SIV_BYTES, (void *)from) == 1 &&
        EVP_CipherUpdate (context, plain, &n, from + RELAIS_SIV_BYTES, (int)size) == 1;

    EVP_CIPHER_CTX_free (context);
    return good && n == (int)size;
}
