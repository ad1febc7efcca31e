/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/tls, TLSA records: which ones are read and used, and what a handshake under them comes to: DANE-EE and
 * DANE-TA, right and wrong names, expired certificates, records that do not match. The certificates are made here.
 */
#include "config.h"

#include "tls/stream-private.h"

#include <glib/gstdio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

/* --- Certificates ------------------------------------------------------------------------------- */

typedef struct {
    X509 *x509;
    EVP_PKEY *key;
} Certificate;

typedef struct {
    char *folder;
    Certificate authority, leaf, expired;
    RelaisTlsContext *server, *server_expired;
    RelaisTlsContext *client;
} Fixture;

static Fixture fixture;

static Certificate
make_certificate (const char *cn, const char *san, const Certificate *issuer, long end_s)
{
    Certificate made = {X509_new (), EVP_EC_gen ("P-256")};
    X509_NAME *name = X509_get_subject_name (made.x509);
    X509_EXTENSION *extension;

    X509_set_version (made.x509, 2);
    ASN1_INTEGER_set (X509_get_serialNumber (made.x509), 7);
    X509_gmtime_adj (X509_getm_notBefore (made.x509), -7200);
    X509_gmtime_adj (X509_getm_notAfter (made.x509), end_s);
    X509_NAME_add_entry_by_txt (name, "CN", MBSTRING_ASC, (const guint8 *)cn, -1, -1, 0);
    X509_set_issuer_name (made.x509, issuer != NULL ? X509_get_subject_name (issuer->x509) : name);
    X509_set_pubkey (made.x509, made.key);
    extension = san != NULL
                    ? X509V3_EXT_conf_nid (NULL, NULL, NID_subject_alt_name, san)
                    : X509V3_EXT_conf_nid (NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
    X509_add_ext (made.x509, extension, -1);
    X509_EXTENSION_free (extension);
    g_assert_cmpint (X509_sign (made.x509, issuer != NULL ? issuer->key : made.key, EVP_sha256 ()),
                     >, 0);
    return made;
}

static RelaisTlsContext *
serve (const char *name, const Certificate *leaf, const Certificate *authority)
{
    g_autofree char *chain = g_strdup_printf ("%s/%s.pem", fixture.folder, name);
    g_autofree char *key = g_strdup_printf ("%s/%s.key", fixture.folder, name);
    g_autoptr (GError) error = NULL;
    RelaisTlsContext *context;
    FILE *file = fopen (chain, "we");

    PEM_write_X509 (file, leaf->x509);
    if (authority != NULL)
        PEM_write_X509 (file, authority->x509);
    fclose (file);
    file = fopen (key, "we");
    PEM_write_PrivateKey (file, leaf->key, NULL, NULL, 0, NULL, NULL);
    fclose (file);
    context = relais_tls_context_new_server (chain, key, &error);
    g_assert_no_error (error);
    g_unlink (chain);
    g_unlink (key);
    return context;
}

static void
set_up (void)
{
    fixture.folder = g_dir_make_tmp ("relais-tlsa-XXXXXX", NULL);
    fixture.authority = make_certificate ("authority", NULL, NULL, 86400);
    fixture.leaf = make_certificate ("leaf", "DNS:mx.example.test", &fixture.authority, 86400);
    fixture.expired = make_certificate ("old", "DNS:mx.example.test", &fixture.authority, -3600);
    fixture.server = serve ("leaf", &fixture.leaf, &fixture.authority);
    fixture.server_expired = serve ("expired", &fixture.expired, &fixture.authority);
    fixture.client = relais_tls_context_new_client (false, NULL);
    g_assert_nonnull (fixture.client);
}

static void
tear_down (void)
{
    Certificate *all[] = {&fixture.authority, &fixture.leaf, &fixture.expired};

    for (gsize i = 0; i < G_N_ELEMENTS (all); i++) {
        X509_free (all[i]->x509);
        EVP_PKEY_free (all[i]->key);
    }
    relais_tls_context_unref (fixture.server);
    relais_tls_context_unref (fixture.server_expired);
    relais_tls_context_unref (fixture.client);
    g_rmdir (fixture.folder);
    g_free (fixture.folder);
}

/* The data that a record of this selector and matching type for the certificate has. */
static guint8 *
data_of (const Certificate *certificate, guint8 selector, guint8 matching, gsize *size)
{
    guint8 *whole = NULL, digest[EVP_MAX_MD_SIZE];
    int n = selector == RELAIS_TLSA_CERTIFICATE ? i2d_X509 (certificate->x509, &whole)
                                                : i2d_PUBKEY (certificate->key, &whole);
    unsigned int digest_size = 0;
    guint8 *made;

    g_assert_cmpint (n, >, 0);
    *size = (gsize)n;
    if (matching == RELAIS_TLSA_FULL)
        made = g_memdup2 (whole, *size);
    else {
        EVP_Digest (whole, *size, digest, &digest_size,
                    matching == RELAIS_TLSA_SHA256 ? EVP_sha256 () : EVP_sha512 (), NULL);
        *size = digest_size;
        made = g_memdup2 (digest, digest_size);
    }
    OPENSSL_free (whole);
    return made;
}

/* --- Records ------------------------------------------------------------------------------------ */

static void
test_parse (void)
{
    guint8 rdata[RELAIS_TLSA_DATA_BYTES + 4] = {3, 1, 1, 0xab};
    RelaisTlsa tlsa;
    g_autofree char *text = NULL;

    for (gsize size = 0; size < 4; size++)
        g_assert_false (relais_tlsa_parse (rdata, size, &tlsa));
    g_assert_true (relais_tlsa_parse (rdata, 4, &tlsa));
    g_assert_cmpuint (tlsa.size, ==, 1);
    text = relais_tlsa_to_string (&tlsa);
    g_assert_cmpstr (text, ==, "3 1 1 ab");
    g_assert_true (relais_tlsa_parse (rdata, RELAIS_TLSA_DATA_BYTES + 3, &tlsa));
    g_assert_false (relais_tlsa_parse (rdata, RELAIS_TLSA_DATA_BYTES + 4, &tlsa));
}

static void
test_usable (void)
{
    static const guint8 zeros[65];
    static const struct {
        guint8 usage, selector, matching;
        gsize size;
        bool usable;
    } rows[] = {
        {3, 1, 1, 32, true},    {3, 0, 1, 32, true},  {2, 0, 1, 32, true},  {2, 1, 2, 64, true},
        {3, 1, 2, 64, true},    {0, 0, 1, 32, false}, {1, 1, 1, 32, false}, {4, 1, 1, 32, false},
        {255, 0, 1, 32, false}, {3, 2, 1, 32, false}, {3, 1, 3, 32, false}, {3, 1, 1, 31, false},
        {3, 1, 1, 33, false},   {3, 1, 2, 32, false}, {3, 1, 0, 32, false}, {2, 0, 0, 65, false},
        {3, 1, 2, 65, false},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
        RelaisTlsa tlsa = {rows[i].usage, rows[i].selector, rows[i].matching, zeros, rows[i].size};

        g_assert_true (relais_tlsa_is_usable (&tlsa) == rows[i].usable);
    }
}

/* In full: the whole of it and nothing behind it. */
static void
test_usable_in_full (void)
{
    for (guint8 selector = 0; selector <= 1; selector++) {
        gsize size;
        g_autofree guint8 *data = data_of (&fixture.leaf, selector, RELAIS_TLSA_FULL, &size);
        g_autofree guint8 *longer = g_malloc0 (size + 1);
        RelaisTlsa tlsa = {3, selector, RELAIS_TLSA_FULL, data, size};

        memcpy (longer, data, size);
        g_assert_true (relais_tlsa_is_usable (&tlsa));
        tlsa.selector = (guint8)!selector;
        g_assert_false (relais_tlsa_is_usable (&tlsa));
        tlsa = (RelaisTlsa){3, selector, RELAIS_TLSA_FULL, longer, size + 1};
        g_assert_false (relais_tlsa_is_usable (&tlsa));
        for (tlsa.size = 0; tlsa.size < size; tlsa.size += 7)
            g_assert_false (relais_tlsa_is_usable (&tlsa));
    }
}

static void
test_sets (void)
{
    g_autoptr (RelaisTlsaSet) a = relais_tlsa_set_new ("mx.example.test");
    g_autoptr (RelaisTlsaSet) b = relais_tlsa_set_new ("mx.example.test");
    g_autoptr (RelaisTlsaSet) c = relais_tlsa_set_new ("mx2.example.test");
    guint8 data[32] = {1};
    RelaisTlsa one = {3, 1, 1, data, sizeof data}, other = {2, 1, 1, data, sizeof data};

    relais_tlsa_set_add (a, &one);
    relais_tlsa_set_add (a, &other);
    relais_tlsa_set_add (b, &other);
    g_assert_cmpstr (relais_tlsa_set_key (a), !=, relais_tlsa_set_key (b));
    relais_tlsa_set_add (b, &one);
    relais_tlsa_set_add (c, &one);
    relais_tlsa_set_add (c, &other);
    g_assert_cmpstr (relais_tlsa_set_key (a), !=, relais_tlsa_set_key (c));
    g_assert_cmpstr (relais_tlsa_set_key (a), ==, relais_tlsa_set_key (b));
    for (guint i = 0; i < 2 * RELAIS_TLSA_RECORDS; i++) {
        data[1] = (guint8)i;
        relais_tlsa_set_add (a, &one);
    }
    g_assert_cmpuint (relais_tlsa_set_size (a), ==, RELAIS_TLSA_RECORDS);
}

/* --- Handshakes --------------------------------------------------------------------------------- */

typedef struct {
    int ready;
    GError *error;
} End;

static void
on_input (RelaisStream *stream, gpointer data)
{
    gsize size;

    relais_stream_peek (stream, &size);
    relais_stream_consume (stream, size);
}

static void
on_ready (RelaisStream *stream, const GError *error, gpointer data)
{
    End *end = data;

    end->ready++;
    end->error = error != NULL ? g_error_copy (error) : NULL;
}

static void
on_closed (RelaisStream *stream, const GError *error, gpointer data)
{
}

static const RelaisStreamCallbacks callbacks = {on_input, NULL, on_ready, on_closed};

/* The client's verdict: X509_V_OK if the handshake came through. */
static long
shake (RelaisTlsContext *server_context, RelaisTlsaSet *set, const char *const *names)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    End ends[2] = {{0}};
    const RelaisTlsPeer peer = {.host = "other.example.test", .names = names, .tlsa = set};
    RelaisStream *server, *client;
    int fds[2];
    long code;

    g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    server = relais_stream_new (loop, fds[0], &callbacks, &ends[0], NULL);
    client = relais_stream_new (loop, fds[1], &callbacks, &ends[1], NULL);
    relais_stream_start_tls (server, server_context, NULL);
    g_assert_cmpint (relais_stream_verify_code (client), ==, -1);
    relais_stream_start_tls_to (client, fixture.client, &peer);
    while (relais_loop_turn (loop, false))
        continue;
    g_assert_cmpint (ends[1].ready, ==, 1);
    code = relais_stream_verify_code (client);
    if (code == X509_V_OK)
        g_assert_no_error (ends[1].error);
    else
        g_assert_error (ends[1].error, RELAIS_TLS_ERROR, RELAIS_TLS_ERROR_VERIFY);
    relais_stream_free (server);
    relais_stream_free (client);
    g_clear_error (&ends[0].error);
    g_clear_error (&ends[1].error);
    return code;
}

