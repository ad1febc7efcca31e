/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A server on loopback, and clients for it. One thread: a client that waits turns the loop.
 */
#include "config.h"

#include "server-bed.h"

#include "smtp/scram-private.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const gint64 PATIENCE_US = 20 * RELAIS_USEC_PER_SEC;

RelaisSuppression *(*bed_suppression) (RelaisLoop *loop);

/* --- The bed ------------------------------------------------------------------------------------ */

static gint64
skewed_wall (const RelaisClock *self)
{
    return g_get_real_time () + ((const Bed *)self)->skew_us;
}

static gint64
skewed_mono (const RelaisClock *self)
{
    return g_get_monotonic_time () + ((const Bed *)self)->skew_us;
}

static void
note_accepted (gpointer data, RelaisMessage *message)
{
    g_ptr_array_add (((Bed *)data)->accepted, relais_message_ref (message));
}

static void
write_certificate (const char *dir, const char *file_name, const char *host)
{
    g_autofree char *path = g_build_filename (dir, file_name, NULL);
    EVP_PKEY *key = EVP_EC_gen ("P-256");
    X509 *x509 = X509_new ();
    X509_NAME *name = X509_get_subject_name (x509);
    FILE *file = g_fopen (path, "we");

    X509_set_version (x509, 2);
    ASN1_INTEGER_set (X509_get_serialNumber (x509), 1);
    X509_gmtime_adj (X509_getm_notBefore (x509), -3600);
    X509_gmtime_adj (X509_getm_notAfter (x509), 86400);
    X509_set_pubkey (x509, key);
    X509_NAME_add_entry_by_txt (name, "CN", MBSTRING_ASC, (const guchar *)host, -1, -1, 0);
    X509_set_issuer_name (x509, name);
    g_assert_cmpint (X509_sign (x509, key, EVP_sha256 ()), >, 0);
    g_assert_cmpint (PEM_write_PrivateKey (file, key, NULL, NULL, 0, NULL, NULL), ==, 1);
    g_assert_cmpint (PEM_write_X509 (file, x509), ==, 1);
    g_assert_cmpint (fclose (file), ==, 0);
    X509_free (x509);
    EVP_PKEY_free (key);
}

void
bed_write_certificate (Bed *bed, const char *file_name, const char *host)
{
    write_certificate (bed->dir, file_name, host);
}

static RelaisConfig *
read_conf (const char *dir, const char *conf)
{
    g_autofree char *folder = g_build_filename (dir, "conf", NULL);
    g_autofree char *file = g_build_filename (folder, "test.conf", NULL);
    g_autofree char *text = g_strdup_printf ("[relais]\nhostname = mx.test\nspool_dir = %s/spool\n"
                                             "log_dir = %s/log\nusers_file = %s/users\n%s",
                                             dir, dir, dir, conf);
    GString *placed = g_string_new (text);
    const char *dirs[] = {folder, NULL};
    g_autoptr (GPtrArray) findings = relais_config_findings_new ();
    RelaisSchema *schema = relais_schema_new ();
    RelaisConfig *config;

    g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
    g_string_replace (placed, "@DIR@", dir, 0);
    g_assert_true (g_file_set_contents (file, placed->str, -1, NULL));
    g_string_free (placed, TRUE);
    config = relais_config_read (schema, dirs, findings);
    for (guint i = 0; i < findings->len; i++) {
        g_autofree char *finding =
            relais_config_finding_to_string (g_ptr_array_index (findings, i));

        g_test_message ("%s", finding);
    }
    relais_schema_free (schema);
    return config;
}

static void
open_spool (Bed *bed)
{
    g_autofree char *spool = g_build_filename (bed->dir, "spool", NULL);
    g_autofree char *log = g_build_filename (bed->dir, "log", NULL);
    const gint64 min_free = relais_section_get_int (
        relais_config_find_section (bed->config, "spool", NULL), "min_free");
    const RelaisSpoolOptions options = {.dir = spool,
                                        .segment_bytes = 4 << 20,
                                        .hot_memory_bytes = 64 << 20,
                                        .receive_memory_bytes = 64 << 20,
                                        .min_free_bytes = min_free > 0 ? (guint64)min_free : 1,
                                        .min_free_inodes = 1};
    GError *error = NULL;

    g_assert_cmpint (g_mkdir (log, 0700), ==, 0);
    bed->events = relais_event_log_open (log, bed->loop, &error);
    g_assert_no_error (error);
    bed->spool = relais_spool_open (&options, bed->loop, bed->pool, bed->events, &error);
    g_assert_no_error (error);
}

