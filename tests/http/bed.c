/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A front on loopback, and clients for it. One thread.
 */
#include "config.h"

#include "bed.h"

#include "conf/net-private.h"
#include "tls/stream-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const gint64 PATIENCE_US = 20 * RELAIS_USEC_PER_SEC;

/* --- The bed ------------------------------------------------------------------------------------ */

static gint64
test_wall (const RelaisClock *self)
{
    return RELAIS_USEC_PER_SEC * 1700000000 + ((const Bed *)self)->now_us;
}

static gint64
test_mono (const RelaisClock *self)
{
    return ((const Bed *)self)->now_us;
}

/* One file with a key and a certificate for it. */
static void
write_certificate (const char *dir)
{
    g_autofree char *path = g_build_filename (dir, "tls.pem", NULL);
    EVP_PKEY *key = EVP_EC_gen ("P-256");
    X509 *x509 = X509_new ();
    X509_NAME *name = X509_get_subject_name (x509);
    FILE *file = g_fopen (path, "we");

    X509_set_version (x509, 2);
    ASN1_INTEGER_set (X509_get_serialNumber (x509), 1);
    X509_gmtime_adj (X509_getm_notBefore (x509), -3600);
    X509_gmtime_adj (X509_getm_notAfter (x509), 86400);
    X509_set_pubkey (x509, key);
    X509_NAME_add_entry_by_txt (name, "CN", MBSTRING_ASC, (const guchar *)"track.test", -1, -1, 0);
    X509_set_issuer_name (x509, name);
    g_assert_cmpint (X509_sign (x509, key, EVP_sha256 ()), >, 0);
    g_assert_cmpint (PEM_write_PrivateKey (file, key, NULL, NULL, 0, NULL, NULL), ==, 1);
    g_assert_cmpint (PEM_write_X509 (file, x509), ==, 1);
    g_assert_cmpint (fclose (file), ==, 0);
    X509_free (x509);
    EVP_PKEY_free (key);
}

RelaisConfig *
bed_read_conf (const char *dir, const char *conf)
{
    g_autofree char *folder = g_build_filename (dir, "conf", NULL);
    g_autofree char *file = g_build_filename (folder, "test.conf", NULL);
    GString *text = g_string_new (conf);
    const char *dirs[] = {folder, NULL};
    g_autoptr (GPtrArray) findings = relais_config_findings_new ();
    RelaisSchema *schema = relais_schema_new ();
    RelaisConfig *config;

    g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
    g_string_replace (text, "@DIR@", dir, 0);
    g_assert_true (g_file_set_contents (file, text->str, -1, NULL));
    g_string_free (text, TRUE);
    config = relais_config_read (schema, dirs, findings);
    for (guint i = 0; i < findings->len; i++) {
        g_autofree char *finding =
            relais_config_finding_to_string (g_ptr_array_index (findings, i));

        g_test_message ("%s", finding);
    }
    g_assert_nonnull (config);
    relais_schema_free (schema);
    return config;
}

RelaisModule *
bed_add_module (RelaisHost *host, const char *name)
{
    const RelaisModuleDescriptor descriptor = {
        .magic = RELAIS_MODULE_MAGIC,
        .struct_size = sizeof descriptor,
        .api_major = RELAIS_API_MAJOR,
        .minor_built = RELAIS_API_MINOR,
        .minor_required = RELAIS_API_MINOR,
        .name = name,
        .version = "1",
        .summary = "a fixture",
    };
    RelaisModule *module = relais_module_new (host, &descriptor, name, NULL);

    g_assert_nonnull (module);
    module->index = host->modules->len;
    g_ptr_array_add (host->modules, module);
    return module;
}

bool
bed_try_route (RelaisModule *module, RelaisHttpRouteInfo info, GError **error)
{
    bool done;

    info.struct_size = sizeof info;
    module->host->in_init = true;
    done = relais_module_add_route (module, &info, error);
    module->host->in_init = false;
    return done;
}

