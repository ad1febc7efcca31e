/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The front's exchanges: what handlers see of a request and what clients see of an answer; keep-alive,
 * pipelining, bodies, HEAD, TLS, proxies; answers and requests larger than any buffer.
 */
#include "config.h"

#include "bed.h"

#include <string.h>

enum { LARGE_BYTES = 3 << 20 };

static guint handled;

static void
answer_text (RelaisHttpRequest *request, const char *text)
{
    g_autoptr (GBytes) body = g_bytes_new (text, strlen (text));

    g_assert_true (relais_http_answer (request, 200, "text/plain", body));
}

static const char *
or_none (const char *text)
{
    return text != NULL ? text : "-";
}

static void
tell (RelaisHttpRequest *request, gpointer data)
{
    GBytes *body = relais_http_get_body (request);
    g_autofree char *text = g_strdup_printf (
        "%s|%s|%s|%s|%s|%s|%s|%s|%d", relais_http_get_method (request),
        relais_http_get_path (request), relais_http_get_rest (request),
        or_none (relais_http_get_query (request)), relais_http_get_client (request),
        or_none (relais_http_get_host (request)), relais_http_get_tls (request) ? "tls" : "clear",
        or_none (relais_http_get_header (request, "x-thing")),
        body != NULL ? (int)g_bytes_get_size (body) : -1);

    handled++;
    g_assert_cmpstr (relais_module_get_name (relais_http_get_module (request)), ==, "guest");
    g_assert_cmpint (relais_http_get_wall_us (request), >, 0);
    g_assert_null (relais_http_get_config (request));
    answer_text (request, text);
}

static Bed *
open_bed (const char *conf, RelaisHttpRouteInfo info)
{
    Bed *bed = bed_new (conf);

    bed_add_route (bed, info);
    bed_open (bed);
    handled = 0;
    return bed;
}

static const char plain[] = "[http t]\nkind = tracker\n";

static RelaisHttpRouteInfo
below (const char *path, RelaisHttpFunc func)
{
    return (RelaisHttpRouteInfo){.path = path,
                                 .methods = RELAIS_HTTP_GET | RELAIS_HTTP_POST,
                                 .max_body = LARGE_BYTES,
                                 .func = func};
}

static void
assert_body (const char *answer, const char *body)
{
    const char *found = strstr (answer, "\r\n\r\n");

    g_assert_nonnull (found);
    g_assert_cmpstr (found + 4, ==, body);
}

static void
test_request (void)
{
    Bed *bed = open_bed (plain, below ("/o/", tell));
    Client *client = client_new (bed);
    g_autofree char *first = client_get (client, "/o/abc%20d?x=%2f&y");
    g_autofree char *second = NULL;

    g_assert_cmpuint (answer_status (first), ==, 200);
    assert_body (first, "GET|/o/abc%20d|abc%20d|x=%2f&y|127.0.0.1|track.test|clear|-|-1");
    client_send (client,
                 "POST /o/ HTTP/1.1\r\nHost: Track.TEST:81\r\nX-Forwarded-For: 192.0.2.1\r\n"
                 "X-Forwarded-Proto: https\r\nX-THING: a b \r\nX-Thing: c\r\n"
                 "Content-Length: 5\r\n\r\nhello",
                 -1);
    second = client_read_answer (client, false);
    assert_body (second, "POST|/o/||-|127.0.0.1|track.test|clear|a b|5");
    client_free (client);
    bed_settle (bed);
    g_assert_cmpuint (bed->figures.requests, ==, 2);
    g_assert_cmpuint (bed->figures.connections, ==, 0);
    bed_free (bed);
}

static void
test_answer_head (void)
{
    Bed *bed = open_bed (plain, below ("/o/", tell));
    Client *client = client_new (bed);
    g_autofree char *answer = client_get (client, "/o/");

    g_assert_true (g_str_has_prefix (answer, "HTTP/1.1 200 OK\r\n"));
    g_assert_nonnull (strstr (answer, "\r\nDate: "));
    g_assert_nonnull (strstr (answer, "\r\nContent-Type: text/plain\r\n"));
    g_assert_nonnull (strstr (answer, "\r\nX-Content-Type-Options: nosniff\r\n"));
    g_assert_null (strstr (answer, "Server"));
    g_assert_null (strstr (answer, "icrohttpd"));
    client_free (client);
    bed_free (bed);
}