static void
open_server (Bed *bed)
{
    const RelaisHostOptions host_options = {
        .loop = bed->loop, .pool = bed->pool, .program = "test"};
    RelaisSmtpServerOptions options = {
        .loop = bed->loop,
        .spool = bed->spool,
        .auth_pool = bed->auth_pool,
        .suppression = bed_suppression != NULL ? bed_suppression (bed->loop) : NULL,
        .accepted = note_accepted,
        .data = bed};
    GError *error = NULL;

    bed->host = relais_host_new (&host_options);
    g_assert_true (relais_host_init (bed->host, bed->config, &error));
    options.host = bed->host;
    bed->server = relais_smtp_server_new (&options, bed->config, &error);
    g_assert_no_error (error);
}

Bed *
bed_new (const char *conf)
{
    Bed *bed = g_new0 (Bed, 1);

    bed->clock = (RelaisClock){skewed_wall, skewed_mono};
    bed->dir = g_dir_make_tmp ("relais-smtp-XXXXXX", NULL);
    bed->accepted = g_ptr_array_new_with_free_func ((GDestroyNotify)relais_message_unref);
    bed->loop = relais_loop_new (&bed->clock, NULL);
    relais_loop_set_observer (bed->loop, &(RelaisLoopObserver){.jobs = &bed->jobs});
    bed->pool = relais_pool_new (bed->loop, "test", 2, 1000);
    bed->auth_pool = relais_pool_new (bed->loop, "test-auth", 1, 2);
    write_certificate (bed->dir, "tls.pem", "mx.test");
    write_certificate (bed->dir, "other.pem", "other.test");
    bed->config = read_conf (bed->dir, conf);
    g_assert_nonnull (bed->config);
    open_spool (bed);
    open_server (bed);
    return bed;
}

static void
change_user (Bed *bed, RelaisUsersChange change, const char *name, RelaisUser *user)
{
    g_autofree char *path = g_build_filename (bed->dir, "users", NULL);
    GError *error = NULL;

    relais_users_change (path, change, name, user, NULL, &error);
    g_assert_no_error (error);
    relais_user_unref (user);
}

void
bed_set_user (Bed *bed, RelaisUsersChange change, const char *name, const char *password,
              const char *tenant)
{
    g_autofree char *hash = password != NULL ? relais_users_hash (password, NULL) : NULL;

    change_user (bed, change, name,
                 hash != NULL ? relais_user_new (name, hash, tenant, 0, NULL) : NULL);
}

void
bed_add_scram_user (Bed *bed, const char *name, const char *password)
{
    g_autofree char *hash = relais_users_hash (password, NULL);
    g_autofree char *scram = relais_scram_hash (password, NULL);

    change_user (bed, RELAIS_USERS_ADD, name, relais_user_new (name, hash, NULL, 0, scram));
}

static void
remove_tree (const char *path)
{
    GDir *dir = g_dir_open (path, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
        g_autofree char *below = g_build_filename (path, name, NULL);

        remove_tree (below);
    }
    g_clear_pointer (&dir, g_dir_close);
    g_remove (path);
}

void
bed_free (Bed *bed)
{
    g_clear_pointer (&bed->server, relais_smtp_server_free);
    bed_settle (bed);
    relais_pool_free (bed->auth_pool);
    g_ptr_array_unref (bed->accepted);
    relais_spool_close (bed->spool);
    relais_host_free (bed->host);
    relais_event_log_close (bed->events);
    relais_pool_free (bed->pool);
    relais_config_unref (bed->config);
    bed_settle (bed);
    relais_loop_free (bed->loop);
    remove_tree (bed->dir);
    g_free (bed->dir);
    g_free (bed);
}

/* On a busy machine a worker, or the spool, may not even have begun while nothing happens here. */
static bool
is_at_work (Bed *bed)
{
    RelaisSmtpServerFigures figures = {0};

    if (bed->server != NULL)
        relais_smtp_server_figures (bed->server, &figures);
    return figures.commits > 0 || g_atomic_int_get (&bed->jobs) > 0;
}

void
bed_settle (Bed *bed)
{
    const gint64 until = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;

    for (int quiet = 0; quiet < 10;) {
        g_assert_cmpint (g_get_monotonic_time (), <, until);
        if (relais_loop_turn (bed->loop, false)) {
            quiet = 0;
            continue;
        }
        quiet = is_at_work (bed) ? 0 : quiet + 1;
        g_usleep (500);
    }
}

RelaisMessage *
bed_message (Bed *bed, guint n)
{
    g_assert_cmpuint (n, <, bed->accepted->len);
    return g_ptr_array_index (bed->accepted, n);
}

