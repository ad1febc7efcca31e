/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/http, the client: every outcome against a server in this process, what is never done (redirects,
 * proxies, private addresses, a second question to the DNS), limits, turns, other threads, the end.
 */
#include "config.h"

#include "http/fetch-bed.h"

#include <glib/gstdio.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- Answers ------------------------------------------------------------------------------------ */

static void
test_ok (Fixture *fixture, gconstpointer data)
{
    g_autofree char *request = NULL;
    g_auto (Got) got = {0};

    fetch (fixture, "localhost.test", "/hello", &got);
    assert_outcome (&got, RELAIS_FETCH_OK, NULL);
    g_assert_cmpuint (got.status, ==, 200);
    g_assert_cmpstr (got.body, ==, "hello");
    g_assert_cmpstr (got.word, ==, "hi");
    g_assert_cmpstr (got.text, ==, "");
    g_assert_cmpstr (got.address, ==, "127.0.0.1");
    g_assert_cmpint (got.reached, ==, RELAIS_FETCH_STEP_REQUEST);
    request = test_peer_last_request (fixture->peer);
    g_assert_true (g_str_has_prefix (request, "GET /hello HTTP/1.1\r\nHost: localhost.test:"));
    g_assert_null (strstr (request, "Content-Type"));
    fetch (fixture, "localhost.test", "/bad", &got);
    assert_outcome (&got, RELAIS_FETCH_OK, NULL);
    g_assert_cmpuint (got.status, ==, 500);
    g_assert_cmpstr (got.body, ==, "bad");
    fetch (fixture, "localhost.test", "/interim", &got);
    assert_outcome (&got, RELAIS_FETCH_OK, NULL);
    g_assert_cmpuint (got.status, ==, 200);
    g_assert_cmpstr (got.early, ==, NULL);
    fetch (fixture, "localhost.test", "/chunked", &got);
    g_assert_cmpstr (got.body, ==, "0123456789a");
}

static void
test_methods (Fixture *fixture, gconstpointer data)
{
    g_autofree char *url = url_of (fixture->peer, "http", "localhost.test", "/hello");
    g_autoptr (GBytes) body = g_bytes_new_static ("{\"a\":1}", 7);
    static const char *const headers[] = {"Content-Type: application/json", "X-None:", NULL};
    g_autofree char *posted = NULL;
    g_autofree char *headed = NULL;
    g_autofree char *deleted = NULL;
    g_auto (Got) got = {0};

    fetch_info (fixture, &(RelaisFetchInfo){.url = url, .body = body, .headers = headers}, &got);
    assert_outcome (&got, RELAIS_FETCH_OK, NULL);
    posted = test_peer_last_request (fixture->peer);
    g_assert_true (g_str_has_prefix (posted, "POST /hello HTTP/1.1\r\n"));
    g_assert_nonnull (strstr (posted, "\r\nContent-Type: application/json\r\n"));
    g_assert_nonnull (strstr (posted, "\r\nX-None:\r\n"));
    g_assert_nonnull (strstr (posted, "\r\nContent-Length: 7\r\n"));
    g_assert_null (strstr (posted, "Expect"));
    g_assert_true (g_str_has_suffix (posted, "\r\n\r\n{\"a\":1}"));
    fetch_info (fixture, &(RelaisFetchInfo){.url = url, .method = "DELETE"}, &got);
    assert_outcome (&got, RELAIS_FETCH_OK, NULL);
    deleted = test_peer_last_request (fixture->peer);
    g_assert_true (g_str_has_prefix (deleted, "DELETE /hello HTTP/1.1\r\n"));
    /* No body follows the answer to HEAD, whatever its length says; this server sends one. */
    fetch_info (fixture,
                &(RelaisFetchInfo){.url = url, .method = "HEAD", .flags = RELAIS_FETCH_FRESH},
                &got);
    assert_outcome (&got, RELAIS_FETCH_OK, NULL);
    g_assert_cmpuint (got.size, ==, 0);
    headed = test_peer_last_request (fixture->peer);
    g_assert_true (g_str_has_prefix (headed, "HEAD /hello HTTP/1.1\r\n"));
}

