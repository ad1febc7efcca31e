/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The front's limits at their boundaries, and its times on a clock of the test's: no octet moves a
 * deadline. The pool: requests that wait hold up nobody, a full queue and a late handler are 503.
 */
#include "config.h"

#include "bed.h"

#include "http/connection-private.h"

#include <string.h>

enum { STUCK = 50, LARGE_BYTES = 24 << 20 };

static const gint64 SECOND = RELAIS_USEC_PER_SEC;

/* Handlers of the pool wait here until the gate is opened. */
static GMutex gate_mutex;
static GCond gate_changed;
static bool gate_open;
static guint gate_waiting, gate_passed;

static void
answer_ok (RelaisHttpRequest *request, gpointer data)
{
    g_autoptr (GBytes) body = g_bytes_new_static ("ok\n", 3);

    g_assert_true (relais_http_answer (request, 200, "text/plain", body));
}

static void
wait_at_gate (RelaisHttpRequest *request, gpointer data)
{
    g_mutex_lock (&gate_mutex);
    gate_waiting++;
    while (!gate_open)
        g_cond_wait (&gate_changed, &gate_mutex);
    gate_waiting--;
    gate_passed++;
    g_mutex_unlock (&gate_mutex);
    answer_ok (request, data);
}

static void
set_gate (bool open)
{
    g_mutex_lock (&gate_mutex);
    gate_open = open;
    if (!open)
        gate_passed = 0;
    g_cond_broadcast (&gate_changed);
    g_mutex_unlock (&gate_mutex);
}

static guint
count_waiting (void)
{
    guint n;

    g_mutex_lock (&gate_mutex);
    n = gate_waiting;
    g_mutex_unlock (&gate_mutex);
    return n;
}

static Bed *
open_bed (const char *conf)
{
    Bed *bed = bed_new (conf);

    bed_add_route (bed, (RelaisHttpRouteInfo){.path = "/i",
                                              .methods = RELAIS_HTTP_GET | RELAIS_HTTP_POST,
                                              .max_body = 100,
                                              .func = answer_ok});
    bed_add_route (bed, (RelaisHttpRouteInfo){.path = "/big",
                                              .methods = RELAIS_HTTP_POST,
                                              .max_body = 1 << 20,
                                              .func = answer_ok});
    bed_add_route (bed, (RelaisHttpRouteInfo){.path = "/p",
                                              .methods = RELAIS_HTTP_GET,
                                              .kind = RELAIS_HTTP_POOL,
                                              .func = wait_at_gate});
    bed_add_route (bed, (RelaisHttpRouteInfo){.path = "/short",
                                              .methods = RELAIS_HTTP_GET,
                                              .kind = RELAIS_HTTP_POOL,
                                              .deadline_us = 2 * SECOND,
                                              .func = wait_at_gate});
    bed_open (bed);
    set_gate (false);
    return bed;
}

static const char get_i[] = "GET /i HTTP/1.1\r\nHost: x\r\n\r\n";
static const char get_p[] = "GET /p HTTP/1.1\r\nHost: x\r\n\r\n";

static void
expect_ok (Client *client)
{
    client_send (client, get_i, -1);
    client_expect (client, 200);
}

/* --- Connections ------------------------------------------------------------------------------ */

static void
test_connections (void)
{
    Bed *bed = open_bed ("[http t]\nconnections = 3\nidle_timeout = 1h\n");
    Client *clients[3], *more;

    for (guint i = 0; i < 3; i++) {
        clients[i] = client_new (bed);
        expect_ok (clients[i]);
    }
    more = client_new (bed);
    g_assert_cmpuint (answer_status (client_read_all (more)), ==, 503);
    client_free (more);
    client_free (clients[0]);
    bed_settle (bed);
    clients[0] = client_new (bed);
    expect_ok (clients[0]);
    g_assert_cmpuint (bed->figures.refused, ==, 1);
    g_assert_cmpuint (bed->figures.connections, ==, 3);
    for (guint i = 0; i < 3; i++)
        client_free (clients[i]);
    bed_free (bed);
}