char *
bed_text (Bed *bed, guint n)
{
    g_autoptr (RelaisRope) rope = relais_rope_new_message (bed_message (bed, n));
    const gsize size = (gsize)relais_rope_size (rope);
    char *text = g_malloc (size + 1);
    gsize got = 0;

    while (got < size) {
        gssize now = relais_rope_read (rope, got, text + got, size - got, NULL);

        g_assert_cmpint (now, >, 0);
        got += (gsize)now;
    }
    text[size] = '\0';
    return text;
}

/* --- Clients ------------------------------------------------------------------------------------ */

struct Peer {
    Bed *bed;
    int fd;
    SSL_CTX *context;
    SSL *ssl;
    GString *got;
    bool closed;
    bool cleared; /* it had TLS, and goes on without */
};

Peer *
peer_new (Bed *bed, guint listener)
{
    const char *name = relais_smtp_server_listener (bed->server, listener, NULL);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    Peer *peer = g_new0 (Peer, 1);
    const char *port;

    g_assert_nonnull (name);
    port = strrchr (name, ':') + 1;
    to.sin_port = htons ((guint16)g_ascii_strtoull (port, NULL, 10));
    peer->bed = bed;
    peer->got = g_string_new (NULL);
    peer->fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint (connect (peer->fd, (struct sockaddr *)&to, sizeof to), ==, 0);
    (void)fcntl (peer->fd, F_SETFL, O_NONBLOCK);
    return peer;
}

void
peer_free (Peer *peer)
{
    g_clear_pointer (&peer->ssl, SSL_free);
    g_clear_pointer (&peer->context, SSL_CTX_free);
    close (peer->fd);
    g_string_free (peer->got, TRUE);
    g_free (peer);
}

static void
turn (Peer *peer)
{
    if (!relais_loop_turn (peer->bed->loop, false))
        g_usleep (100);
}

static gssize
write_some (Peer *peer, const char *bytes, gsize size)
{
    if (peer->ssl != NULL)
        return SSL_write (peer->ssl, bytes, (int)size);
    return send (peer->fd, bytes, size, MSG_NOSIGNAL);
}

void
peer_send (Peer *peer, const char *bytes, gsize size)
{
    const gint64 until = g_get_monotonic_time () + PATIENCE_US;

    while (size > 0 && !peer->closed) {
        const gssize n = write_some (peer, bytes, size);

        if (n > 0) {
            bytes += n;
            size -= (gsize)n;
        } else if (peer->ssl == NULL && errno != EAGAIN)
            return; /* the server was first to close; what it said can still be read */
        turn (peer);
        g_assert_cmpint (g_get_monotonic_time (), <, until);
    }
}

void
peer_shut (Peer *peer)
{
    shutdown (peer->fd, SHUT_WR);
}

static void
read_some (Peer *peer)
{
    char bytes[65536];
    gssize n;

    if (peer->ssl != NULL) {
        n = SSL_read (peer->ssl, bytes, sizeof bytes);
        peer->closed = n <= 0 && SSL_get_error (peer->ssl, (int)n) != SSL_ERROR_WANT_READ;
    } else {
        n = recv (peer->fd, bytes, sizeof bytes, 0);
        peer->closed = n == 0 || (n < 0 && errno != EAGAIN);
    }
    if (n > 0)
        g_string_append_len (peer->got, bytes, n);
}

/* Size of the whole reply at the head of what came; 0 if it is not whole. */
static gsize
reply_size (const GString *got)
{
    gsize at = 0;

    for (;;) {
        const char *end = strstr (got->str + at, "\r\n");

        if (end == NULL)
            return 0;
        g_assert_cmpuint ((gsize)(end - got->str) - at, >=, 4);
        if (got->str[at + 3] == ' ')
            return (gsize)(end - got->str) + 2;
        g_assert_cmpint (got->str[at + 3], ==, '-');
        at = (gsize)(end - got->str) + 2;
    }
}

/* The last that TLS says is a record (an alert, or what hides one), and no reply. */
static bool
is_farewell (const Peer *peer)
{
    return peer->cleared && peer->got->len > 0 &&
           (peer->got->str[0] == SSL3_RT_ALERT || peer->got->str[0] == SSL3_RT_APPLICATION_DATA);
}

char *
peer_reply (Peer *peer)
{
    const gint64 until = g_get_monotonic_time () + PATIENCE_US;
    gsize size;
    GString *reply;

    while ((size = is_farewell (peer) ? 0 : reply_size (peer->got)) == 0 && !peer->closed) {
        turn (peer);
        read_some (peer);
        g_assert_cmpint (g_get_monotonic_time (), <, until);
    }
    if (size == 0) {
        g_assert_true (is_farewell (peer) || peer->got->len == 0);
        return NULL;
    }
    reply = g_string_new_len (peer->got->str, (gssize)size - 2);
    g_string_erase (peer->got, 0, (gssize)size);
    g_string_replace (reply, "\r\n", " ", 0);
    return g_string_free (reply, FALSE);
}

