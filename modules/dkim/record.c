/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Key records (RFC 6376 section 3.6.1, RFC 8463 section 4): what one says, and its key. Pure.
 */
#include "verify.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

static bool
list_has (const DkimTag *tag, const char *word)
{
    gsize position = 0, size, wanted = strlen (word);
    const char *item;

    while (dkim_tag_next_item (tag, &position, &item, &size))
        if (size == wanted && memcmp (item, word, size) == 0)
            return true;
    return false;
}

/* --- The key ---------------------------------------------------------------------------------- */

/* SubjectPublicKeyInfo, as all write it, or the bare RSAPublicKey that the text of RFC 6376 names. */
static EVP_PKEY *
decode_rsa (const guint8 *der, gsize size)
{
    const unsigned char *at = der;
    EVP_PKEY *pkey = d2i_PUBKEY (NULL, &at, (long)size);

    if (pkey == NULL) {
        at = der;
        pkey = d2i_PublicKey (EVP_PKEY_RSA, NULL, &at, (long)size);
    }
    if (pkey != NULL && !EVP_PKEY_is_a (pkey, "RSA"))
        g_clear_pointer (&pkey, EVP_PKEY_free);
    ERR_clear_error ();
    return pkey;
}

char *
dkim_public_text (EVP_PKEY *pkey, bool ed25519)
{
    guint8 raw[32];
    gsize raw_size = sizeof raw;
    unsigned char *der = NULL;
    char *text = NULL;
    int size;

    if (ed25519)
        return EVP_PKEY_get_raw_public_key (pkey, raw, &raw_size) == 1
                   ? g_base64_encode (raw, raw_size)
                   : NULL;
    size = i2d_PUBKEY (pkey, &der);
    if (size > 0)
        text = g_base64_encode (der, (gsize)size);
    OPENSSL_free (der);
    return text;
}

static const char *
read_key (DkimRecord *record, const DkimTag *p)
{
    gsize size = 0;
    g_autofree guint8 *octets = dkim_tag_decode (p, &size);

    if (octets == NULL)
        return "p= of the key record is not base64";
    if (!record->ed25519)
        record->pkey = decode_rsa (octets, size);
    else if (size == 32)
        record->pkey = EVP_PKEY_new_raw_public_key (EVP_PKEY_ED25519, NULL, octets, size);
    if (record->pkey != NULL)
        record->public_64 = dkim_public_text (record->pkey, record->ed25519);
    ERR_clear_error ();
    if (record->public_64 == NULL)
        return record->ed25519 ? "p= of the key record is no Ed25519 key"
                               : "p= of the key record is no RSA key";
    record->bits = (guint)MAX (EVP_PKEY_get_bits (record->pkey), 0);
    if (record->ed25519)
        record->bits = 256;
    return NULL;
}

/* --- The record ------------------------------------------------------------------------------- */

static const char *
read_use (DkimRecord *record, const DkimTags *tags)
{
    const DkimTag *v = dkim_tags_find (tags, "v"), *h = dkim_tags_find (tags, "h");
    const DkimTag *k = dkim_tags_find (tags, "k"), *s = dkim_tags_find (tags, "s");
    const DkimTag *t = dkim_tags_find (tags, "t");

    if (v != NULL && (v != tags->tags || !dkim_tag_is (v, "DKIM1")))
        return "the key record is not of version DKIM1";
    record->strict = t != NULL && list_has (t, "s");
    record->testing = t != NULL && list_has (t, "y");
    record->ed25519 = k != NULL && dkim_tag_is (k, "ed25519");
    if (k != NULL && !record->ed25519 && !dkim_tag_is (k, "rsa"))
        return "k= of the key record is not known here";
    if (h != NULL && !list_has (h, "sha256"))
        return "h= of the key record does not allow SHA-256";
    if (s != NULL && !list_has (s, "*") && !list_has (s, "email"))
        return "s= of the key record does not allow mail";
    return NULL;
}

const char *
dkim_record_parse (DkimRecord *record, const char *text, gsize size)
{
    DkimTags tags;
    const DkimTag *p;
    const char *problem;

    memset (record, 0, sizeof *record);
    if (size > DKIM_RECORD_BYTES)
        return "the key record is too large";
    if (!dkim_tags_parse (&tags, text, size))
        return "the key record is no list of tags";
    p = dkim_tags_find (&tags, "p");
    if (p == NULL)
        return "the key record has no p=";
    if ((problem = read_use (record, &tags)) != NULL)
        return problem;
    return p->value_size == 0 ? "the key was revoked" : read_key (record, p);
}

void
dkim_record_clear (DkimRecord *record)
{
    EVP_PKEY_free (record->pkey);
    g_free (record->public_64);
    memset (record, 0, sizeof *record);
}