static void
test_redirect (Fixture *fixture, gconstpointer data)
{
    g_auto (Got) got = {0};

    fetch (fixture, "localhost.test", "/moved", &got);
    assert_outcome (&got, RELAIS_FETCH_OK, NULL);
    g_assert_cmpuint (got.status, ==, 302);
    g_assert_cmpuint (test_peer_requests (fixture->peer), ==, 1);
}

static void
test_too_large (Fixture *fixture, gconstpointer data)
{
    static const struct {
        const char *path;
        guint64 max;
        RelaisFetchOutcome outcome;
    } cases[] = {
        {"/large", 0, RELAIS_FETCH_TOO_LARGE}, {"/hello", 4, RELAIS_FETCH_TOO_LARGE},
        {"/hello", 5, RELAIS_FETCH_OK},        {"/chunked", 10, RELAIS_FETCH_TOO_LARGE},
        {"/chunked", 11, RELAIS_FETCH_OK},
    };
    g_auto (Got) got = {0};

    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autofree char *url = url_of (fixture->peer, "http", "localhost.test", cases[i].path);

        fetch_info (fixture, &(RelaisFetchInfo){.url = url, .max_bytes = cases[i].max}, &got);
        assert_outcome (&got, cases[i].outcome, NULL);
    }
}

/* Header lines of 1 000 octets: 65 of them are too many, 64 are not, with the rest. */
static void
test_large_header (void)
{
    Fixture fixture = {0};
    g_autofree char *fill = g_strnfill (995, 'a');
    g_autoptr (GString) many = g_string_new ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n");
    g_autofree char *fits = NULL;
    TestPeerAnswer own[3] = {{"/fits", NULL, FALSE}, {"/many", NULL, FALSE}, {NULL}};
    g_auto (Got) got = {0};

    for (int i = 0; i < 65; i++)
        g_string_append_printf (many, "A: %s\r\n", fill);
    fits = g_strdup_printf ("%s\r\n", many->str);
    own[0].answer = fits;
    g_string_append_printf (many, "A: %s\r\n\r\n", fill);
    own[1].answer = many->str;
    fixture_set_up (&fixture, "");
    test_peer_free (fixture.peer);
    fixture.peer = test_peer_new (TEST_PEER_CLEAR, own);
    fetch (&fixture, "localhost.test", "/fits", &got);
    assert_outcome (&got, RELAIS_FETCH_OK, NULL);
    fetch (&fixture, "localhost.test", "/many", &got);
    assert_outcome (&got, RELAIS_FETCH_TOO_LARGE, NULL);
    fixture_tear_down (&fixture, NULL);
}

static void
test_protocol (Fixture *fixture, gconstpointer data)
{
    static const struct {
        const char *path, *text;
    } cases[] = {
        {"/cut", "the answer was cut short"},
        {"/cut-chunk", ""},
        {"/cut-header", "the answer was cut short"},
        {"/cut-line", "the answer was cut short"},
        {"/nothing", "the server closed the connection without an answer"},
        {"/garbage", "the answer is no HTTP"},
    };
    g_auto (Got) got = {0};

    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        fetch (fixture, "localhost.test", cases[i].path, &got);
        assert_outcome (&got, RELAIS_FETCH_PROTOCOL, cases[i].text);
        g_assert_cmpint (got.reached, ==, RELAIS_FETCH_STEP_REQUEST);
    }
}

static void
test_timeout (Fixture *fixture, gconstpointer data)
{
    g_autofree char *url = url_of (fixture->peer, "http", "localhost.test", "/never");
    g_auto (Got) got = {0};

    fetch_info (fixture, &(RelaisFetchInfo){.url = url, .timeout_us = 300 * 1000}, &got);
    assert_outcome (&got, RELAIS_FETCH_TIMEOUT, "in time");
    fetch_info (fixture, &(RelaisFetchInfo){.url = "http://drop.test/", .timeout_us = 300 * 1000},
                &got);
    assert_outcome (&got, RELAIS_FETCH_TIMEOUT, "the name was not looked up in time");
    g_assert_cmpint (got.reached, ==, RELAIS_FETCH_STEP_DNS);
}