void
bed_add_route (Bed *bed, RelaisHttpRouteInfo info)
{
    GError *error = NULL;

    bed_try_route (bed->module, info, &error);
    g_assert_no_error (error);
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

static void
socket_free (gpointer data)
{
    g_free (((RelaisHttpSocket *)data)->name);
    g_free (data);
}

Bed *
bed_new (const char *conf)
{
    Bed *bed = g_new0 (Bed, 1);
    GError *error = NULL;

    bed->clock = (RelaisClock){test_wall, test_mono};
    bed->dir = g_dir_make_tmp ("relais-http-XXXXXX", NULL);
    write_certificate (bed->dir);
    bed->config = bed_read_conf (bed->dir, conf);
    bed->loop = relais_loop_new (&bed->clock, NULL);
    bed->host = relais_host_new (&(RelaisHostOptions){.loop = bed->loop, .program = "test"});
    bed->module = bed_add_module (bed->host, "guest");
    bed->settings = relais_http_settings_new (bed->config, &error);
    g_assert_no_error (error);
    bed->sockets = g_ptr_array_new_with_free_func (socket_free);
    return bed;
}

RelaisHttpSocket *
bed_bind (const RelaisHttpListener *listener, guint16 *port)
{
    RelaisHttpSocket *socket_ = g_new0 (RelaisHttpSocket, 1);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;

    socket_->listener = listener;
    socket_->fd = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = g_htonl (INADDR_LOOPBACK);
    g_assert_cmpint (bind (socket_->fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint (listen (socket_->fd, 1000), ==, 0);
    g_assert_cmpint (getsockname (socket_->fd, (struct sockaddr *)&address, &size), ==, 0);
    *port = g_ntohs (address.sin_port);
    return socket_;
}

void
bed_open (Bed *bed)
{
    GError *error = NULL;

    g_assert_true (relais_host_init (bed->host, bed->config, &error));
    g_ptr_array_add (bed->sockets,
                     bed_bind (g_ptr_array_index (bed->settings->listeners, 0), &bed->port));
    bed->front = relais_http_front_new (bed->loop, bed->host, bed->settings, bed->sockets,
                                        &bed->figures, &error);
    g_assert_no_error (error);
}

void
bed_free (Bed *bed)
{
    relais_http_front_free (bed->front);
    relais_streams_cut_lingering (bed->loop);
    g_ptr_array_unref (bed->sockets);
    relais_http_settings_free (bed->settings);
    relais_host_free (bed->host);
    relais_config_unref (bed->config);
    relais_loop_free (bed->loop);
    remove_tree (bed->dir);
    g_free (bed->dir);
    g_free (bed);
}

/* --- Time ------------------------------------------------------------------------------------- */

static gboolean
wake (gpointer data)
{
    return G_SOURCE_CONTINUE;
}

/* Clients are looked at between turns, so no turn waits for long. */
void
bed_wait (Bed *bed, bool (*done) (gpointer data), gpointer data)
{
    const gint64 until = g_get_monotonic_time () + PATIENCE_US;
    GSource *tick = g_timeout_source_new (1);

    g_source_set_callback (tick, wake, NULL, NULL);
    g_source_attach (tick, relais_loop_context (bed->loop));
    while (!done (data)) {
        if (g_get_monotonic_time () > until)
            g_error ("waited too long");
        relais_loop_turn (bed->loop, true);
    }
    g_source_destroy (tick);
    g_source_unref (tick);
}

void
bed_settle (Bed *bed)
{
    while (relais_loop_turn (bed->loop, false))
        continue;
}

void
bed_advance (Bed *bed, gint64 us)
{
    bed_settle (bed);
    bed->now_us += us;
    bed_settle (bed);
}

/* --- Clients ---------------------------------------------------------------------------------- */

Client *
client_new_from (Bed *bed, const char *address)
{
    Client *client = g_new0 (Client, 1);
    struct sockaddr_storage from;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = g_htons (bed->port)};
    socklen_t size;

    client->bed = bed;
    client->in = g_byte_array_new ();
    client->fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    to.sin_addr.s_addr = g_htonl (INADDR_LOOPBACK);
    g_assert_true (relais_address_from_text (address, 0, &from, &size));
    g_assert_cmpint (bind (client->fd, (struct sockaddr *)&from, size), ==, 0);
    g_assert_cmpint (connect (client->fd, (struct sockaddr *)&to, sizeof to), ==, 0);
    (void)fcntl (client->fd, F_SETFL, O_NONBLOCK);
    return client;
}

Client *
client_new (Bed *bed)
{
    return client_new_from (bed, "127.0.0.1");
}

void
client_free (Client *client)
{
    SSL_free (client->ssl);
    SSL_CTX_free (client->context);
    close (client->fd);
    g_byte_array_unref (client->in);
    g_free (client);
}

static bool
is_shaken (gpointer data)
{
    return SSL_do_handshake (((Client *)data)->ssl) == 1;
}

void
client_start_tls (Client *client)
{
    client->context = SSL_CTX_new (TLS_client_method ());
    client->ssl = SSL_new (client->context);
    SSL_set_fd (client->ssl, client->fd);
    SSL_set_connect_state (client->ssl);
    bed_wait (client->bed, is_shaken, client);
}

static gssize
read_some (Client *client, guint8 *to, gsize room)
{
    size_t n = 0;

    if (client->ssl == NULL)
        return recv (client->fd, to, room, MSG_DONTWAIT);
    if (SSL_read_ex (client->ssl, to, room, &n) == 1)
        return (gssize)n;
    errno = EAGAIN;
    return SSL_get_error (client->ssl, 0) == SSL_ERROR_WANT_READ ? -1 : 0;
}

static void
pump (Client *client)
{
    guint8 bytes[65536];
    gssize n;

    while (!client->eof && (n = read_some (client, bytes, sizeof bytes)) != -1) {
        if (n > 0)
            g_byte_array_append (client->in, bytes, (guint)n);
        else
            client->eof = true;
    }
    /* A reset is an end, too. */
    if (!client->eof && errno != EAGAIN && errno != EINTR)
        client->eof = true;
}

typedef struct {
    Client *client;
    const char *bytes;
    gsize left;
} Sending;

static bool
is_sent (gpointer data)
{
    Sending *sending = data;
    Client *client = sending->client;
    size_t n = 0;

    if (client->ssl != NULL)
        (void)SSL_write_ex (client->ssl, sending->bytes, sending->left, &n);
    else {
        const gssize sent =
            send (client->fd, sending->bytes, sending->left, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent < 0 && errno != EAGAIN)
            return true; /* the server has closed: the test looks at what it said */
        n = sent > 0 ? (size_t)sent : 0;
    }
    sending->bytes += n;
    sending->left -= n;
    pump (client);
    return sending->left == 0;
}

void
client_send (Client *client, const char *bytes, gssize size)
{
    Sending sending = {client, bytes, size >= 0 ? (gsize)size : strlen (bytes)};

    bed_wait (client->bed, is_sent, &sending);
}

void
client_shut (Client *client)
{
    g_assert_cmpint (shutdown (client->fd, SHUT_WR), ==, 0);
}

static bool
is_ended (gpointer data)
{
    pump (data);
    return ((Client *)data)->eof;
}

static const char *
text (Client *client)
{
    g_byte_array_append (client->in, (const guint8 *)"", 1);
    g_byte_array_set_size (client->in, client->in->len - 1);
    return (const char *)client->in->data;
}

const char *
client_read_all (Client *client)
{
    bed_wait (client->bed, is_ended, client);
    return text (client);
}

/* The size of the first answer once it is whole, or 0. */
static gsize
answer_size (Client *client, bool head)
{
    const char *start = text (client);
    const char *end = strstr (start, "\r\n\r\n");
    const char *length = g_strstr_len (start, -1, "Content-Length: ");
    gsize size;

    if (end == NULL)
        return 0;
    size = (gsize)(end - start) + 4;
    if (!head && length != NULL && length < end)
        size += (gsize)g_ascii_strtoull (length + 16, NULL, 10);
    return size;
}

static bool
has_answer (gpointer data)
{
    Client *client = data;
    gsize size;

    pump (client);
    size = answer_size (client, client->wanted != 0);
    if (client->eof && (size == 0 || size > client->in->len))
        g_error ("the server closed before an answer: '%s'", text (client));
    return size > 0 && size <= client->in->len;
}

char *
client_read_answer (Client *client, bool head)
{
    gsize size;
    char *answer;

    client->wanted = head;
    bed_wait (client->bed, has_answer, client);
    size = answer_size (client, head);
    answer = g_strndup ((const char *)client->in->data, size);
    g_byte_array_remove_range (client->in, 0, (guint)size);
    return answer;
}

guint
answer_status (const char *answer)
{
    g_assert_true (g_str_has_prefix (answer, "HTTP/1.1 ") ||
                   g_str_has_prefix (answer, "HTTP/1.0 "));
    return (guint)g_ascii_strtoull (answer + 9, NULL, 10);
}

void
client_expect (Client *client, guint status)
{
    g_autofree char *answer = client_read_answer (client, false);

    g_assert_cmpuint (answer_status (answer), ==, status);
}

void
client_expect_end (Client *client, const char *bytes)
{
    g_assert_cmpstr (client_read_all (client), ==, bytes);
}

char *
client_get (Client *client, const char *target)
{
    g_autofree char *request =
        g_strdup_printf ("GET %s HTTP/1.1\r\nHost: track.test\r\n\r\n", target);

    client_send (client, request, -1);
    return client_read_answer (client, false);
}