static void
add (RelaisTlsaSet *set, const Certificate *certificate, guint8 usage, guint8 selector,
     guint8 matching)
{
    gsize size;
    g_autofree guint8 *data = data_of (certificate, selector, matching, &size);
    const RelaisTlsa tlsa = {usage, selector, matching, data, size};

    g_assert_true (relais_tlsa_is_usable (&tlsa));
    relais_tlsa_set_add (set, &tlsa);
}

/* DANE-EE: neither name nor dates count (RFC 7672 section 3.1.1). */
static void
test_end_entity (void)
{
    for (guint8 selector = 0; selector <= 1; selector++)
        for (guint8 matching = 0; matching <= 2; matching++) {
            g_autoptr (RelaisTlsaSet) set = relais_tlsa_set_new ("unrelated.test");
            g_autoptr (RelaisTlsaSet) old = relais_tlsa_set_new ("unrelated.test");

            add (set, &fixture.leaf, RELAIS_TLSA_DANE_EE, selector, matching);
            add (old, &fixture.expired, RELAIS_TLSA_DANE_EE, selector, matching);
            g_assert_cmpint (shake (fixture.server, set, NULL), ==, X509_V_OK);
            g_assert_cmpint (shake (fixture.server_expired, old, NULL), ==, X509_V_OK);
            g_assert_cmpint (shake (fixture.server_expired, set, NULL), ==,
                             X509_V_ERR_DANE_NO_MATCH);
        }
}

