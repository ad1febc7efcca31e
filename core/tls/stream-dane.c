/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DANE on a stream: its TLSA records handed to OpenSSL, and what became of the verification. Loop thread only.
 */
#include "config.h"

#include "tls/stream-struct-private.h"

#include <openssl/err.h>

/* A record that OpenSSL cannot use is passed over (0); without any other the handshake must not begin, since it
 * would be checked against the public authorities. */
static bool
add_records (SSL *ssl, const RelaisTlsaSet *set)
{
    guint n = 0;

    for (guint i = 0; i < relais_tlsa_set_size (set); i++) {
        const RelaisTlsa *tlsa = relais_tlsa_set_nth (set, i);
        int added = SSL_dane_tlsa_add (ssl, tlsa->usage, tlsa->selector, tlsa->matching, tlsa->data,
                                       tlsa->size);

        if (added < 0)
            return false;
        n += added > 0 ? 1 : 0;
    }
    ERR_clear_error ();
    return n > 0;
}

bool
relais_stream_apply_tlsa (RelaisStream *stream)
{
    SSL *ssl = stream->ssl;

    SSL_set_verify (ssl, SSL_VERIFY_PEER, NULL);
    if (SSL_dane_enable (ssl, relais_tlsa_set_base (stream->tlsa)) <= 0)
        return false;
    for (char **name = stream->tls_names; name != NULL && *name != NULL; name++)
        if (SSL_add1_host (ssl, *name) != 1)
            return false;
    return add_records (ssl, stream->tlsa);
}

long
relais_stream_verify_code (const RelaisStream *stream)
{
    return stream->ssl != NULL ? SSL_get_verify_result (stream->ssl) : -1;
}

const char *
relais_tls_verify_failure (long code)
{
    switch (code) {
    case -1:
    case X509_V_OK: return NULL;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID: return "certificate-expired";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return "certificate-host-mismatch";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_UNTRUSTED: return "certificate-not-trusted";
    default: return "validation-failure";
    }
}