static void
test_head (void)
{
    Bed *bed = open_bed (plain, below ("/o/", tell));
    Client *client = client_new (bed);
    g_autofree char *head = NULL, *get = NULL, *missing = NULL;

    client_send (client, "HEAD /o/ HTTP/1.1\r\nHost: x\r\n\r\n", -1);
    head = client_read_answer (client, true);
    g_assert_nonnull (strstr (head, "\r\nContent-Length: 34\r\n"));
    client_send (client, "HEAD /none HTTP/1.1\r\nHost: x\r\n\r\n", -1);
    missing = client_read_answer (client, true);
    g_assert_cmpuint (answer_status (missing), ==, 404);
    get = client_get (client, "/o/");
    assert_body (get, "GET|/o/||-|127.0.0.1|track.test|clear|-|-1");
    client_free (client);
    bed_free (bed);
}

static void
test_not_here (void)
{
    RelaisHttpRouteInfo info = below ("/o/", tell);
    Bed *bed;
    Client *client;
    g_autofree char *missing = NULL, *method = NULL;

    info.methods = RELAIS_HTTP_GET;
    bed = open_bed (plain, info);
    client = client_new (bed);
    missing = client_get (client, "/none");
    g_assert_cmpuint (answer_status (missing), ==, 404);
    g_assert_nonnull (strstr (missing, "\r\nContent-Type: text/plain\r\n"));
    g_assert_nonnull (strstr (missing, "\r\nDate: "));
    assert_body (missing, "there is nothing here\n");
    client_send (client, "POST /o/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", -1);
    method = client_read_answer (client, false);
    g_assert_cmpuint (answer_status (method), ==, 405);
    g_assert_nonnull (strstr (method, "\r\nAllow: GET, HEAD\r\n"));
    /* Nobody reads this body, so nothing can follow it. */
    client_send (client,
                 "POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 29\r\n\r\n"
                 "GET /o/ HTTP/1.1\r\nHost: x\r\n\r\n",
                 -1);
    client_expect (client, 404);
    client_expect_end (client, "");
    g_assert_cmpuint (handled, ==, 0);
    client_free (client);
    bed_free (bed);
}

static void
test_pipelined (void)
{
    Bed *bed = open_bed (plain, below ("/o/", tell));
    Client *client = client_new (bed);
    GString *requests = g_string_new (NULL);

    for (guint i = 0; i < 100; i++)
        g_string_append_printf (requests,
                                i % 3 == 0 ? "POST /o/%u HTTP/1.1\r\nHost: x\r\n"
                                             "Content-Length: 2\r\n\r\nhi"
                                           : "GET /o/%u HTTP/1.1\r\nHost: x\r\n\r\n",
                                i);
    client_send (client, requests->str, -1);
    client_shut (client);
    for (guint i = 0; i < 100; i++) {
        g_autofree char *answer = client_read_answer (client, false);
        g_autofree char *wanted = g_strdup_printf ("|/o/%u|", i);

        g_assert_nonnull (strstr (answer, wanted));
    }
    client_expect_end (client, "");
    g_assert_cmpuint (handled, ==, 100);
    g_string_free (requests, TRUE);
    client_free (client);
    bed_free (bed);
}

static void
test_closes (void)
{
    static const char *const requests[] = {
        "GET /o/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /o/ HTTP/1.0\r\n\r\n",
        "GET /none HTTP/1.0\r\n\r\n",
        "GET /none HTTP/1.1\r\nHost: x\r\nConnection: x, close\r\n\r\n",
    };
    Bed *bed = open_bed (plain, below ("/o/", tell));
    Client *client;

    for (guint i = 0; i < G_N_ELEMENTS (requests); i++) {
        g_autofree char *answer = NULL;

        client = client_new (bed);
        client_send (client, requests[i], -1);
        answer = client_read_answer (client, false);
        g_assert_nonnull (strstr (answer, "\r\nConnection: close\r\n"));
        client_expect_end (client, "");
        client_free (client);
    }
    client = client_new (bed);
    for (guint i = 0; i < 3; i++) {
        client_send (client, "GET /o/ HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", -1);
        client_expect (client, 200);
    }
    client_free (client);
    bed_free (bed);
}

