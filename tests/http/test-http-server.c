/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The server on its own thread: several clients while the configuration is read again and again; start,
 * drain and end; what it says of routes that nobody can reach and of addresses that it cannot have.
 */
#include "config.h"

#include "bed.h"

#include "http/server-private.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { CLIENTS = 4, REQUESTS = 150, MAGIC = 0x600d };

typedef struct {
    char *dir;
    RelaisLoop *loop;
    RelaisHost *host;
    RelaisModule *module;
    RelaisConfig *config;
    RelaisHttpServer *server;
    guint16 port;
} Fixture;

/* --- The module --------------------------------------------------------------------------------- */

static gboolean
prepare (RelaisModule *module, RelaisConfig *config, gpointer *object, GError **error)
{
    gint *magic = g_new (gint, 1);

    *magic = MAGIC;
    *object = magic;
    return TRUE;
}

static void
free_config (gpointer object)
{
    *(gint *)object = 0;
    g_free (object);
}

static void
handle (RelaisHttpRequest *request, gpointer data)
{
    const gint *magic = relais_http_get_config (request);
    g_autoptr (GBytes) body = g_bytes_new_static ("ok\n", 3);

    relais_http_answer (request, *magic == MAGIC ? 200 : 500, "text/plain", body);
}

/* --- The fixture -------------------------------------------------------------------------------- */

static bool
open_server (Fixture *fixture, const char *conf, GError **error)
{
    g_assert_null (fixture->config);
    fixture->config = bed_read_conf (fixture->dir, conf);
    g_assert_true (relais_host_init (fixture->host, fixture->config, NULL));
    fixture->server =
        relais_http_server_new (fixture->loop, NULL, fixture->host, NULL, fixture->config, error);
    return fixture->server != NULL && relais_http_server_start (fixture->server, error);
}

static void
add_route (Fixture *fixture, const char *path, RelaisHttpListenerKind listener,
           RelaisHttpRouteKind kind)
{
    const RelaisHttpRouteInfo info = {.path = path,
                                      .listener = listener,
                                      .methods = RELAIS_HTTP_GET,
                                      .kind = kind,
                                      .func = handle};

    g_assert_true (bed_try_route (fixture->module, info, NULL));
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
    fixture->dir = g_dir_make_tmp ("relais-http-XXXXXX", NULL);
    fixture->loop = relais_loop_new (NULL, NULL);
    fixture->host =
        relais_host_new (&(RelaisHostOptions){.loop = fixture->loop, .program = "test"});
    fixture->module = bed_add_module (fixture->host, "guest");
    fixture->module->ops.prepare_config = prepare;
    fixture->module->ops.free_config = free_config;
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
    g_autofree char *command_dir = g_build_filename (fixture->dir, "conf", NULL);
    g_autofree char *file = g_build_filename (command_dir, "test.conf", NULL);

    relais_http_server_free (fixture->server);
    relais_host_free (fixture->host);
    g_clear_pointer (&fixture->config, relais_config_unref);
    relais_loop_free (fixture->loop);
    unlink (file);
    rmdir (command_dir);
    rmdir (fixture->dir);
    g_free (fixture->dir);
}

static void
find_port (Fixture *fixture)
{
    const char *name;
    const char *address = relais_http_server_listener (fixture->server, 0, &name);

    g_assert_cmpstr (name, ==, "t");
    g_assert_true (g_str_has_prefix (address, "127.0.0.1:"));
    fixture->port = (guint16)g_ascii_strtoull (address + strlen ("127.0.0.1:"), NULL, 10);
}

/* --- Clients ------------------------------------------------------------------------------------ */

static int
connect_to (guint16 port)
{
    const struct timeval patience = {.tv_sec = 20};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = g_htons (port)};
    const int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = g_htonl (INADDR_LOOPBACK);
    setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    g_assert_cmpint (connect (fd, (struct sockaddr *)&to, sizeof to), ==, 0);
    return fd;
}

static void
get_ok (int fd, const char *request)
{
    char bytes[1024];
    gsize got = 0;

    g_assert_cmpint (send (fd, request, strlen (request), MSG_NOSIGNAL), ==, strlen (request));
    do {
        const gssize n = recv (fd, bytes + got, sizeof bytes - 1 - got, 0);

        g_assert_cmpint (n, >, 0);
        got += (gsize)n;
        bytes[got] = '\0';
    } while (strstr (bytes, "\r\n\r\nok\n") == NULL);
    g_assert_true (g_str_has_prefix (bytes, "HTTP/1.1 200 OK\r\n"));
}

static gint clients_done;

static gpointer
be_client (gpointer data)
{
    const Fixture *fixture = data;
    const int fd = connect_to (fixture->port);

    for (guint i = 0; i < REQUESTS; i++)
        get_ok (fd, i % 3 == 0 ? "GET /p HTTP/1.1\r\nHost: x\r\n\r\n"
                               : "GET /i HTTP/1.1\r\nHost: x\r\n\r\n");
    close (fd);
    g_atomic_int_inc (&clients_done);
    return NULL;
}

/* --- Tests -------------------------------------------------------------------------------------- */

static void
note (gpointer data)
{
    (*(guint *)data)++;
}

