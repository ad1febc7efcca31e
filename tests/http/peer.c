/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The web server for tests. Threads touch the counts and the list of connections under the mutex; what
 * a connection waits in (recv, SSL_read) ends when test_peer_free () shuts its socket down.
 */
#include "config.h"

#include "http/peer.h"

#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct TestPeer {
    const TestPeerAnswer *answers;
    SSL_CTX *tls;
    int fd;
    guint port;
    GThread *thread;
    GMutex mutex;
    GPtrArray *connections; /* Connection; under mutex */
    guint n_requests;       /* under mutex */
    char *last;             /* under mutex */
};

typedef struct {
    TestPeer *peer;
    int fd;
    SSL *ssl;
    GThread *thread;
} Connection;

/* --- Certificates ------------------------------------------------------------------------------- */

typedef struct {
    EVP_PKEY *key;
    X509 *x509;
} Pair;

static void
pair_clear (Pair *pair)
{
    EVP_PKEY_free (pair->key);
    X509_free (pair->x509);
}

static void
add_extension (X509 *x509, int nid, const char *text)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid (NULL, NULL, nid, text);

    X509_add_ext (x509, extension, -1);
    X509_EXTENSION_free (extension);
}

/* Signed by `issuer`, or by itself. */
static Pair
make_pair (const char *name, const char *alternatives, long end_s, const Pair *issuer)
{
    static long serial = 1;
    Pair pair = {EVP_EC_gen ("P-256"), X509_new ()};
    X509_NAME *subject = X509_get_subject_name (pair.x509);

    X509_set_version (pair.x509, 2);
    ASN1_INTEGER_set (X509_get_serialNumber (pair.x509), serial++);
    X509_gmtime_adj (X509_getm_notBefore (pair.x509), -10 * 86400);
    X509_gmtime_adj (X509_getm_notAfter (pair.x509), end_s);
    X509_NAME_add_entry_by_txt (subject, "CN", MBSTRING_ASC, (const guint8 *)name, -1, -1, 0);
    X509_set_issuer_name (pair.x509,
                          X509_get_subject_name (issuer != NULL ? issuer->x509 : pair.x509));
    X509_set_pubkey (pair.x509, pair.key);
    if (alternatives != NULL)
        add_extension (pair.x509, NID_subject_alt_name, alternatives);
    else
        add_extension (pair.x509, NID_basic_constraints, "critical,CA:TRUE");
    g_assert_cmpint (X509_sign (pair.x509, issuer != NULL ? issuer->key : pair.key, EVP_sha256 ()),
                     >, 0);
    return pair;
}

static const Pair *
authority (void)
{
    static Pair pair;

    if (pair.key == NULL)
        pair = make_pair ("Relais tests", NULL, 365 * 86400, NULL);
    return &pair;
}

void
test_peer_write_authority (const char *path)
{
    FILE *file = fopen (path, "we");

    g_assert_nonnull (file);
    PEM_write_X509 (file, authority ()->x509);
    fclose (file);
}

static SSL_CTX *
make_tls (TestPeerKind kind)
{
    static const char names[] = "DNS:localhost.test,DNS:track.test";
    SSL_CTX *tls = SSL_CTX_new (TLS_server_method ());
    Pair stranger = make_pair ("Strangers", NULL, 86400, NULL);
    Pair pair;

    switch (kind) {
    case TEST_PEER_EXPIRED: pair = make_pair ("expired", names, -86400, authority ()); break;
    case TEST_PEER_OTHER_NAME:
        pair = make_pair ("other", "DNS:other.test", 86400, authority ());
        break;
    case TEST_PEER_SELF_SIGNED: pair = make_pair ("self", names, 86400, NULL); break;
    case TEST_PEER_STRANGER: pair = make_pair ("stranger", names, 86400, &stranger); break;
    case TEST_PEER_CLEAR:
    case TEST_PEER_TLS: pair = make_pair ("good", names, 30 * 86400, authority ()); break;
    default: g_assert_not_reached ();
    }
    g_assert_cmpint (SSL_CTX_use_certificate (tls, pair.x509), ==, 1);
    g_assert_cmpint (SSL_CTX_use_PrivateKey (tls, pair.key), ==, 1);
    pair_clear (&pair);
    pair_clear (&stranger);
    return tls;
}

/* --- A connection ------------------------------------------------------------------------------- */

static gssize
get (Connection *connection, char *to, gsize size)
{
    return connection->ssl != NULL ? SSL_read (connection->ssl, to, (int)size)
                                   : recv (connection->fd, to, size, 0);
}

static void
put (Connection *connection, const char *bytes)
{
    gsize size = strlen (bytes);

    while (size > 0) {
        gssize n = connection->ssl != NULL ? SSL_write (connection->ssl, bytes, (int)size)
                                           : send (connection->fd, bytes, size, MSG_NOSIGNAL);

        if (n <= 0)
            return;
        bytes += n;
        size -= (gsize)n;
    }
}

static gsize
body_size (const char *request)
{
    const char *length = strstr (request, "Content-Length: ");

    return length != NULL ? strtoul (length + strlen ("Content-Length: "), NULL, 10) : 0;
}