/* A port that is bound and not listened on. */
static int
deaf_port (guint *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = g_htonl (INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint (bind (fd, (struct sockaddr *)&address, size), ==, 0);
    g_assert_cmpint (getsockname (fd, (struct sockaddr *)&address, &size), ==, 0);
    *port = g_ntohs (address.sin_port);
    return fd;
}

static void
test_connect (Fixture *fixture, gconstpointer data)
{
    guint port;
    int fd = deaf_port (&port);
    g_autofree char *url = g_strdup_printf ("http://localhost.test:%u/", port);
    g_autofree char *wanted = g_strdup_printf ("127.0.0.1 port %u: Connection refused", port);
    g_auto (Got) got = {0};

    fetch_url (fixture, url, &got);
    assert_outcome (&got, RELAIS_FETCH_CONNECT, wanted);
    g_assert_cmpint (got.reached, ==, RELAIS_FETCH_STEP_CONNECT);
    close (fd);
    /* Nobody listens on 127.0.0.2: the other address is tried, whichever comes first. */
    fetch (fixture, "two.test", "/hello", &got);
    assert_outcome (&got, RELAIS_FETCH_OK, NULL);
    g_assert_cmpstr (got.address, ==, "127.0.0.1");
}

/* --- TLS ---------------------------------------------------------------------------------------- */

static void
test_tls (Fixture *fixture, gconstpointer data)
{
    static const struct {
        TestPeerKind kind;
        RelaisFetchOutcome outcome;
        const char *text;
    } cases[] = {
        {TEST_PEER_TLS, RELAIS_FETCH_OK, ""},
        {TEST_PEER_EXPIRED, RELAIS_FETCH_TLS, "the certificate has expired"},
        {TEST_PEER_OTHER_NAME, RELAIS_FETCH_TLS,
         "the certificate is for another name than localhost.test"},
        {TEST_PEER_SELF_SIGNED, RELAIS_FETCH_TLS, "the certificate is self-signed"},
        {TEST_PEER_STRANGER, RELAIS_FETCH_TLS,
         "the certificate's chain is incomplete, or its authority is not trusted"},
        {TEST_PEER_CLEAR, RELAIS_FETCH_TLS, "the TLS handshake failed"},
    };
    g_auto (Got) got = {0};

    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autoptr (TestPeer) peer = test_peer_new (cases[i].kind, fetch_answers);
        g_autofree char *url = url_of (peer, "https", "localhost.test", "/hello");

        fetch_info (fixture, &(RelaisFetchInfo){.url = url, .flags = RELAIS_FETCH_FRESH}, &got);
        assert_outcome (&got, cases[i].outcome, cases[i].text);
        g_assert_cmpint (got.reached, ==,
                         cases[i].outcome == RELAIS_FETCH_OK ? RELAIS_FETCH_STEP_REQUEST
                                                             : RELAIS_FETCH_STEP_TLS);
        if (cases[i].outcome == RELAIS_FETCH_OK) {
            g_assert_cmpint (got.expires_us, >, g_get_real_time () + 29 * G_TIME_SPAN_DAY);
            g_assert_cmpint (got.expires_us, <, g_get_real_time () + 31 * G_TIME_SPAN_DAY);
        }
    }
}

/* --- Names and addresses ------------------------------------------------------------------------ */