static void
expect (Peer *peer, const char *pattern, const char *script)
{
    g_autofree char *reply = peer_reply (peer);
    const bool right = g_str_equal (pattern, "CLOSED")
                           ? reply == NULL
                           : reply != NULL && g_pattern_match_simple (pattern, reply);

    if (!right)
        g_error ("expected \"%s\", got \"%s\" in:\n%s", pattern, reply != NULL ? reply : "(closed)",
                 script);
}

static void
run_line (Peer *peer, const char *line, const char *script)
{
    if (g_str_has_prefix (line, ">> ")) {
        g_autofree char *raw = g_strcompress (line + 3);

        peer_send (peer, raw, strlen (raw));
    } else if (g_str_has_prefix (line, "> ")) {
        g_autofree char *text = g_strconcat (line + 2, "\r\n", NULL);

        peer_send (peer, text, strlen (text));
    } else if (g_str_has_prefix (line, "< "))
        expect (peer, line + 2, script);
    else if (g_str_equal (line, "<CLOSED"))
        expect (peer, "CLOSED", script);
    else
        g_assert_cmpstr (line, ==, "");
}

void
peer_run (Peer *peer, const char *script)
{
    g_auto (GStrv) lines = g_strsplit (script, "\n", -1);

    for (char **line = lines; *line != NULL; line++)
        run_line (peer, *line, script);
}

void
peer_start_tls (Peer *peer)
{
    peer_start_tls_for (peer, NULL);
}

/* `ciphers`: those of TLS 1.2 alone; NULL: whatever OpenSSL has. */
static void
start_tls (Peer *peer, const char *host, const char *ciphers)
{
    const gint64 until = g_get_monotonic_time () + PATIENCE_US;

    peer->context = SSL_CTX_new (TLS_client_method ());
    SSL_CTX_set_mode (peer->context,
                      SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (ciphers != NULL) {
        SSL_CTX_set_max_proto_version (peer->context, TLS1_2_VERSION);
        g_assert_cmpint (SSL_CTX_set_cipher_list (peer->context, ciphers), ==, 1);
    }
    peer->ssl = SSL_new (peer->context);
    SSL_set_fd (peer->ssl, peer->fd);
    if (host != NULL)
        SSL_set_tlsext_host_name (peer->ssl, host);
    while (SSL_connect (peer->ssl) != 1) {
        turn (peer);
        g_assert_cmpint (g_get_monotonic_time (), <, until);
    }
}

void
peer_start_tls_for (Peer *peer, const char *host)
{
    start_tls (peer, host, NULL);
}

void
peer_start_old_tls_for (Peer *peer, const char *host)
{
    start_tls (peer, host, "ECDHE-ECDSA-AES128-SHA256");
}

void
peer_start_tls_behind (Peer *peer, const char *header)
{
    const gsize size = strlen (header);

    g_assert_cmpint (write_some (peer, header, size), ==, (gssize)size); /* without a turn */
    peer_start_tls (peer);
}

/* What goes over the wire once TLS is no more; false if nothing can. */
static bool
send_end (Peer *peer, PeerEnd end)
{
    static const char alert[] = "\x15\x03\x03\x00\x02\x02\x28";
    static const char half[] = "\x17\x03\x03\x01\x00half";
    const struct linger at_once = {.l_onoff = 1};

    switch (end) {
    case PEER_ALERT: peer_send (peer, alert, sizeof alert - 1); return true;
    case PEER_TRUNCATED:
        peer_send (peer, half, sizeof half - 1);
        shutdown (peer->fd, SHUT_WR);
        return false;
    case PEER_RESET:
        (void)setsockopt (peer->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close (peer->fd);
        peer->fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        peer->closed = true;
        return false;
    case PEER_CLEAR:
    case PEER_NOTIFY:
    case PEER_N_ENDS: break;
    }
    return true;
}

void
peer_end_tls (Peer *peer, PeerEnd end)
{
    if (end == PEER_NOTIFY)
        (void)SSL_shutdown (peer->ssl);
    peer->cleared = true;
    SSL_set_quiet_shutdown (peer->ssl, 1);
    g_clear_pointer (&peer->ssl, SSL_free);
    if (send_end (peer, end))
        peer_run (peer, "> NOOP\n> BDAT 0 LAST\n");
    turn (peer);
}

gpointer
peer_tls (Peer *peer)
{
    return peer->ssl;
}

void
bed_run (Bed *bed, const char *script)
{
    Peer *peer = peer_new (bed, 0);

    peer_run (peer, script);
    peer_free (peer);
}

void
bed_run_alone (const char *conf, const char *script)
{
    Bed *bed = bed_new (conf);

    bed_run (bed, script);
    bed_free (bed);
}
