/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See the header.
 */
#include "config.h"

#include "http/fetch-bed.h"

#include <glib/gstdio.h>
#include <string.h>

static const char zone[] = "localhost.test A 127.0.0.1\n"
                           "other.test A 127.0.0.1\n"
                           "two.test A 127.0.0.2\n"
                           "two.test A 127.0.0.1\n"
                           "once.test A 127.0.0.1\n"
                           "once.test A !ANSWER SERVFAIL\n"
                           "late.test A 127.0.0.1\n"
                           "late.test A !NXDOMAIN ANSWER\n"
                           "late.test AAAA !NXDOMAIN ANSWER\n"
                           "text.test TXT no address\n"
                           "fails.test A !SERVFAIL\n"
                           "fails.test AAAA !SERVFAIL\n"
                           "drop.test A !DROP\n"
                           "drop.test AAAA !DROP\n"
                           "private.test A 10.1.2.3\n"
                           "meta.test CNAME private.test\n"
                           "six.test AAAA ::1\n"
                           "mixed.test A 93.184.216.34\n"
                           "mixed.test AAAA fd00::1\n";

#define HEAD "HTTP/1.1 200 OK\r\n"
const TestPeerAnswer fetch_answers[] = {
    {"/hello", HEAD "Content-Length: 5\r\nX-Word:  hi \r\n\r\nhello", TRUE},
    {"/empty", "HTTP/1.1 204 No Content\r\n\r\n", TRUE},
    {"/moved", "HTTP/1.1 302 Found\r\nLocation: /hello\r\nContent-Length: 0\r\n\r\n", TRUE},
    {"/bad", "HTTP/1.1 500 Sorry\r\nContent-Length: 3\r\n\r\nbad", TRUE},
    {"/interim", "HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n" HEAD "Content-Length: 0\r\n\r\n",
     TRUE},
    {"/chunked", HEAD "Transfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n5\r\n6789a\r\n0\r\n\r\n",
     TRUE},
    {"/large", HEAD "Content-Length: 100000\r\n\r\n", FALSE},
    {"/cut", HEAD "Content-Length: 10\r\n\r\nhello", FALSE},
    {"/cut-chunk", HEAD "Transfer-Encoding: chunked\r\n\r\n10\r\nhello", FALSE},
    {"/cut-header", HEAD "Content-Length: 0\r\n", FALSE},
    {"/cut-line", HEAD "Content-Le", FALSE},
    {"/nothing", "", FALSE},
    {"/garbage", "220 mail.test ESMTP\r\n", FALSE},
    {"/never", NULL, FALSE},
    {NULL},
};

void
fixture_set_up (Fixture *fixture, gconstpointer data)
{
    static const char *const allow[] = {"127.0.0.0/8", NULL};
    const char *servers[2] = {NULL};
    const RelaisDnsOptions dns = {
        .servers = servers, .timeout_us = 20 * G_USEC_PER_SEC, .max_queries = 100};
    RelaisFetcherOptions options = {
        .allow = data != NULL ? allow : NULL, .max_fetches = 2, .max_waiting = 3};
    g_autoptr (GError) error = NULL;

    fixture->folder = g_dir_make_tmp ("relais-fetch-XXXXXX", NULL);
    fixture->ca_file = g_build_filename (fixture->folder, "ca.pem", NULL);
    test_peer_write_authority (fixture->ca_file);
    fixture->server = test_dns_new (zone);
    servers[0] = test_dns_address (fixture->server);
    fixture->loop = relais_loop_new (NULL, NULL);
    fixture->dns = relais_dns_new (&dns, fixture->loop, &error);
    g_assert_no_error (error);
    options.loop = fixture->loop;
    options.dns = fixture->dns;
    options.ca_file = fixture->ca_file;
    fixture->fetcher = relais_fetcher_new (&options, &error);
    g_assert_no_error (error);
    fixture->peer = test_peer_new (TEST_PEER_CLEAR, fetch_answers);
}

void
fixture_tear_down (Fixture *fixture, gconstpointer data)
{
    relais_fetcher_free (fixture->fetcher);
    test_peer_free (fixture->peer);
    relais_dns_free (fixture->dns);
    relais_loop_free (fixture->loop);
    test_dns_free (fixture->server);
    g_remove (fixture->ca_file);
    g_rmdir (fixture->folder);
    g_free (fixture->ca_file);
    g_free (fixture->folder);
}

/* --- What came ---------------------------------------------------------------------------------- */

void
got_clear (Got *got)
{
    g_free (got->text);
    g_free (got->body);
    g_free (got->word);
    g_free (got->early);
    g_free (got->address);
    *got = (Got){0};
}

void
on_done (const RelaisFetchResult *result, gpointer data)
{
    Got *got = data;

    g_assert_cmpint (got->told, ==, 0);
    g_assert_cmpuint (result->struct_size, ==, sizeof *result);
    got->told++;
    got->outcome = result->outcome;
    got->reached = result->reached;
    got->status = result->status;
    got->text = g_strdup (result->text);
    got->size = g_bytes_get_size (result->body);
    got->body = g_strndup (g_bytes_get_data (result->body, NULL), got->size);
    got->word = g_strdup (relais_fetch_result_get_header (result, "x-word"));
    got->early = g_strdup (relais_fetch_result_get_header (result, "X-Early"));
    got->address = g_strdup (result->address);
    got->expires_us = result->certificate_expires_us;
}

void
wait_for (Fixture *fixture, const Got *got)
{
    gint64 end = g_get_monotonic_time () + 60 * G_USEC_PER_SEC;

    while (got->told == 0) {
        g_assert_cmpint (g_get_monotonic_time (), <, end);
        relais_loop_turn (fixture->loop, true);
    }
}

char *
url_of (const TestPeer *peer, const char *scheme, const char *host, const char *path)
{
    return g_strdup_printf ("%s://%s:%u%s", scheme, host, test_peer_port (peer), path);
}

void
fetch_info (Fixture *fixture, RelaisFetchInfo *info, Got *got)
{
    info->struct_size = sizeof *info;
    if (info->timeout_us == 0)
        info->timeout_us = 50 * G_USEC_PER_SEC;
    got_clear (got);
    g_assert_nonnull (relais_fetcher_start (fixture->fetcher, info, on_done, got));
    g_assert_cmpint (got->told, ==, 0);
    wait_for (fixture, got);
}

void
fetch_url (Fixture *fixture, const char *url, Got *got)
{
    fetch_info (fixture, &(RelaisFetchInfo){.url = url}, got);
}

void
fetch (Fixture *fixture, const char *host, const char *path, Got *got)
{
    g_autofree char *url = url_of (fixture->peer, "http", host, path);

    fetch_url (fixture, url, got);
}

void
assert_outcome (const Got *got, RelaisFetchOutcome outcome, const char *text)
{
    g_test_message ("%s: %s", relais_fetch_outcome_to_string (got->outcome), got->text);
    g_assert_cmpstr (relais_fetch_outcome_to_string (got->outcome), ==,
                     relais_fetch_outcome_to_string (outcome));
    if (text != NULL)
        g_assert_nonnull (strstr (got->text, text));
    if (outcome != RELAIS_FETCH_OK) {
        g_assert_cmpuint (got->status, ==, 0);
        g_assert_cmpuint (got->size, ==, 0);
    }
}