static void
test_names (Fixture *fixture, gconstpointer data)
{
    g_auto (Got) got = {0};

    fetch (fixture, "absent.test", "/hello", &got);
    assert_outcome (&got, RELAIS_FETCH_DNS_ABSENT, "absent.test has no A or AAAA record");
    fetch (fixture, "text.test", "/hello", &got);
    assert_outcome (&got, RELAIS_FETCH_DNS_ABSENT, NULL);
    fetch (fixture, "fails.test", "/hello", &got);
    assert_outcome (&got, RELAIS_FETCH_DNS_TEMPORARY, "SERVFAIL");
    /* What one answer denied is asked for again before it is believed. */
    fetch (fixture, "late.test", "/hello", &got);
    assert_outcome (&got, RELAIS_FETCH_OK, NULL);
    fetch_url (fixture, "http://user@localhost.test/", &got);
    assert_outcome (&got, RELAIS_FETCH_BAD_URL, "user name");
    fetch_url (fixture, "http://localhost.test:25/", &got);
    assert_outcome (&got, RELAIS_FETCH_BAD_URL, "port");
}

/* The address that was looked at is the one that is gone to: no second question is asked that could
 * be answered otherwise. */
static void
test_pinned (Fixture *fixture, gconstpointer data)
{
    g_auto (Got) got = {0};

    fetch (fixture, "once.test", "/hello", &got);
    assert_outcome (&got, RELAIS_FETCH_OK, NULL);
    g_assert_cmpuint (test_dns_count (fixture->server, "once.test", RELAIS_DNS_A), ==, 1);
}

static void
test_refused (Fixture *fixture, gconstpointer data)
{
    static const char *const hosts[] = {
        "localhost.test", "private.test", "meta.test",  "six.test",           "mixed.test",
        "127.0.0.1",      "[::1]",        "2130706433", "[::ffff:127.0.0.1]", "localhost"};
    g_auto (Got) got = {0};

    for (gsize i = 0; i < G_N_ELEMENTS (hosts); i++) {
        g_test_message ("%s", hosts[i]);
        fetch (fixture, hosts[i], "/hello", &got);
        assert_outcome (&got, RELAIS_FETCH_REFUSED_ADDRESS, "which is not a public one");
        g_assert_cmpstr (got.address, !=, "");
    }
    g_assert_cmpuint (test_peer_connections (fixture->peer), ==, 0);
}

static void
test_exempt (Fixture *fixture, gconstpointer data)
{
    g_autoptr (TestPeer) peer = test_peer_new (TEST_PEER_CLEAR, fetch_answers);
    g_autofree char *url = url_of (peer, "http", "localhost.test", "/hello");
    g_auto (Got) got = {0};

    relais_fetcher_exempt (fixture->fetcher, "LocalHost.test",
                           (guint16)test_peer_port (fixture->peer));
    fetch (fixture, "localhost.test", "/hello", &got);
    assert_outcome (&got, RELAIS_FETCH_OK, NULL);
    fetch (fixture, "LOCALHOST.test", "/hello", &got);
    assert_outcome (&got, RELAIS_FETCH_OK, NULL);
    /* Not another name of the same address, nor another port of the same name. */
    fetch (fixture, "other.test", "/hello", &got);
    assert_outcome (&got, RELAIS_FETCH_REFUSED_ADDRESS, NULL);
    fetch_url (fixture, url, &got);
    assert_outcome (&got, RELAIS_FETCH_REFUSED_ADDRESS, NULL);
    g_assert_cmpuint (test_peer_connections (peer), ==, 0);
}

static void
test_reuse (Fixture *fixture, gconstpointer data)
{
    g_autofree char *url = url_of (fixture->peer, "http", "localhost.test", "/hello");
    g_auto (Got) got = {0};

    for (int i = 0; i < 3; i++) {
        fetch_url (fixture, url, &got);
        assert_outcome (&got, RELAIS_FETCH_OK, NULL);
        g_assert_cmpint (got.reached, ==, RELAIS_FETCH_STEP_REQUEST);
    }
    g_assert_cmpuint (test_peer_connections (fixture->peer), ==, 1);
    fetch_info (fixture, &(RelaisFetchInfo){.url = url, .flags = RELAIS_FETCH_FRESH}, &got);
    assert_outcome (&got, RELAIS_FETCH_OK, NULL);
    g_assert_cmpuint (test_peer_connections (fixture->peer), ==, 2);
    fetch (fixture, "other.test", "/hello", &got);
    g_assert_cmpuint (test_peer_connections (fixture->peer), ==, 3);
}