static void
test_per_address (void)
{
    Bed *bed = open_bed ("[http t]\nconnections_per_address = 2\nidle_timeout = 1h\n");
    Client *first = client_new (bed), *second = client_new (bed), *more, *other;

    expect_ok (first);
    expect_ok (second);
    more = client_new (bed);
    g_assert_cmpuint (answer_status (client_read_all (more)), ==, 503);
    other = client_new_from (bed, "127.0.0.2");
    expect_ok (other);
    client_free (first);
    bed_settle (bed);
    client_free (more);
    more = client_new (bed);
    expect_ok (more);
    client_free (second);
    client_free (more);
    client_free (other);
    bed_free (bed);
}

static void
test_per_address_proxy (void)
{
    Bed *bed = open_bed ("[http t]\nconnections_per_address = 1\ntrusted_proxies = 127.0.0.1\n");
    Client *clients[3];

    for (guint i = 0; i < 3; i++) {
        clients[i] = client_new (bed);
        expect_ok (clients[i]);
    }
    for (guint i = 0; i < 3; i++)
        client_free (clients[i]);
    bed_free (bed);
}

/* Who asks on and on and reads no answer gets none beyond the stream's high mark. */
static void
test_unread (void)
{
    Bed *bed = open_bed ("[http t]\nidle_timeout = 1h\n");
    g_autoptr (GString) asked = g_string_new (NULL);
    Client *client = client_new (bed);
    const RelaisHttpConnection *connection;
    const int small = 4096;
    gsize at = 0;

    (void)setsockopt (client->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    for (int i = 0; i < 100; i++)
        g_string_append (asked, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
    bed_settle (bed);
    connection = g_ptr_array_index (bed->front->connections, 0);
    for (int i = 0; i < 60000; i++) {
        const gssize n =
            send (client->fd, asked->str + at, asked->len - at, MSG_DONTWAIT | MSG_NOSIGNAL);

        at = (at + (gsize)MAX (n, 0)) % asked->len;
        relais_loop_turn (bed->loop, false);
        g_assert_cmpuint (relais_stream_unwritten (connection->stream), <,
                          RELAIS_STREAM_HIGH_BYTES + 4096);
    }
    /* Once it reads, it goes on. */
    for (int i = 0; i < 1000; i++)
        client_expect (client, 404);
    client_free (client);
    bed_free (bed);
}

/* --- Sizes ------------------------------------------------------------------------------------ */

static guint
status_of_head (Bed *bed, gsize size)
{
    static const char start[] = "GET /i HTTP/1.1\r\nHost: x\r\nX: ";
    g_autofree char *value = g_strnfill (size - strlen (start) - 4, 'v');
    g_autofree char *request = g_strconcat (start, value, "\r\n\r\n", NULL);
    Client *client = client_new (bed);
    g_autofree char *answer = NULL;
    guint status;

    client_send (client, request, -1);
    answer = client_read_answer (client, false);
    status = answer_status (answer);
    client_free (client);
    return status;
}

static void
test_head_size (void)
{
    Bed *bed = open_bed ("[http t]\nmax_head = 2048\n");

    g_assert_cmpuint (status_of_head (bed, 2048), ==, 200);
    g_assert_cmpuint (status_of_head (bed, 2049), ==, 431);
    bed_free (bed);
}

static guint
status_of_body (Bed *bed, const char *path, gsize size)
{
    g_autofree char *body = g_strnfill (size, 'b');
    g_autofree char *request = g_strdup_printf (
        "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %" G_GSIZE_FORMAT "\r\n\r\n%s", path, size,
        body);
    Client *client = client_new (bed);
    g_autofree char *answer = NULL;
    guint status;

    client_send (client, request, -1);
    answer = client_read_answer (client, false);
    status = answer_status (answer);
    client_free (client);
    return status;
}

static void
test_body_size (void)
{
    Bed *bed = open_bed ("[http t]\n");

    g_assert_cmpuint (status_of_body (bed, "/i", 100), ==, 200);
    g_assert_cmpuint (status_of_body (bed, "/i", 101), ==, 413);
    bed_free (bed);
}

/* Bodies that come share 1 MiB here. What is there already is 1 MiB less 100 octets. */
static void
test_body_memory (void)
{
    Bed *bed = open_bed ("[http t]\n[limits]\nhttp_body_memory = 1M\n");
    g_autofree char *head = g_strdup_printf (
        "POST /big HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\nb", (1 << 20) - 100);
    Client *first = client_new (bed);

    client_send (first, head, -1);
    bed_settle (bed);
    g_assert_cmpuint (status_of_body (bed, "/big", 100), ==, 200);
    g_assert_cmpuint (status_of_body (bed, "/big", 101), ==, 503);
    client_free (first);
    bed_settle (bed);
    g_assert_cmpuint (status_of_body (bed, "/big", 1 << 20), ==, 200);
    bed_free (bed);
}

static guint header_bytes;

static void
answer_long (RelaisHttpRequest *request, gpointer data)
{
    g_autofree char *value = g_strnfill (header_bytes, 'v');

    if (!relais_http_set_header (request, "Location", value))
        g_assert_true (relais_http_answer (request, 501, NULL, NULL));
    else
        g_assert_true (relais_http_answer (request, 302, NULL, NULL));
}

/* The longest target and the longest answer head have room beside each other. */
static void
test_answer_size (void)
{
    static const char around[] = "GET  HTTP/1.1\r\nHost: x\r\n\r\n";
    Bed *bed = bed_new ("[http t]\nmax_head = 1024\n");
    g_autofree char *target = g_strnfill (1024 - strlen (around), 'a');
    g_autofree char *request = NULL;
    Client *client;

    bed_add_route (
        bed, (RelaisHttpRouteInfo){.path = "/", .methods = RELAIS_HTTP_GET, .func = answer_long});
    bed_open (bed);
    target[0] = '/';
    request = g_strdup_printf ("GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target);
    client = client_new (bed);
    header_bytes = 12 * 1024 - (guint)strlen ("Location") - 2;
    client_send (client, request, -1);
    client_expect (client, 302);
    header_bytes++;
    client_send (client, request, -1);
    client_expect (client, 501);
    client_free (client);
    bed_free (bed);
}

static guint n_fields;

static void
answer_fields (RelaisHttpRequest *request, gpointer data)
{
    n_fields = 0;
    while (relais_http_set_header (request, "X-A", "b"))
        n_fields++;
    answer_ok (request, data);
}

static void
test_answer_fields (void)
{
    Bed *bed = bed_new ("[http t]\n");
    Client *client;
    g_autofree char *answer = NULL;

    bed_add_route (
        bed, (RelaisHttpRouteInfo){.path = "/", .methods = RELAIS_HTTP_GET, .func = answer_fields});
    bed_open (bed);
    client = client_new (bed);
    answer = client_get (client, "/");
    g_assert_cmpuint (answer_status (answer), ==, 200);
    g_assert_cmpuint (n_fields, ==, 32);
    client_free (client);
    bed_free (bed);
}

/* --- Times ------------------------------------------------------------------------------------ */

/* An octet a second, on a good way, is cut at the deadline. */
static void
test_slow_head (void)
{
    Bed *bed = open_bed ("[http t]\nrequest_timeout = 10s\nidle_timeout = 5s\n");
    Client *client = client_new (bed);

    bed_advance (bed, 4 * SECOND);
    for (guint i = 0; i < 9; i++) {
        client_send (client, &get_i[i], 1);
        bed_advance (bed, SECOND);
        g_assert_cmpuint (bed->figures.refused, ==, 0);
    }
    client_send (client, &get_i[9], 1);
    bed_advance (bed, SECOND - 1);
    g_assert_cmpuint (bed->figures.refused, ==, 0);
    bed_advance (bed, 1);
    g_assert_cmpuint (answer_status (client_read_all (client)), ==, 408);
    client_free (client);
    bed_free (bed);
}

static void
test_slow_body (void)
{
    Bed *bed = open_bed ("[http t]\nrequest_timeout = 10s\n");
    Client *client = client_new (bed);

    client_send (client, "POST /i HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n", -1);
    for (guint i = 0; i < 9; i++) {
        client_send (client, "b", 1);
        bed_advance (bed, SECOND);
        g_assert_cmpuint (bed->figures.refused, ==, 0);
    }
    client_send (client, "b", 1);
    bed_advance (bed, SECOND - 1);
    g_assert_cmpuint (bed->figures.refused, ==, 0);
    bed_advance (bed, 1);
    g_assert_cmpuint (answer_status (client_read_all (client)), ==, 408);
    client_free (client);
    bed_free (bed);
}

static void
test_idle (void)
{
    Bed *bed = open_bed ("[http t]\nidle_timeout = 5s\n");
    Client *fresh = client_new (bed), *used = client_new (bed);

    expect_ok (used);
    bed_advance (bed, 4 * SECOND);
    expect_ok (used);
    bed_advance (bed, SECOND - 1);
    g_assert_cmpuint (bed->figures.connections, ==, 2);
    bed_advance (bed, 1);
    client_expect_end (fresh, "");
    bed_advance (bed, 4 * SECOND - 1);
    expect_ok (used);
    bed_advance (bed, 5 * SECOND);
    client_expect_end (used, "");
    g_assert_cmpuint (bed->figures.refused, ==, 0);
    client_free (fresh);
    client_free (used);
    bed_free (bed);
}

static void
test_handshake_time (void)
{
    Bed *bed = open_bed ("[http t]\nrequest_timeout = 10s\ncertificate = @DIR@/tls.pem\n");
    Client *client = client_new (bed);

    client_send (client, "\x16\x03", 2);
    bed_advance (bed, 10 * SECOND - 1);
    g_assert_cmpuint (bed->figures.connections, ==, 1);
    bed_advance (bed, 1);
    client_expect_end (client, "");
    client_free (client);
    bed_free (bed);
}

static void
answer_large (RelaisHttpRequest *request, gpointer data)
{
    g_autoptr (GBytes) body = g_bytes_new_take (g_malloc0 (LARGE_BYTES), LARGE_BYTES);

    g_assert_true (relais_http_answer (request, 200, "text/plain", body));
}

/* The sockets take more than 64 KiB of the answer at once, but not all of it; who then takes nothing for
 * the time of a request is cut. */
static void
test_slow_reader (void)
{
    Bed *bed = bed_new ("[http t]\nrequest_timeout = 10s\n");
    Client *client;

    bed_add_route (
        bed, (RelaisHttpRouteInfo){.path = "/", .methods = RELAIS_HTTP_GET, .func = answer_large});
    bed_open (bed);
    client = client_new (bed);
    client_send (client, get_i, -1);
    bed_settle (bed);
    bed_advance (bed, 10 * SECOND);
    bed_advance (bed, 10 * SECOND - 1);
    g_assert_cmpuint (bed->figures.connections, ==, 1);
    bed_advance (bed, 1);
    g_assert_cmpuint (bed->figures.connections, ==, 0);
    client_free (client);
    bed_free (bed);
}

/* --- The pool --------------------------------------------------------------------------------- */

static bool
four_wait (gpointer data)
{
    return count_waiting () == 4;
}

/* 50 requests wait, 4 of them in handlers; INLINE requests of others all get their answers. */
static void
test_stuck (void)
{
    Bed *bed = open_bed ("[http t]\n[limits]\nhttp_threads = 4\nhttp_queue = 46\n");
    Client *stuck[STUCK], *clients[10];

    for (guint i = 0; i < STUCK; i++) {
        stuck[i] = client_new (bed);
        client_send (stuck[i], get_p, -1);
        bed_settle (bed);
        if (i == 3)
            bed_wait (bed, four_wait, NULL);
    }
    for (guint i = 0; i < G_N_ELEMENTS (clients); i++)
        clients[i] = client_new (bed);
    for (guint k = 0; k < 20; k++)
        for (guint i = 0; i < G_N_ELEMENTS (clients); i++)
            expect_ok (clients[i]);
    g_assert_cmpuint (bed->figures.requests, ==, 20 * G_N_ELEMENTS (clients));
    g_assert_cmpuint (bed->figures.refused, ==, 0);
    g_assert_cmpuint (count_waiting (), ==, 4);
    set_gate (true);
    for (guint i = 0; i < STUCK; i++) {
        client_expect (stuck[i], 200);
        client_free (stuck[i]);
    }
    for (guint i = 0; i < G_N_ELEMENTS (clients); i++)
        client_free (clients[i]);
    bed_free (bed);
}

static bool
one_waits (gpointer data)
{
    return count_waiting () == 1;
}

static void
test_queue_full (void)
{
    Bed *bed = open_bed ("[http t]\n[limits]\nhttp_threads = 1\nhttp_queue = 1\n");
    Client *first = client_new (bed), *second = client_new (bed), *third = client_new (bed);
    g_autofree char *answer = NULL;

    client_send (first, get_p, -1);
    bed_wait (bed, one_waits, NULL);
    client_send (second, get_p, -1);
    bed_settle (bed);
    client_send (third, get_p, -1);
    answer = client_read_answer (third, false);
    g_assert_cmpuint (answer_status (answer), ==, 503);
    g_assert_nonnull (strstr (answer, "\r\nRetry-After: "));
    expect_ok (third);
    set_gate (true);
    client_expect (first, 200);
    client_expect (second, 200);
    client_free (first);
    client_free (second);
    client_free (third);
    bed_free (bed);
}

/* The route's own deadline, and the configured one. What the handler says afterwards goes nowhere. */
static void
test_deadline (void)
{
    Bed *bed = open_bed ("[http t]\nidle_timeout = 1h\n[limits]\nhttp_deadline = 7s\n"
                         "http_threads = 2\n");
    Client *own = client_new (bed), *configured = client_new (bed);

    client_send (own, "GET /short HTTP/1.1\r\nHost: x\r\n\r\n", -1);
    client_send (configured, get_p, -1);
    bed_advance (bed, 2 * SECOND - 1);
    g_assert_cmpuint (bed->figures.refused, ==, 0);
    bed_advance (bed, 1);
    client_expect (own, 503);
    expect_ok (own);
    bed_advance (bed, 5 * SECOND - 1);
    g_assert_cmpuint (bed->figures.refused, ==, 1);
    bed_advance (bed, 1);
    client_expect (configured, 503);
    set_gate (true);
    expect_ok (configured);
    client_shut (own);
    client_expect_end (own, "");
    client_shut (configured);
    client_expect_end (configured, "");
    client_free (own);
    client_free (configured);
    bed_free (bed);
}

static void
test_disconnect (void)
{
    Bed *bed = open_bed ("[http t]\n[limits]\nhttp_threads = 1\n");
    Client *gone = client_new (bed), *client = client_new (bed);

    client_send (gone, get_p, -1);
    bed_wait (bed, one_waits, NULL);
    client_free (gone);
    bed_settle (bed);
    set_gate (true);
    expect_ok (client);
    client_free (client);
    bed_free (bed);
}

/* --- Draining --------------------------------------------------------------------------------- */

static bool drained;

static void
note_drained (gpointer data)
{
    drained = true;
}

static bool
is_drained (gpointer data)
{
    return drained;
}

static void
test_drain (void)
{
    Bed *bed = open_bed ("[http t]\nidle_timeout = 1h\n");
    Client *idle = client_new (bed), *busy = client_new (bed);
    g_autofree char *answer = NULL;

    drained = false;
    expect_ok (idle);
    client_send (busy, get_p, -1);
    bed_wait (bed, one_waits, NULL);
    relais_http_front_drain (bed->front, note_drained, NULL);
    client_expect_end (idle, "");
    bed_settle (bed);
    g_assert_false (drained);
    set_gate (true);
    answer = client_read_answer (busy, false);
    g_assert_cmpuint (answer_status (answer), ==, 200);
    g_assert_nonnull (strstr (answer, "\r\nConnection: close\r\n"));
    client_expect_end (busy, "");
    bed_wait (bed, is_drained, NULL);
    client_free (idle);
    client_free (busy);
    bed_free (bed);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/limits/connections", test_connections);
    g_test_add_func ("/limits/per-address", test_per_address);
    g_test_add_func ("/limits/unread", test_unread);
    g_test_add_func ("/limits/per-address-proxy", test_per_address_proxy);
    g_test_add_func ("/limits/head-size", test_head_size);
    g_test_add_func ("/limits/body-size", test_body_size);
    g_test_add_func ("/limits/body-memory", test_body_memory);
    g_test_add_func ("/limits/answer-size", test_answer_size);
    g_test_add_func ("/limits/answer-fields", test_answer_fields);
    g_test_add_func ("/limits/slow-head", test_slow_head);
    g_test_add_func ("/limits/slow-body", test_slow_body);
    g_test_add_func ("/limits/idle", test_idle);
    g_test_add_func ("/limits/handshake-time", test_handshake_time);
    g_test_add_func ("/limits/slow-reader", test_slow_reader);
    g_test_add_func ("/limits/stuck", test_stuck);
    g_test_add_func ("/limits/queue-full", test_queue_full);
    g_test_add_func ("/limits/deadline", test_deadline);
    g_test_add_func ("/limits/disconnect", test_disconnect);
    g_test_add_func ("/limits/drain", test_drain);
    return g_test_run ();
}