/* DANE-TA: names and dates count; the base is one of the names (section 3.1.2). */
static void
test_trust_anchor (void)
{
    static const char *const names[] = {"elsewhere.test", "mx.example.test", NULL};

    for (guint8 selector = 0; selector <= 1; selector++) {
        g_autoptr (RelaisTlsaSet) set = relais_tlsa_set_new ("mx.example.test");
        g_autoptr (RelaisTlsaSet) unnamed = relais_tlsa_set_new ("unrelated.test");

        add (set, &fixture.authority, RELAIS_TLSA_DANE_TA, selector, RELAIS_TLSA_SHA256);
        add (unnamed, &fixture.authority, RELAIS_TLSA_DANE_TA, selector, RELAIS_TLSA_SHA512);
        g_assert_cmpint (shake (fixture.server, set, NULL), ==, X509_V_OK);
        g_assert_cmpint (shake (fixture.server_expired, set, NULL), ==,
                         X509_V_ERR_CERT_HAS_EXPIRED);
        g_assert_cmpint (shake (fixture.server, unnamed, NULL), ==, X509_V_ERR_HOSTNAME_MISMATCH);
        g_assert_cmpint (shake (fixture.server, unnamed, names), ==, X509_V_OK);
    }
}

/* One record that matches is enough: a key is rolled over with both published. */
static void
test_rollover (void)
{
    g_autoptr (RelaisTlsaSet) set = relais_tlsa_set_new ("mx.example.test");

    add (set, &fixture.expired, RELAIS_TLSA_DANE_EE, RELAIS_TLSA_KEY, RELAIS_TLSA_SHA256);
    g_assert_cmpint (shake (fixture.server, set, NULL), ==, X509_V_ERR_DANE_NO_MATCH);
    add (set, &fixture.leaf, RELAIS_TLSA_DANE_EE, RELAIS_TLSA_KEY, RELAIS_TLSA_SHA256);
    g_assert_cmpint (shake (fixture.server, set, NULL), ==, X509_V_OK);
}

int
main (int argc, char **argv)
{
    int status;

    signal (SIGPIPE, SIG_IGN);
    g_test_init (&argc, &argv, NULL);
    set_up ();
    g_test_add_func ("/tls/tlsa/parse", test_parse);
    g_test_add_func ("/tls/tlsa/usable", test_usable);
    g_test_add_func ("/tls/tlsa/usable-in-full", test_usable_in_full);
    g_test_add_func ("/tls/tlsa/sets", test_sets);
    g_test_add_func ("/tls/tlsa/end-entity", test_end_entity);
    g_test_add_func ("/tls/tlsa/trust-anchor", test_trust_anchor);
    g_test_add_func ("/tls/tlsa/rollover", test_rollover);
    status = g_test_run ();
    tear_down ();
    return status;
}