/* --- Turns, threads, the end -------------------------------------------------------------------- */

/* Two at once, three wait (the fixture's limits); the sixth is refused. */
static void
test_busy (Fixture *fixture, gconstpointer data)
{
    g_autofree char *never = url_of (fixture->peer, "http", "localhost.test", "/never");
    g_autofree char *hello = url_of (fixture->peer, "http", "localhost.test", "/hello");
    RelaisFetchInfo info = {.struct_size = sizeof info, .timeout_us = 50 * G_USEC_PER_SEC};
    RelaisFetch *fetches[6];
    RelaisFetcherFigures figures;
    g_auto (Got) busy = {0};
    Got got[6] = {{0}};

    for (int i = 0; i < 6; i++) {
        info.url = i == 3 ? hello : never;
        fetches[i] = relais_fetcher_start (fixture->fetcher, &info, on_done, &got[i]);
    }
    wait_for (fixture, &got[5]);
    assert_outcome (&got[5], RELAIS_FETCH_BUSY, NULL);
    relais_fetcher_figures (fixture->fetcher, &figures);
    g_assert_cmpuint (figures.active, ==, 2);
    g_assert_cmpuint (figures.waiting, ==, 3);
    /* One that waits and one that is under way leave; the fourth gets its turn. */
    relais_fetcher_drop (fetches[2]);
    g_assert_cmpint (got[3].told, ==, 0);
    relais_fetcher_drop (fetches[0]);
    wait_for (fixture, &got[3]);
    assert_outcome (&got[3], RELAIS_FETCH_OK, NULL);
    relais_fetcher_stop (fixture->fetcher);
    assert_outcome (&got[1], RELAIS_FETCH_STOPPED, NULL);
    assert_outcome (&got[4], RELAIS_FETCH_STOPPED, NULL);
    g_assert_cmpint (got[0].told, ==, 0);
    g_assert_cmpint (got[2].told, ==, 0);
    g_assert_null (relais_fetcher_start (fixture->fetcher, &info, on_done, &busy));
    g_assert_cmpuint (relais_fetcher_submit (fixture->fetcher, &info, on_done, &busy, NULL), ==, 0);
    for (int i = 0; i < 6; i++)
        got_clear (&got[i]);
}

static void
test_waits_in_vain (Fixture *fixture, gconstpointer data)
{
    g_autofree char *never = url_of (fixture->peer, "http", "localhost.test", "/never");
    RelaisFetchInfo info = {
        .struct_size = sizeof info, .url = never, .timeout_us = 50 * G_USEC_PER_SEC};
    Got got[2] = {{0}};
    g_auto (Got) late = {0};

    for (int i = 0; i < 2; i++)
        relais_fetcher_start (fixture->fetcher, &info, on_done, &got[i]);
    fetch_info (fixture, &(RelaisFetchInfo){.url = never, .timeout_us = 100 * 1000}, &late);
    assert_outcome (&late, RELAIS_FETCH_TIMEOUT, "its turn did not come in time");
    relais_fetcher_stop (fixture->fetcher);
    for (int i = 0; i < 2; i++)
        got_clear (&got[i]);
}

typedef struct {
    Fixture *fixture;
    const char *url;
    Got got[3];
} Elsewhere;

static gpointer
submit (gpointer data)
{
    Elsewhere *elsewhere = data;
    const RelaisFetchInfo info = {
        .struct_size = sizeof info, .url = elsewhere->url, .timeout_us = 50 * G_USEC_PER_SEC};

    for (int i = 0; i < 3; i++)
        g_assert_cmpuint (relais_fetcher_submit (elsewhere->fixture->fetcher, &info, on_done,
                                                 &elsewhere->got[i], NULL),
                          !=, 0);
    return NULL;
}

