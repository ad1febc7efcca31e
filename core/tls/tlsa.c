/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * TLSA records: what one holds and which of them OpenSSL can match. Pure; any thread.
 */
#include "config.h"

#include "tls/tlsa-private.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

struct RelaisTlsaSet {
    gatomicrefcount refs;
    char *base;
    GArray *records; /* RelaisTlsa, each with data of its own */
    char *key;       /* made when it is asked for first */
};

bool
relais_tlsa_parse (const guint8 *rdata, gsize size, RelaisTlsa *tlsa)
{
    if (size < 4 || size > RELAIS_TLSA_DATA_BYTES + 3)
        return false;
    *tlsa = (RelaisTlsa){rdata[0], rdata[1], rdata[2], rdata + 3, size - 3};
    return true;
}

/* A certificate or key in full, and nothing behind it. */
static bool
is_whole (const RelaisTlsa *tlsa)
{
    const guint8 *at = tlsa->data;
    bool read;

    ERR_clear_error ();
    if (tlsa->selector == RELAIS_TLSA_CERTIFICATE) {
        X509 *certificate = d2i_X509 (NULL, &at, (long)tlsa->size);

        read = certificate != NULL && X509_get0_pubkey (certificate) != NULL;
        X509_free (certificate);
    } else {
        EVP_PKEY *key = d2i_PUBKEY (NULL, &at, (long)tlsa->size);

        read = key != NULL;
        EVP_PKEY_free (key);
    }
    ERR_clear_error ();
    return read && at == tlsa->data + tlsa->size;
}

bool
relais_tlsa_is_usable (const RelaisTlsa *tlsa)
{
    if ((tlsa->usage != RELAIS_TLSA_DANE_TA && tlsa->usage != RELAIS_TLSA_DANE_EE) ||
        tlsa->selector > RELAIS_TLSA_KEY)
        return false;
    switch (tlsa->matching) {
    case RELAIS_TLSA_FULL: return is_whole (tlsa);
    case RELAIS_TLSA_SHA256: return tlsa->size == 32;
    case RELAIS_TLSA_SHA512: return tlsa->size == 64;
    default: return false;
    }
}

char *
relais_tlsa_to_string (const RelaisTlsa *tlsa)
{
    GString *text = g_string_new (NULL);

    g_string_append_printf (text, "%u %u %u ", tlsa->usage, tlsa->selector, tlsa->matching);
    for (gsize i = 0; i < tlsa->size; i++)
        g_string_append_printf (text, "%02x", tlsa->data[i]);
    return g_string_free (text, FALSE);
}

/* --- Sets --------------------------------------------------------------------------------------- */

static void
record_clear (gpointer record)
{
    g_free ((gpointer)((RelaisTlsa *)record)->data);
}

RelaisTlsaSet *
relais_tlsa_set_new (const char *base)
{
    RelaisTlsaSet *set = g_new0 (RelaisTlsaSet, 1);

    g_atomic_ref_count_init (&set->refs);
    set->base = g_strdup (base);
    set->records = g_array_new (FALSE, FALSE, sizeof (RelaisTlsa));
    g_array_set_clear_func (set->records, record_clear);
    return set;
}

void
relais_tlsa_set_add (RelaisTlsaSet *set, const RelaisTlsa *tlsa)
{
    RelaisTlsa copy = *tlsa;

    if (set->records->len >= RELAIS_TLSA_RECORDS)
        return;
    g_clear_pointer (&set->key, g_free);
    copy.data = g_memdup2 (tlsa->data, tlsa->size);
    g_array_append_val (set->records, copy);
}

RelaisTlsaSet *
relais_tlsa_set_ref (RelaisTlsaSet *set)
{
    g_atomic_ref_count_inc (&set->refs);
    return set;
}

void
relais_tlsa_set_unref (RelaisTlsaSet *set)
{
    if (set == NULL || !g_atomic_ref_count_dec (&set->refs))
        return;
    g_array_unref (set->records);
    g_free (set->base);
    g_free (set->key);
    g_free (set);
}

const char *
relais_tlsa_set_base (const RelaisTlsaSet *set)
{
    return set->base;
}

guint
relais_tlsa_set_size (const RelaisTlsaSet *set)
{
    return set->records->len;
}

const RelaisTlsa *
relais_tlsa_set_nth (const RelaisTlsaSet *set, guint n)
{
    return &g_array_index (set->records, RelaisTlsa, n);
}

static int
compare_texts (gconstpointer a, gconstpointer b)
{
    return strcmp (*(const char *const *)a, *(const char *const *)b);
}

const char *
relais_tlsa_set_key (RelaisTlsaSet *set)
{
    g_autoptr (GPtrArray) texts = NULL;
    g_autoptr (GChecksum) sum = NULL;

    if (set->key != NULL)
        return set->key;
    texts = g_ptr_array_new_with_free_func (g_free);
    sum = g_checksum_new (G_CHECKSUM_SHA256);
    for (guint i = 0; i < set->records->len; i++)
        g_ptr_array_add (texts, relais_tlsa_to_string (relais_tlsa_set_nth (set, i)));
    g_ptr_array_sort (texts, compare_texts);
    for (guint i = 0; i < texts->len; i++)
        g_checksum_update (sum, g_ptr_array_index (texts, i), -1);
    set->key = g_strdup_printf ("%s/%s", set->base, g_checksum_get_string (sum));
    return set->key;
}