/* Head and body into `request`; FALSE when the client is gone. */
static gboolean
read_request (Connection *connection, GString *request)
{
    const char *end;
    char bytes[4096];
    gssize n;

    g_string_truncate (request, 0);
    while ((end = strstr (request->str, "\r\n\r\n")) == NULL ||
           request->len < (gsize)(end - request->str) + 4 + body_size (request->str)) {
        n = get (connection, bytes, sizeof bytes);
        if (n <= 0)
            return FALSE;
        g_string_append_len (request, bytes, n);
        if (!g_ascii_isupper (request->str[0])) { /* a TLS handshake that came to the wrong door */
            put (connection, "HTTP/1.1 400 Bad Request\r\n\r\n");
            return FALSE;
        }
    }
    return TRUE;
}

static const TestPeerAnswer *
find_answer (const TestPeer *peer, const char *request)
{
    static const TestPeerAnswer absent = {
        "", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", FALSE};
    g_auto (GStrv) words = g_strsplit (request, " ", 3);

    for (const TestPeerAnswer *answer = peer->answers; answer->path != NULL; answer++)
        if (g_strcmp0 (words[1], answer->path) == 0)
            return answer;
    return &absent;
}

static void
note_request (TestPeer *peer, const char *request)
{
    g_mutex_lock (&peer->mutex);
    peer->n_requests++;
    g_free (peer->last);
    peer->last = g_strdup (request);
    g_mutex_unlock (&peer->mutex);
}

static void
converse (Connection *connection)
{
    g_autoptr (GString) request = g_string_new (NULL);
    const TestPeerAnswer *answer;

    do {
        if (!read_request (connection, request))
            return;
        note_request (connection->peer, request->str);
        answer = find_answer (connection->peer, request->str);
        if (answer->answer == NULL) {
            while (get (connection, (char[1]){0}, 1) > 0)
                continue;
            return;
        }
        put (connection, answer->answer);
    } while (answer->keep_alive);
}

static gpointer
serve_connection (gpointer data)
{
    Connection *connection = data;

    if (connection->ssl == NULL || SSL_accept (connection->ssl) == 1) {
        converse (connection);
        if (connection->ssl != NULL)
            (void)SSL_shutdown (connection->ssl);
    }
    shutdown (connection->fd, SHUT_RDWR);
    return NULL;
}

static void
connection_free (gpointer data)
{
    Connection *connection = data;

    shutdown (connection->fd, SHUT_RDWR);
    g_thread_join (connection->thread);
    SSL_free (connection->ssl);
    close (connection->fd);
    g_free (connection);
}

/* --- The server --------------------------------------------------------------------------------- */

static gpointer
serve (gpointer data)
{
    TestPeer *peer = data;
    int fd;

    while ((fd = accept (peer->fd, NULL, NULL)) >= 0) {
        Connection *connection = g_new0 (Connection, 1);

        *connection = (Connection){.peer = peer, .fd = fd};
        if (peer->tls != NULL) {
            connection->ssl = SSL_new (peer->tls);
            SSL_set_fd (connection->ssl, fd);
        }
        g_mutex_lock (&peer->mutex);
        g_ptr_array_add (peer->connections, connection);
        connection->thread = g_thread_new ("test-web-conn", serve_connection, connection);
        g_mutex_unlock (&peer->mutex);
    }
    return NULL;
}

TestPeer *
test_peer_new (TestPeerKind kind, const TestPeerAnswer *answers)
{
    TestPeer *peer = g_new0 (TestPeer, 1);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = g_htonl (INADDR_LOOPBACK)};
    socklen_t size = sizeof address;

    signal (SIGPIPE, SIG_IGN); /* OpenSSL has no MSG_NOSIGNAL */
    peer->answers = answers;
    peer->connections = g_ptr_array_new_with_free_func (connection_free);
    g_mutex_init (&peer->mutex);
    if (kind != TEST_PEER_CLEAR)
        peer->tls = make_tls (kind);
    peer->fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint (bind (peer->fd, (struct sockaddr *)&address, size), ==, 0);
    g_assert_cmpint (listen (peer->fd, 64), ==, 0);
    g_assert_cmpint (getsockname (peer->fd, (struct sockaddr *)&address, &size), ==, 0);
    peer->port = g_ntohs (address.sin_port);
    peer->thread = g_thread_new ("test-web", serve, peer);
    return peer;
}

void
test_peer_free (TestPeer *peer)
{
    if (peer == NULL)
        return;
    shutdown (peer->fd, SHUT_RDWR);
    g_thread_join (peer->thread);
    close (peer->fd);
    g_ptr_array_unref (peer->connections);
    SSL_CTX_free (peer->tls);
    g_mutex_clear (&peer->mutex);
    g_free (peer->last);
    g_free (peer);
}

guint
test_peer_port (const TestPeer *peer)
{
    return peer->port;
}

guint
test_peer_connections (TestPeer *peer)
{
    guint n;

    g_mutex_lock (&peer->mutex);
    n = peer->connections->len;
    g_mutex_unlock (&peer->mutex);
    return n;
}

guint
test_peer_requests (TestPeer *peer)
{
    guint n;

    g_mutex_lock (&peer->mutex);
    n = peer->n_requests;
    g_mutex_unlock (&peer->mutex);
    return n;
}

char *
test_peer_last_request (TestPeer *peer)
{
    char *last;

    g_mutex_lock (&peer->mutex);
    last = g_strdup (peer->last);
    g_mutex_unlock (&peer->mutex);
    return last;
}