static void
test_threads (Fixture *fixture, gconstpointer data)
{
    g_autofree char *url = url_of (fixture->peer, "http", "localhost.test", "/hello");
    Elsewhere elsewhere = {fixture, url, {{0}}};
    GThread *thread = g_thread_new ("submits", submit, &elsewhere);

    for (int i = 0; i < 3; i++) {
        wait_for (fixture, &elsewhere.got[i]);
        assert_outcome (&elsewhere.got[i], RELAIS_FETCH_OK, NULL);
        got_clear (&elsewhere.got[i]);
    }
    g_thread_join (thread);
    /* What was submitted and not begun ends with the rest. */
    g_thread_join (g_thread_new ("submits", submit, &elsewhere));
    relais_fetcher_stop (fixture->fetcher);
    for (int i = 0; i < 3; i++) {
        assert_outcome (&elsewhere.got[i], RELAIS_FETCH_STOPPED, NULL);
        got_clear (&elsewhere.got[i]);
    }
}

static void
test_bad_info (Fixture *fixture, gconstpointer data)
{
    static const char *const headers[] = {"Host: other.test", NULL};
    const RelaisFetchInfo cases[] = {
        {.struct_size = sizeof cases[0]},
        {.struct_size = sizeof cases[0], .url = "http://a.test/", .method = "TRACE"},
        {.struct_size = sizeof cases[0], .url = "http://a.test/", .headers = headers},
        {.struct_size = sizeof cases[0], .url = "http://a.test/", .flags = 2},
        {.struct_size = sizeof cases[0], .url = "http://a.test/", .timeout_us = -1},
        {.struct_size = 4, .url = "http://a.test/"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_assert_null (relais_fetcher_start (fixture->fetcher, &cases[i], on_done, NULL));
        g_assert_false (relais_fetcher_submit (fixture->fetcher, &cases[i], on_done, NULL, NULL));
    }
}

static void
test_bad_ca_file (Fixture *fixture, gconstpointer data)
{
    const RelaisFetcherOptions options = {
        .loop = fixture->loop, .dns = fixture->dns, .ca_file = "/nowhere/ca.pem", .max_fetches = 1};
    g_autoptr (GError) error = NULL;

    g_assert_null (relais_fetcher_new (&options, &error));
    g_assert_nonnull (strstr (error->message, "/nowhere/ca.pem"));
}

int
main (int argc, char **argv)
{
    static const struct {
        const char *name, *allow;
        void (*func) (Fixture *fixture, gconstpointer data);
    } cases[] = {
        {"/http/fetch/ok", "", test_ok},
        {"/http/fetch/methods", "", test_methods},
        {"/http/fetch/redirect", "", test_redirect},
        {"/http/fetch/too-large", "", test_too_large},
        {"/http/fetch/protocol", "", test_protocol},
        {"/http/fetch/timeout", "", test_timeout},
        {"/http/fetch/connect", "", test_connect},
        {"/http/fetch/tls", "", test_tls},
        {"/http/fetch/names", "", test_names},
        {"/http/fetch/pinned", "", test_pinned},
        {"/http/fetch/refused", NULL, test_refused},
        {"/http/fetch/exempt", NULL, test_exempt},
        {"/http/fetch/reuse", "", test_reuse},
        {"/http/fetch/busy", "", test_busy},
        {"/http/fetch/waits-in-vain", "", test_waits_in_vain},
        {"/http/fetch/threads", "", test_threads},
        {"/http/fetch/bad-info", "", test_bad_info},
        {"/http/fetch/bad-ca-file", "", test_bad_ca_file},
    };

    /* Nobody listens there: whoever asks the environment for a proxy fails. */
    g_setenv ("http_proxy", "http://127.0.0.1:1", TRUE);
    g_setenv ("https_proxy", "http://127.0.0.1:1", TRUE);
    g_setenv ("ALL_PROXY", "http://127.0.0.1:1", TRUE);
    g_test_init (&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
        g_test_add (cases[i].name, Fixture, cases[i].allow, fixture_set_up, cases[i].func,
                    fixture_tear_down);
    g_test_add_func ("/http/fetch/large-header", test_large_header);
    return g_test_run ();
}
