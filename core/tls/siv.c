/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sealing and opening with a key's prepared contexts. See the header. Pure; any thread.
 */
#include "config.h"

#include "tls/siv-private.h"

#include <string.h>

/* Gives the two associated strings to a copy of one of a key's contexts; NULL if OpenSSL fails. */
static EVP_CIPHER_CTX *
begin (const EVP_CIPHER_CTX *prepared, const char *purpose, const guint8 *head, const guint8 *siv)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new ();
    int n;

    if (context != NULL && EVP_CIPHER_CTX_copy (context, prepared) == 1 &&
        (siv == NULL || EVP_CIPHER_CTX_ctrl (context, EVP_CTRL_AEAD_SET_TAG, RELAIS_SIV_BYTES,
                                             (void *)siv) == 1) &&
        EVP_CipherUpdate (context, NULL, &n, (const guint8 *)purpose, (int)strlen (purpose)) == 1 &&
        EVP_CipherUpdate (context, NULL, &n, head, RELAIS_SIV_HEAD_BYTES) == 1)
        return context;
    EVP_CIPHER_CTX_free (context);
    return NULL;
}

bool
relais_siv_seal (const RelaisKey *key, const char *purpose,
                 const guint8 head[RELAIS_SIV_HEAD_BYTES], const guint8 *plain, gsize size,
                 guint8 *to)
{
    EVP_CIPHER_CTX *context = begin (key->seal, purpose, head, NULL);
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
    EVP_CIPHER_CTX *context = begin (key->open, purpose, head, from);
    int n = 0;
    const bool good = context != NULL && EVP_CipherUpdate (context, plain, &n,
                                                           from + RELAIS_SIV_BYTES, (int)size) == 1;

    EVP_CIPHER_CTX_free (context);
    return good && n == (int)size;
}
