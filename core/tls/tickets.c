/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Keys of session tickets. See the header.
 */
#include "config.h"

#include "tls/tickets-private.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

enum { NAME_BYTES = 16, SECRET_BYTES = 32, NEVER = -1 };

typedef struct {
    guint8 name[NAME_BYTES]; /* stands in the ticket in clear */
    guint8 cipher[SECRET_BYTES], mac[SECRET_BYTES];
} Key;

struct RelaisTicketKeys {
    Key newest, last;
    bool has_last;
    gint64 since_us; /* of the newest; NEVER until it is known */
};

/* --- Life ------------------------------------------------------------------------------------- */

static bool
make_key (Key *key)
{
    return RAND_bytes (key->name, sizeof key->name) == 1 &&
           RAND_priv_bytes (key->cipher, sizeof key->cipher) == 1 &&
           RAND_priv_bytes (key->mac, sizeof key->mac) == 1;
}

RelaisTicketKeys *
relais_ticket_keys_new (void)
{
    RelaisTicketKeys *keys = g_new0 (RelaisTicketKeys, 1);

    keys->since_us = NEVER;
    if (!make_key (&keys->newest))
        g_clear_pointer (&keys, relais_ticket_keys_free);
    return keys;
}

void
relais_ticket_keys_free (RelaisTicketKeys *keys)
{
    if (keys == NULL)
        return;
    OPENSSL_cleanse (keys, sizeof *keys);
    g_free (keys);
}

bool
relais_ticket_keys_turn (RelaisTicketKeys *keys, gint64 now_us, gint64 age_us)
{
    gint64 passed_us;
    Key next;

    if (keys->since_us == NEVER)
        keys->since_us = now_us;
    passed_us = now_us - keys->since_us;
    if (passed_us < age_us || !make_key (&next))
        return false;
    keys->last = keys->newest;
    keys->has_last = passed_us / 2 < age_us; /* else it should have gone by now */
    if (!keys->has_last)
        OPENSSL_cleanse (&keys->last, sizeof keys->last);
    keys->newest = next;
    keys->since_us = now_us;
    OPENSSL_cleanse (&next, sizeof next);
    return true;
}

/* --- Sealing and opening ---------------------------------------------------------------------- */

static bool
set_mac (EVP_MAC_CTX *mac, Key *key)
{
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string (OSSL_MAC_PARAM_KEY, key->mac, sizeof key->mac),
        OSSL_PARAM_construct_utf8_string (OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end ()};

    return EVP_MAC_CTX_set_params (mac, parameters) == 1;
}

/* 1: done; 0: no ticket; -1: the handshake fails. */
static int
seal (Key *key, guint8 *name, guint8 *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    const EVP_CIPHER *kind = EVP_aes_256_cbc ();

    memcpy (name, key->name, sizeof key->name);
    return RAND_bytes (iv, EVP_CIPHER_get_iv_length (kind)) == 1 &&
                   EVP_EncryptInit_ex (cipher, kind, NULL, key->cipher, iv) == 1 &&
                   set_mac (mac, key)
               ? 1
               : -1;
}

static bool
open_with (Key *key, const guint8 *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    return EVP_DecryptInit_ex (cipher, EVP_aes_256_cbc (), NULL, key->cipher, iv) == 1 &&
           set_mac (mac, key);
}

/* As SSL_CTX_set_tlsext_ticket_key_evp_cb(3) has it. 1: good; 2: good, and a new ticket is due, as always in
 * TLS 1.3, whose clients use one once (RFC 8446 appendix C.4). */
static int
on_ticket (SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
           EVP_MAC_CTX *mac, int sealing)
{
    RelaisTicketKeys *keys = SSL_CTX_get_app_data (SSL_get_SSL_CTX (ssl));
    bool renew = SSL_version (ssl) >= TLS1_3_VERSION;
    Key *key = &keys->newest;

    if (sealing)
        return seal (key, name, iv, cipher, mac);
    if (memcmp (name, key->name, NAME_BYTES) != 0) {
        key = &keys->last;
        renew = true;
        if (!keys->has_last || memcmp (name, key->name, NAME_BYTES) != 0)
            return 0;
    }
    if (!open_with (key, iv, cipher, mac))
        return -1;
    return renew ? 2 : 1;
}

void
relais_ticket_keys_install (RelaisTicketKeys *keys, SSL_CTX *native)
{
    SSL_CTX_set_app_data (native, keys);
    SSL_CTX_set_tlsext_ticket_key_evp_cb (native, on_ticket);
}
