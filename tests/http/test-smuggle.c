/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The front against octets that hide one request in another: each gives one answer with the status that
 * the table says, then the end of the connection, and no handler ever runs. Good ones run one.
 */
#include "config.h"

#include "bed.h"
#include "cases.h"

#include <string.h>

static guint handled;

static void
count (RelaisHttpRequest *request, gpointer data)
{
    g_autoptr (GBytes) body = g_bytes_new_static ("good\n", 5);

    handled++;
    g_assert_true (relais_http_answer (request, 200, "text/plain", body));
}

static Bed *
open_bed (void)
{
    Bed *bed = bed_new ("[http t]\nkind = tracker\n");

    bed_add_route (bed, (RelaisHttpRouteInfo){.path = "/",
                                              .methods = RELAIS_HTTP_GET | RELAIS_HTTP_POST,
                                              .max_body = 1000,
                                              .func = count});
    bed_open (bed);
    handled = 0;
    return bed;
}

static guint
count_answers (const char *text)
{
    guint n = 0;

    for (; (text = strstr (text, "HTTP/1.1 ")) != NULL; text++)
        n += g_ascii_isdigit (text[9]);
    return n;
}

static void
test_refused (void)
{
    Bed *bed = open_bed ();

    g_assert_cmpuint (n_bad_cases, >=, 40);
    for (guint i = 0; i < n_bad_cases; i++) {
        const BadCase *bad = &bad_cases[i];
        Client *client = client_new (bed);
        const char *answer;

        g_test_message ("%s", bad->name);
        client_send (client, bad->bytes, bad->size > 0 ? (gssize)bad->size : -1);
        answer = client_read_all (client);
        g_assert_cmpuint (answer_status (answer), ==, bad->status);
        g_assert_cmpuint (count_answers (answer), ==, 1);
        g_assert_nonnull (strstr (answer, "\r\nConnection: close\r\n"));
        g_assert_null (strstr (answer, "good"));
        client_free (client);
    }
    g_assert_cmpuint (handled, ==, 0);
    g_assert_cmpuint (bed->figures.requests, ==, 0);
    g_assert_cmpuint (bed->figures.refused, ==, n_bad_cases);
    bed_free (bed);
}

/* The same octet by octet. */
static void
test_refused_slowly (void)
{
    Bed *bed = open_bed ();

    for (guint i = 0; i < n_bad_cases; i++) {
        const BadCase *bad = &bad_cases[i];
        const gsize size = bad->size > 0 ? bad->size : strlen (bad->bytes);
        Client *client = client_new (bed);

        for (gsize k = 0; k < size && !client->eof; k++) {
            client_send (client, bad->bytes + k, 1);
            bed_settle (bed);
        }
        g_assert_cmpuint (answer_status (client_read_all (client)), ==, bad->status);
        client_free (client);
    }
    g_assert_cmpuint (handled, ==, 0);
    bed_free (bed);
}

/* Behind a good request a bad one is refused as it would be alone. */
static void
test_refused_behind_good (void)
{
    Bed *bed = open_bed ();

    for (guint i = 0; i < n_bad_cases; i++) {
        const BadCase *bad = &bad_cases[i];
        GString *bytes = g_string_new ("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
        Client *client = client_new (bed);
        const char *second;

        g_string_append_len (bytes, bad->bytes,
                             bad->size > 0 ? (gssize)bad->size : (gssize)strlen (bad->bytes));
        client_send (client, bytes->str, (gssize)bytes->len);
        second = strstr (client_read_all (client) + 1, "HTTP/1.1 ");
        g_assert_nonnull (second);
        g_assert_cmpuint (answer_status (second), ==, bad->status);
        g_assert_cmpuint (count_answers (second), ==, 1);
        g_assert_cmpuint (handled, ==, i + 1);
        client_free (client);
        g_string_free (bytes, TRUE);
    }
    bed_free (bed);
}

static void
test_taken (void)
{
    Bed *bed = open_bed ();

    for (guint i = 0; i < n_good_cases; i++) {
        Client *client = client_new (bed);
        const bool head = g_str_has_prefix (good_cases[i], "HEAD");
        g_autofree char *answer = NULL;

        g_test_message ("%s", good_cases[i]);
        client_send (client, good_cases[i], -1);
        answer = client_read_answer (client, head);
        g_assert_cmpuint (answer_status (answer), ==, 200);
        g_assert_cmpuint (handled, ==, i + 1);
        g_assert_true (g_str_has_suffix (answer, head ? "\r\n\r\n" : "\r\n\r\ngood\n"));
        client_shut (client);
        client_expect_end (client, "");
        client_free (client);
    }
    bed_free (bed);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/smuggle/refused", test_refused);
    g_test_add_func ("/smuggle/refused-slowly", test_refused_slowly);
    g_test_add_func ("/smuggle/refused-behind-good", test_refused_behind_good);
    g_test_add_func ("/smuggle/taken", test_taken);
    return g_test_run ();
}