static void
drain (Fixture *fixture)
{
    guint told = 0;

    relais_http_server_drain (fixture->server, note, &told);
    while (told == 0)
        relais_loop_turn (fixture->loop, true);
    g_assert_cmpuint (told, ==, 1);
}

static void
test_reload (Fixture *fixture, gconstpointer data)
{
    GThread *threads[CLIENTS];
    RelaisHttpFigures figures;

    add_route (fixture, "/i", RELAIS_HTTP_TRACKER, RELAIS_HTTP_INLINE);
    add_route (fixture, "/p", RELAIS_HTTP_TRACKER, RELAIS_HTTP_POOL);
    g_assert_true (open_server (fixture, "[http t]\nport = 0\n", NULL));
    find_port (fixture);
    g_atomic_int_set (&clients_done, 0);
    for (guint i = 0; i < CLIENTS; i++)
        threads[i] = g_thread_new ("client", be_client, fixture);
    while (g_atomic_int_get (&clients_done) < CLIENTS) {
        g_assert_true (relais_host_reload (fixture->host, fixture->config, NULL));
        g_thread_yield ();
    }
    for (guint i = 0; i < CLIENTS; i++)
        g_thread_join (threads[i]);
    drain (fixture);
    relais_http_server_figures (fixture->server, &figures);
    g_assert_cmpuint (figures.requests, ==, CLIENTS * REQUESTS);
    g_assert_cmpuint (figures.connections_total, ==, CLIENTS);
    g_assert_cmpuint (figures.connections, ==, 0);
}

/* Nothing is accepted any more, and what is open ends. */
static void
test_drain (Fixture *fixture, gconstpointer data)
{
    char byte;
    int fd;

    add_route (fixture, "/i", RELAIS_HTTP_TRACKER, RELAIS_HTTP_INLINE);
    g_assert_true (open_server (fixture, "[http t]\nport = 0\n", NULL));
    find_port (fixture);
    fd = connect_to (fixture->port);
    get_ok (fd, "GET /i HTTP/1.1\r\nHost: x\r\n\r\n");
    drain (fixture);
    g_assert_cmpint (recv (fd, &byte, 1, 0), ==, 0);
    close (fd);
}

/* Freed with connections open and without being drained. */
static void
test_cut (Fixture *fixture, gconstpointer data)
{
    char byte;
    int fd;

    add_route (fixture, "/i", RELAIS_HTTP_TRACKER, RELAIS_HTTP_INLINE);
    g_assert_true (open_server (fixture, "[http t]\nport = 0\n", NULL));
    find_port (fixture);
    fd = connect_to (fixture->port);
    get_ok (fd, "GET /i HTTP/1.1\r\nHost: x\r\n\r\n");
    g_clear_pointer (&fixture->server, relais_http_server_free);
    g_assert_cmpint (recv (fd, &byte, 1, 0), <=, 0);
    close (fd);
}

static void
test_nothing (Fixture *fixture, gconstpointer data)
{
    g_assert_true (open_server (fixture, "", NULL));
    g_assert_null (relais_http_server_listener (fixture->server, 0, NULL));
    drain (fixture);
}

static void
test_not_started (Fixture *fixture, gconstpointer data)
{
    fixture->config = bed_read_conf (fixture->dir, "[http t]\nport = 0\n");
    fixture->server =
        relais_http_server_new (fixture->loop, NULL, fixture->host, NULL, fixture->config, NULL);
    g_assert_nonnull (fixture->server);
    drain (fixture);
}

static void
test_unreachable (Fixture *fixture, gconstpointer data)
{
    add_route (fixture, "/i", RELAIS_HTTP_TRACKER, RELAIS_HTTP_INLINE);
    add_route (fixture, "/a", RELAIS_HTTP_API, RELAIS_HTTP_INLINE);
    g_test_expect_message (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING,
                           "*module guest has a route '/a'*kind = api");
    g_assert_true (open_server (fixture, "[http t]\nport = 0\n", NULL));
    g_test_assert_expected_messages ();
}

static void
test_bad_configuration (Fixture *fixture, gconstpointer data)
{
    static const char *const texts[][2] = {
        {"[http t]\ncertificate = /nonexistent.pem\n", "/nonexistent.pem"},
        {"[http t]\naddress = 192.0.2.77\nport = 8080\n", "cannot listen on 192.0.2.77 port 8080"},
    };

    for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
        g_autoptr (GError) error = NULL;
        g_autoptr (RelaisConfig) config = bed_read_conf (fixture->dir, texts[i][0]);

        g_assert_null (relais_http_server_new (fixture->loop, NULL, fixture->host, NULL, config, &error));
        g_assert_nonnull (strstr (error->message, texts[i][1]));
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
#define ADD(name, test) g_test_add (name, Fixture, NULL, set_up, test, tear_down)
    ADD ("/http-server/reload", test_reload);
    ADD ("/http-server/drain", test_drain);
    ADD ("/http-server/cut", test_cut);
    ADD ("/http-server/nothing", test_nothing);
    ADD ("/http-server/not-started", test_not_started);
    ADD ("/http-server/unreachable", test_unreachable);
    ADD ("/http-server/bad-configuration", test_bad_configuration);
#undef ADD
    return g_test_run ();
}