static void
test_continue (void)
{
    Bed *bed = open_bed (plain, below ("/o/", tell));
    Client *client = client_new (bed);
    g_autofree char *go_ahead = NULL, *answer = NULL;

    client_send (client,
                 "POST /o/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                 "Expect: 100-continue\r\n\r\n",
                 -1);
    go_ahead = client_read_answer (client, true);
    g_assert_cmpstr (go_ahead, ==, "HTTP/1.1 100 Continue\r\n\r\n");
    client_send (client, "hello", -1);
    answer = client_read_answer (client, false);
    assert_body (answer, "POST|/o/||-|127.0.0.1|x|clear|-|5");
    client_free (client);
    bed_free (bed);
}

/* --- Large ------------------------------------------------------------------------------------ */

static void
answer_large (RelaisHttpRequest *request, gpointer data)
{
    GBytes *body = relais_http_get_body (request);
    g_autofree guint8 *bytes = g_malloc (LARGE_BYTES);
    g_autoptr (GBytes) large = NULL;

    memset (bytes, 'L', LARGE_BYTES);
    if (body != NULL)
        large = g_bytes_ref (body);
    else
        large = g_bytes_new_take (g_steal_pointer (&bytes), LARGE_BYTES);
    g_assert_true (relais_http_answer (request, 200, "text/plain", large));
}

/* The client reads nothing until all it could make us write is written; another one is served meanwhile. */
static void
test_large (void)
{
    Bed *bed = open_bed (plain, below ("/o/", answer_large));
    Client *slow = client_new (bed), *client = client_new (bed);
    g_autofree char *body = g_strnfill (LARGE_BYTES, 'B');
    g_autofree char *head =
        g_strdup_printf ("POST /o/ HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", LARGE_BYTES);

    client_send (slow, "GET /o/ HTTP/1.1\r\nHost: x\r\n\r\n", -1);
    bed_settle (bed);
    for (guint i = 0; i < 2; i++) {
        g_autofree char *answer = NULL;

        client_send (client, head, -1);
        client_send (client, body, LARGE_BYTES);
        answer = client_read_answer (client, false);
        assert_body (answer, body);
    }
    for (guint i = 0; i < 2; i++) {
        g_autofree char *answer = client_read_answer (slow, false);

        g_assert_cmpuint (strlen (strstr (answer, "\r\n\r\n")), ==, LARGE_BYTES + 4);
        if (i == 0)
            client_send (slow, "GET /o/ HTTP/1.1\r\nHost: x\r\n\r\n", -1);
    }
    client_free (slow);
    client_free (client);
    bed_free (bed);
}

/* --- TLS and proxies -------------------------------------------------------------------------- */

static void
test_tls (void)
{
    Bed *bed = open_bed ("[http t]\ncertificate = @DIR@/tls.pem\nidle_timeout = 1h\n",
                         below ("/o/", tell));
    Client *client = client_new (bed), *clear = client_new (bed);

    client_start_tls (client);
    for (guint i = 0; i < 3; i++) {
        g_autofree char *answer = client_get (client, "/o/x");

        assert_body (answer, "GET|/o/x|x|-|127.0.0.1|track.test|tls|-|-1");
    }
    client_send (clear, "GET /o/ HTTP/1.1\r\nHost: x\r\n\r\n", -1);
    g_assert_null (strstr (client_read_all (clear), "HTTP/1.1 200"));
    g_assert_cmpuint (handled, ==, 3);
    client_free (client);
    client_free (clear);
    bed_free (bed);
}

static void
test_proxy (void)
{
    Bed *bed = open_bed ("[http t]\ntrusted_proxies = 127.0.0.0/8\n", below ("/o/", tell));
    Client *client = client_new (bed);
    g_autofree char *answer = NULL;

    client_send (client,
                 "GET /o/ HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.9\r\n"
                 "X-Forwarded-Proto: https\r\nX-Forwarded-For: 2001:DB8::1, 127.0.0.9\r\n\r\n",
                 -1);
    answer = client_read_answer (client, false);
    assert_body (answer, "GET|/o/||-|2001:db8::1|x|tls|-|-1");
    client_free (client);
    bed_free (bed);
}

