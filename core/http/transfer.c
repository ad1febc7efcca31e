/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An easy handle and what it gathers. libcurl never looks up a name: it is told to connect to the
 * address that was looked at (CURLOPT_CONNECT_TO, by which it also tells kept connections apart, so
 * that one is used again for the same address only), and the socket is made here, for that address
 * and no other. Loop thread only.
 */
#include "config.h"

#include "http/transfer-private.h"

#include "conf/net-private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct RelaisTransfer {
    RelaisCurl *curl;
    CURL *easy;
    const RelaisTransferRequest *request;
    struct sockaddr_storage address; /* the one to connect to, with port */
    struct curl_slist *connect_to, *headers;
    GPtrArray *got_headers;
    GByteArray *got_body;
    guint64 header_bytes;
    bool header_ended; /* by an empty line; libcurl takes one that was cut off as it is */
    bool too_large;
    bool shaking; /* a TLS handshake was begun */
    bool stray;   /* libcurl wanted to connect elsewhere */
    char error[CURL_ERROR_SIZE];
};

/* --- Callbacks of libcurl --------------------------------------------------------------------- */

static size_t
on_body (char *bytes, size_t size, size_t n, void *data)
{
    RelaisTransfer *transfer = data;

    if (n > transfer->request->max_bytes - transfer->got_body->len) {
        transfer->too_large = true;
        return 0;
    }
    g_byte_array_append (transfer->got_body, (const guint8 *)bytes, (guint)n);
    return n;
}

/* A line with its end. A status line begins another answer: what came before was 1xx. */
static size_t
on_header (char *bytes, size_t size, size_t n, void *data)
{
    RelaisTransfer *transfer = data;
    gsize end = n;

    transfer->header_bytes += n;
    if (transfer->header_bytes > RELAIS_FETCH_ANSWER_HEADER_BYTES) {
        transfer->too_large = true;
        return 0;
    }
    while (end > 0 && g_ascii_isspace (bytes[end - 1]))
        end--;
    if (end >= 5 && memcmp (bytes, "HTTP/", 5) == 0) {
        g_ptr_array_set_size (transfer->got_headers, 0);
        transfer->header_ended = false;
    } else if (end == 0) {
        transfer->header_ended = true;
    } else if (memchr (bytes, ':', end) != NULL) {
        g_ptr_array_add (transfer->got_headers, g_strndup (bytes, end));
    }
    return n;
}

static bool
is_same_address (const struct sockaddr_storage *wanted, const struct curl_sockaddr *asked)
{
    if (asked->family != wanted->ss_family)
        return false;
    if (asked->family == AF_INET) {
        const struct sockaddr_in *a = (const struct sockaddr_in *)wanted;
        const struct sockaddr_in *b = (const struct sockaddr_in *)&asked->addr;

        return a->sin_addr.s_addr == b->sin_addr.s_addr && a->sin_port == b->sin_port;
    }
    if (asked->family == AF_INET6) {
        const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)wanted;
        const struct sockaddr_in6 *b = (const struct sockaddr_in6 *)&asked->addr;

        return IN6_ARE_ADDR_EQUAL (&a->sin6_addr, &b->sin6_addr) && a->sin6_port == b->sin6_port;
    }
    return false;
}