/* --- Answers ---------------------------------------------------------------------------------- */

static void
redirect (RelaisHttpRequest *request, gpointer data)
{
    g_autoptr (GBytes) body = g_bytes_new_static ("x", 1);

    g_assert_true (relais_http_set_header (request, "Location", "https://example.org/?a=b"));
    g_assert_true (relais_http_set_header (request, "Cache-Control", "no-store"));
    g_assert_false (relais_http_set_header (request, "X-A", "b\r\nSet-Cookie: c"));
    g_assert_false (relais_http_set_header (request, "X-A", "b\nc"));
    g_assert_false (relais_http_set_header (request, "X-A\r\n", "b"));
    g_assert_false (relais_http_set_header (request, "X A", "b"));
    g_assert_false (relais_http_set_header (request, "", "b"));
    g_assert_false (relais_http_set_header (request, "content-length", "0"));
    g_assert_false (relais_http_set_header (request, "Transfer-Encoding", "chunked"));
    g_assert_false (relais_http_set_header (request, "Server", "x"));
    g_assert_false (relais_http_answer (request, 199, NULL, NULL));
    g_assert_false (relais_http_answer (request, 600, NULL, NULL));
    g_assert_false (relais_http_answer (request, 200, NULL, body));
    g_assert_false (relais_http_answer (request, 200, "a/b\r\nc", body));
    g_assert_true (relais_http_answer (request, 302, NULL, NULL));
    g_assert_false (relais_http_answer (request, 302, NULL, NULL));
    g_assert_false (relais_http_set_header (request, "X-A", "b"));
}

static void
test_redirect (void)
{
    Bed *bed = open_bed (plain, below ("/c/", redirect));
    Client *client = client_new (bed);
    g_autofree char *answer = client_get (client, "/c/x");

    g_assert_cmpuint (answer_status (answer), ==, 302);
    g_assert_nonnull (strstr (answer, "\r\nLocation: https://example.org/?a=b\r\n"));
    g_assert_nonnull (strstr (answer, "\r\nCache-Control: no-store\r\n"));
    g_assert_null (strstr (answer, "X-A"));
    g_assert_null (strstr (answer, "Set-Cookie"));
    g_assert_nonnull (strstr (answer, "\r\nContent-Length: 0\r\n"));
    client_free (client);
    bed_free (bed);
}

/* Complaints are told through the structured log. */
static guint complaints;

static GLogWriterOutput
count_complaint (GLogLevelFlags level, const GLogField *fields, gsize n, gpointer data)
{
    for (gsize i = 0; i < n; i++)
        if (g_str_equal (fields[i].key, "MESSAGE") &&
            strstr (fields[i].value, "gave no answer") != NULL)
            complaints++;
    return G_LOG_WRITER_HANDLED;
}

static void
say_nothing (RelaisHttpRequest *request, gpointer data)
{
    relais_http_set_header (request, "X-Secret", "half done");
}

static void
test_no_answer (void)
{
    Bed *bed = open_bed (plain, below ("/", say_nothing));
    Client *client = client_new (bed);
    g_autofree char *answer = NULL;

    complaints = 0;
    answer = client_get (client, "/x");
    g_assert_cmpuint (answer_status (answer), ==, 500);
    g_assert_cmpuint (complaints, ==, 1);
    g_assert_null (strstr (answer, "X-Secret"));
    client_free (client);
    bed_free (bed);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_log_set_writer_func (count_complaint, NULL, NULL);
    g_test_add_func ("/front/request", test_request);
    g_test_add_func ("/front/answer-head", test_answer_head);
    g_test_add_func ("/front/head", test_head);
    g_test_add_func ("/front/not-here", test_not_here);
    g_test_add_func ("/front/pipelined", test_pipelined);
    g_test_add_func ("/front/closes", test_closes);
    g_test_add_func ("/front/continue", test_continue);
    g_test_add_func ("/front/large", test_large);
    g_test_add_func ("/front/tls", test_tls);
    g_test_add_func ("/front/proxy", test_proxy);
    g_test_add_func ("/front/redirect", test_redirect);
    g_test_add_func ("/front/no-answer", test_no_answer);
    return g_test_run ();
}