static curl_socket_t
open_socket (void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
    RelaisTransfer *transfer = data;

    if (purpose != CURLSOCKTYPE_IPCXN || !is_same_address (&transfer->address, address)) {
        transfer->stray = true;
        return CURL_SOCKET_BAD;
    }
    return socket (address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static CURLcode
set_store (CURL *easy, void *context, void *data)
{
    RelaisTransfer *transfer = data;

    transfer->shaking = true;
    SSL_CTX_set1_cert_store (context, relais_curl_store (transfer->curl));
    return CURLE_OK;
}

/* --- Options ---------------------------------------------------------------------------------- */

static void
set_target (RelaisTransfer *transfer)
{
    const RelaisFetchUrl *url = transfer->request->url;
    const struct sockaddr *address = (const struct sockaddr *)&transfer->address;
    char host[INET6_ADDRSTRLEN] = "";
    g_autofree char *to = NULL;

    if (address->sa_family == AF_INET6)
        inet_ntop (AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, host, sizeof host);
    else
        inet_ntop (AF_INET, &((const struct sockaddr_in *)address)->sin_addr, host, sizeof host);
    to =
        g_strdup_printf (address->sa_family == AF_INET6 ? "::[%s]:%u" : "::%s:%u", host, url->port);
    transfer->connect_to = curl_slist_append (NULL, to);
    (void)curl_easy_setopt (transfer->easy, CURLOPT_URL, url->url);
    (void)curl_easy_setopt (transfer->easy, CURLOPT_CONNECT_TO, transfer->connect_to);
    (void)curl_easy_setopt (transfer->easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    (void)curl_easy_setopt (transfer->easy, CURLOPT_OPENSOCKETDATA, transfer);
}

static void
set_guards (RelaisTransfer *transfer)
{
    CURL *easy = transfer->easy;

    (void)curl_easy_setopt (easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt (easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt (easy, CURLOPT_PROXY, "");
    (void)curl_easy_setopt (easy, CURLOPT_NOPROXY, "*");
    (void)curl_easy_setopt (easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    (void)curl_easy_setopt (easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt (easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt (easy, CURLOPT_HTTP09_ALLOWED, 0L);
    (void)curl_easy_setopt (easy, CURLOPT_CONNECTTIMEOUT_MS,
                            (long)MAX (1, transfer->request->connect_us / 1000));
    (void)curl_easy_setopt (easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    (void)curl_easy_setopt (easy, CURLOPT_SSL_VERIFYPEER, 1L);
    (void)curl_easy_setopt (easy, CURLOPT_SSL_VERIFYHOST, 2L);
    (void)curl_easy_setopt (easy, CURLOPT_CAINFO, NULL);
    (void)curl_easy_setopt (easy, CURLOPT_CAPATH, NULL);
    (void)curl_easy_setopt (easy, CURLOPT_SSL_CTX_FUNCTION, set_store);
    (void)curl_easy_setopt (easy, CURLOPT_SSL_CTX_DATA, transfer);
    if (transfer->request->fresh) {
        (void)curl_easy_setopt (easy, CURLOPT_FRESH_CONNECT, 1L);
        (void)curl_easy_setopt (easy, CURLOPT_FORBID_REUSE, 1L);
        (void)curl_easy_setopt (easy, CURLOPT_CERTINFO, 1L);
    }
}

static void
set_headers (RelaisTransfer *transfer)
{
    const char *const *headers = transfer->request->headers;
    bool typed = false;

    /* No waiting for a 100 that hardly any server sends. */
    transfer->headers = curl_slist_append (NULL, "Expect:");
    for (; headers != NULL && *headers != NULL; headers++) {
        g_autofree char *line = g_strchomp (g_strdup (*headers));
        gsize size = strlen (line);

        /* libcurl's way to say that a field is there and empty. */
        if (line[size - 1] == ':')
            line[size - 1] = ';';
        typed |= g_ascii_strncasecmp (line, "content-type", strlen ("content-type")) == 0;
        transfer->headers = curl_slist_append (transfer->headers, line);
    }
    if (!typed) /* libcurl's guess would be a form */
        transfer->headers = curl_slist_append (transfer->headers, "Content-Type:");
    (void)curl_easy_setopt (transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
    (void)curl_easy_setopt (transfer->easy, CURLOPT_USERAGENT, "Relais/" PACKAGE_VERSION_STRING);
}

static void
set_body (RelaisTransfer *transfer)
{
    const char *method = transfer->request->method;
    GBytes *body = transfer->request->body;
    gsize size = 0;
    const void *bytes = body != NULL ? g_bytes_get_data (body, &size) : NULL;

    if (strcmp (method, "HEAD") == 0)
        (void)curl_easy_setopt (transfer->easy, CURLOPT_NOBODY, 1L);
    if (body != NULL || (strcmp (method, "GET") != 0 && strcmp (method, "HEAD") != 0 &&
                         strcmp (method, "DELETE") != 0)) {
        (void)curl_easy_setopt (transfer->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
        (void)curl_easy_setopt (transfer->easy, CURLOPT_POSTFIELDS, bytes != NULL ? bytes : "");
    }
    (void)curl_easy_setopt (transfer->easy, CURLOPT_CUSTOMREQUEST, method);
}

static void
set_answer (RelaisTransfer *transfer)
{
    (void)curl_easy_setopt (transfer->easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt (transfer->easy, CURLOPT_WRITEDATA, transfer);
    (void)curl_easy_setopt (transfer->easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt (transfer->easy, CURLOPT_HEADERDATA, transfer);
    if (strcmp (transfer->request->method, "HEAD") != 0)
        (void)curl_easy_setopt (transfer->easy, CURLOPT_MAXFILESIZE_LARGE,
                                (curl_off_t)transfer->request->max_bytes);
    (void)curl_easy_setopt (transfer->easy, CURLOPT_ERRORBUFFER, transfer->error);
}

/* --- Life ------------------------------------------------------------------------------------- */

RelaisTransfer *
relais_transfer_new (RelaisCurl *curl, const RelaisTransferRequest *request,
                     const struct sockaddr_storage *address, gpointer data)
{
    RelaisTransfer *transfer = g_new0 (RelaisTransfer, 1);

    transfer->curl = curl;
    transfer->request = request;
    transfer->address = *address;
    if (address->ss_family == AF_INET)
        ((struct sockaddr_in *)&transfer->address)->sin_port = g_htons (request->url->port);
    else
        ((struct sockaddr_in6 *)&transfer->address)->sin6_port = g_htons (request->url->port);
    transfer->got_headers = g_ptr_array_new_with_free_func (g_free);
    transfer->got_body = g_byte_array_new ();
    transfer->easy = curl_easy_init ();
    if (transfer->easy != NULL) {
        (void)curl_easy_setopt (transfer->easy, CURLOPT_PRIVATE, data);
        set_target (transfer);
        set_guards (transfer);
        set_headers (transfer);
        set_body (transfer);
        set_answer (transfer);
    }
    if (transfer->easy == NULL || !relais_curl_add (curl, transfer->easy))
        g_clear_pointer (&transfer, relais_transfer_free);
    return transfer;
}

void
relais_transfer_free (RelaisTransfer *transfer)
{
    if (transfer == NULL)
        return;
    if (transfer->easy != NULL) {
        relais_curl_remove (transfer->curl, transfer->easy);
        curl_easy_cleanup (transfer->easy);
    }
    curl_slist_free_all (transfer->connect_to);
    curl_slist_free_all (transfer->headers);
    g_ptr_array_unref (transfer->got_headers);
    g_byte_array_unref (transfer->got_body);
    g_free (transfer);
}

RelaisFetchStep
relais_transfer_reached (const RelaisTransfer *transfer)
{
    curl_off_t connected = 0, sending = 0;

    (void)curl_easy_getinfo (transfer->easy, CURLINFO_CONNECT_TIME_T, &connected);
    (void)curl_easy_getinfo (transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &sending);
    if (sending > 0 || transfer->header_bytes > 0)
        return RELAIS_FETCH_STEP_REQUEST;
    if (transfer->shaking)
        return RELAIS_FETCH_STEP_TLS;
    return connected > 0 && !transfer->request->url->tls ? RELAIS_FETCH_STEP_REQUEST
                                                         : RELAIS_FETCH_STEP_CONNECT;
}

/* --- What it means ---------------------------------------------------------------------------- */

void
relais_transfer_answer_clear (RelaisTransferAnswer *answer)
{
    g_clear_pointer (&answer->headers, g_strfreev);
    g_clear_pointer (&answer->body, g_bytes_unref);
    g_clear_pointer (&answer->text, g_free);
}

static RelaisFetchOutcome
outcome_of (const RelaisTransfer *transfer, CURLcode code)
{
    if (transfer->too_large)
        return RELAIS_FETCH_TOO_LARGE;
    if (transfer->stray)
        return RELAIS_FETCH_REFUSED_ADDRESS;
    switch ((int)code) {
    case CURLE_OK: return transfer->header_ended ? RELAIS_FETCH_OK : RELAIS_FETCH_PROTOCOL;
    case CURLE_FILESIZE_EXCEEDED: return RELAIS_FETCH_TOO_LARGE;
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST: return RELAIS_FETCH_CONNECT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS: return RELAIS_FETCH_TLS;
    case CURLE_OPERATION_TIMEDOUT:
        return relais_transfer_reached (transfer) == RELAIS_FETCH_STEP_TLS ? RELAIS_FETCH_TLS
                                                                           : RELAIS_FETCH_CONNECT;
    default: return RELAIS_FETCH_PROTOCOL;
    }
}

static char *
tls_text (const RelaisTransfer *transfer, CURLcode code)
{
    const char *host = transfer->request->url->host;
    long verified = X509_V_OK;

    (void)curl_easy_getinfo (transfer->easy, CURLINFO_SSL_VERIFYRESULT, &verified);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return g_strdup ("the TLS handshake was not done in time");
    if (code != CURLE_PEER_FAILED_VERIFICATION)
        return g_strdup_printf ("the TLS handshake failed: %s", transfer->error);
    switch (verified) {
    case X509_V_OK:
    case X509_V_ERR_UNSPECIFIED: /* libcurl's, while it has not come to the chain's verdict */
    case X509_V_ERR_HOSTNAME_MISMATCH:
        return g_strdup_printf ("the certificate is for another name than %s", host);
    case X509_V_ERR_CERT_HAS_EXPIRED: return g_strdup ("the certificate has expired");
    case X509_V_ERR_CERT_NOT_YET_VALID: return g_strdup ("the certificate is not valid yet");
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return g_strdup ("the certificate is self-signed");
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        return g_strdup ("the certificate's chain ends in an authority that is not trusted");
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return g_strdup ("the certificate's chain is incomplete, or its authority is not trusted");
    default:
        return g_strdup_printf ("the certificate is not good: %s",
                                X509_verify_cert_error_string (verified));
    }
}

static char *
connect_text (const RelaisTransfer *transfer, CURLcode code)
{
    long number = 0;

    (void)curl_easy_getinfo (transfer->easy, CURLINFO_OS_ERRNO, &number);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return g_strdup ("no connection in time");
    return g_strdup (number > 0 ? g_strerror ((int)number) : "no connection");
}

static char *
protocol_text (const RelaisTransfer *transfer, CURLcode code)
{
    switch ((int)code) {
    case CURLE_OK:
    case CURLE_PARTIAL_FILE: return g_strdup ("the answer was cut short");
    case CURLE_GOT_NOTHING: return g_strdup ("the server closed the connection without an answer");
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY: return g_strdup ("the answer is no HTTP");
    default:
        return g_strdup (transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror (code));
    }
}

static char *
text_of (const RelaisTransfer *transfer, RelaisFetchOutcome outcome, CURLcode code)
{
    switch (outcome) {
    case RELAIS_FETCH_OK: return NULL;
    case RELAIS_FETCH_TOO_LARGE: return g_strdup ("the answer is larger than what was allowed");
    case RELAIS_FETCH_REFUSED_ADDRESS: return g_strdup ("another address than the one looked up");
    case RELAIS_FETCH_TLS: return tls_text (transfer, code);
    case RELAIS_FETCH_CONNECT: return connect_text (transfer, code);
    default: return protocol_text (transfer, code);
    }
}

/* The end of the first certificate's life, from its PEM form: the same whatever libcurl prints. */
static gint64
certificate_end (const char *pem)
{
    BIO *bio = BIO_new_mem_buf (pem, -1);
    X509 *certificate = bio != NULL ? PEM_read_bio_X509 (bio, NULL, NULL, NULL) : NULL;
    struct tm end = {0};
    gint64 end_us = 0;

    if (certificate != NULL && ASN1_TIME_to_tm (X509_get0_notAfter (certificate), &end) == 1)
        end_us = (gint64)timegm (&end) * RELAIS_USEC_PER_SEC;
    X509_free (certificate);
    BIO_free (bio);
    ERR_clear_error ();
    return end_us;
}

static gint64
certificate_expires (const RelaisTransfer *transfer)
{
    struct curl_certinfo *info = NULL;

    if (curl_easy_getinfo (transfer->easy, CURLINFO_CERTINFO, &info) != CURLE_OK || info == NULL ||
        info->num_of_certs < 1)
        return 0;
    for (const struct curl_slist *item = info->certinfo[0]; item != NULL; item = item->next)
        if (g_str_has_prefix (item->data, "Cert:"))
            return certificate_end (item->data + strlen ("Cert:"));
    return 0;
}

void
relais_transfer_take (RelaisTransfer *transfer, CURLcode code, RelaisTransferAnswer *answer)
{
    RelaisFetchOutcome outcome = outcome_of (transfer, code);
    long status = 0;

    *answer = (RelaisTransferAnswer){.outcome = outcome,
                                     .reached = relais_transfer_reached (transfer),
                                     .text = text_of (transfer, outcome, code),
                                     .certificate_expires_us = certificate_expires (transfer)};
    if (outcome != RELAIS_FETCH_OK)
        return;
    (void)curl_easy_getinfo (transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    answer->status = (guint)status;
    g_ptr_array_add (transfer->got_headers, NULL);
    answer->headers = (char **)g_ptr_array_free (g_steal_pointer (&transfer->got_headers), FALSE);
    transfer->got_headers = g_ptr_array_new ();
    answer->body = g_byte_array_free_to_bytes (g_steal_pointer (&transfer->got_body));
    transfer->got_body = g_byte_array_new ();
}
