/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/queue: limits, ours and the peer's. The daemon's total of connections, recipients in one
 * transaction, SIZE, 8BITMIME.
 */
#include "config.h"

#include "scene.h"

#include <string.h>

/* --- Connections ------------------------------------------------------------------------------ */

static void
test_total_of_connections (void)
{
    static const char *const recipients[] = {"x@a.test", "x@b.test", "x@c.test"};
    Test test;

    test_open (&test, "");
    test.fixture.queue->settings.connections_total = 1;
    test.sink->hold = true;
    fake_dns_set ("a.test", "mx.a.test=127.0.0.1");
    fake_dns_set ("b.test", "mx.b.test=127.0.0.1");
    fake_dns_set ("c.test", "mx.c.test=127.0.0.1");
    for (gsize i = 0; i < 6; i++)
        fixture_mail (&test.fixture, recipients[i % 3]);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->open, ==, 1);
    g_assert_cmpuint (test.sink->messages->len, ==, 0);
    /* Whoever is done gives way, without any time going by. */
    for (guint i = 0; i < 6; i++) {
        g_assert_cmpuint (sink_release (test.sink, 1), ==, 1);
        fixture_settle (&test.fixture);
    }
    g_assert_cmpuint (test.sink->messages->len, ==, 6);
    g_assert_cmpuint (test.sink->most_open, ==, 1);
    g_assert_cmpuint (figures (&test).deliveries, ==, 0);
    g_assert_cmpuint (test.fixture.queue->starved_lanes.length, ==, 0);
    test_close (&test);
}

/* What was prepared behind a connection that hangs goes by the one that is free. */
static void
test_prepared_is_stolen (void)
{
    Test test;
    guint first;

    test_open (&test, "[route two]\nhost = 127.0.0.1\nport = @PORT@\ntls = none\n"
                      "domains = two.test\nconnections = 2\n");
    test.sink->hold = true;
    for (guint i = 0; i < 4; i++)
        fixture_mail (&test.fixture, "x@two.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->open, ==, 2);
    /* The oldest connection alone is answered. */
    for (guint i = 0; i < 3; i++) {
        g_assert_cmpuint (sink_release (test.sink, 1), ==, 1);
        fixture_settle (&test.fixture);
    }
    g_assert_cmpuint (test.sink->messages->len, ==, 3);
    first = sink_message (test.sink, 0)->connection;
    g_assert_cmpuint (sink_message (test.sink, 1)->connection, ==, first);
    g_assert_cmpuint (sink_message (test.sink, 2)->connection, ==, first);
    g_assert_cmpuint (sink_held (test.sink), ==, 1);
    sink_release (test.sink, 1);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 4);
    test_close (&test);
}

/* --- Recipients ------------------------------------------------------------------------------- */

static void
submit_three (Test *test)
{
    const char *recipients[] = {"one@a.rcpt.test", "two@a.rcpt.test", "three@a.rcpt.test", NULL};

    fixture_submit (&test->fixture, &(Mail){.sender = "a@sender.test", .recipients = recipients});
    fixture_settle (&test->fixture);
}

/* RFC 5321 section 4.5.3.1.10. Takes one recipient in each transaction. */
static const char *
one_each (gpointer data, Sink *sink, const char *line)
{
    guint *n = data;

    if (g_str_has_prefix (line, "MAIL"))
        *n = 0;
    if (!g_str_has_prefix (line, "RCPT") || ++*n == 1)
        return NULL;
    return *n == 2 ? "452 4.5.3 enough of them" : "552 too many recipients";
}

static void
test_too_many_recipients (void)
{
    Test test;
    guint n = 0;

    test_open (&test, "");
    test.sink->answer = one_each;
    test.sink->data = &n;
    submit_three (&test);
    g_assert_cmpuint (test.sink->messages->len, ==, 3);
    g_assert_cmpuint (fixture_count (&test.fixture, "delivered"), ==, 3);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 0);
    g_assert_nonnull (strstr (fixture_last (&test.fixture, "delivered"), "\"attempts\":1"));
    test_close (&test);
}

/* With none taken it is a deferral like any other, also under its old name. */
static void
test_too_many_and_none_taken (void)
{
    Test test;
    Rule rules[] = {{"RCPT", "552 5.5.3 too many recipients", 0}, {NULL, NULL, 0}};

    test_open (&test, "");
    test.sink->answer = by_rules;
    test.sink->data = rules;
    submit_three (&test);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 3);
    g_assert_cmpuint (fixture_count (&test.fixture, "bounced"), ==, 0);
    g_assert_cmpuint (test.sink->accepted, ==, 1);
    test_close (&test);
}

/* The same codes for other reasons: nothing goes again at once. */
static void
test_full_mailboxes (void)
{
    Test test;
    Rule rules[] = {{"<two@", "452 4.2.2 mailbox full", 0},
                    {"<three@", "552 5.2.2 mailbox full", 0},
                    {NULL, NULL, 0}};

    test_open (&test, "");
    test.sink->answer = by_rules;
    test.sink->data = rules;
    submit_three (&test);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    g_assert_cmpuint (fixture_count (&test.fixture, "delivered"), ==, 1);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 1);
    g_assert_nonnull (strstr (fixture_last (&test.fixture, "deferred"), "two@a.rcpt.test"));
    g_assert_nonnull (strstr (fixture_last (&test.fixture, "deferred"), "\"attempts\":1"));
    g_assert_cmpuint (fixture_count (&test.fixture, "bounced"), >=, 1);
    test_close (&test);
}

/* --- What the peer can take ------------------------------------------------------------------- */

static void
submit_body (Test *test, const char *body)
{
    const char *recipients[] = {"x@a.rcpt.test", NULL};

    fixture_submit (&test->fixture,
                    &(Mail){.sender = "a@in.rcpt.test", .recipients = recipients, .body = body});
    fixture_settle (&test->fixture);
}

static void
test_peer_without_8bitmime (void)
{
    Test test;
    const SinkMessage *message;

    test_open (&test, "");
    test.sink->plain = true;
    submit_body (&test, "Subject: t\r\nMIME-Version: 1.0\r\n"
                        "Content-Type: text/plain; charset=utf-8\r\n"
                        "Content-Transfer-Encoding: 8bit\r\n\r\ncaf\303\251\r\n");
    message = sink_message (test.sink, 0);
    g_assert_cmpstr (message->sender, ==, "a@in.rcpt.test");
    for (gsize i = 0; i < message->data->len; i++)
        g_assert_cmpuint ((guint8)message->data->str[i], <, 128);
    g_assert_nonnull (strstr (message->data->str, "caf=C3=A9"));
    test_close (&test);
}

/* A signature would not survive the change: the sender is told. */
static void
test_signed_and_no_8bitmime (void)
{
    Test test;

    test_open (&test, "");
    test.sink->plain = true;
    submit_body (&test, "Subject: t\r\nMIME-Version: 1.0\r\n"
                        "Content-Type: multipart/signed; boundary=b; micalg=x; protocol=\"a/b\"\r\n"
                        "\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n"
                        "Content-Transfer-Encoding: 8bit\r\n\r\ncaf\303\251\r\n"
                        "--b\r\nContent-Type: a/b\r\n\r\nsig\r\n--b--\r\n");
    g_assert_cmpuint (fixture_count (&test.fixture, "bounced"), ==, 1);
    g_assert_nonnull (strstr (fixture_last (&test.fixture, "bounced"), "\"enhanced\":\"5.6.3\""));
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    g_assert_cmpstr (sink_message (test.sink, 0)->sender, ==, "");
    test_close (&test);
}

static void
test_too_large_for_the_peer (void)
{
    Test test;
    g_autofree char *text = g_strnfill (900, 'x');
    g_autofree char *body = g_strdup_printf ("Subject: t\r\n\r\n%s\r\n%s\r\n%s\r\n%s\r\n%s\r\n",
                                             text, text, text, text, text);

    test_open (&test, "");
    test.sink->extension = "250-SIZE 4000";
    submit_body (&test, body);
    g_assert_cmpuint (fixture_count (&test.fixture, "bounced"), ==, 1);
    g_assert_nonnull (strstr (fixture_last (&test.fixture, "bounced"), "\"enhanced\":\"5.3.4\""));
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    g_assert_cmpstr (sink_message (test.sink, 0)->sender, ==, "");
    test_close (&test);
}

/* --- What EHLO offers ------------------------------------------------------------------------- */

/* RFC 9422: every transaction keeps to what the peer said, and every recipient is served. */
static void
test_limits_of_the_peer (void)
{
    static const char *const recipients[] = {
        "1@a.rcpt.test", "2@b.rcpt.test", "3@a.rcpt.test", "4@a.rcpt.test",
        "5@c.rcpt.test", "6@c.rcpt.test", "7@c.rcpt.test", NULL};
    const Mail mail = {.sender = "a@sender.test", .recipients = recipients};
    Test test;
    guint n = 0, per_connection[16] = {0};

    test_open (&test, "");
    test.sink->extension = "250-LIMITS RCPTMAX=2 RCPTDOMAINMAX=1 MAILMAX=2";
    fixture_submit (&test.fixture, &mail);
    fixture_submit (&test.fixture, &mail);
    fixture_settle (&test.fixture);
    for (guint i = 0; i < test.sink->messages->len; i++) {
        const SinkMessage *message = sink_message (test.sink, i);
        const char *first = message->recipients->pdata[0];

        g_assert_cmpuint (message->recipients->len, <=, 2);
        for (guint j = 0; j < message->recipients->len; j++)
            g_assert_cmpstr (strchr (message->recipients->pdata[j], '@'), ==, strchr (first, '@'));
        n += message->recipients->len;
        g_assert_cmpuint (message->connection, <, G_N_ELEMENTS (per_connection));
        g_assert_cmpuint (++per_connection[message->connection], <=, 2);
    }
    g_assert_cmpuint (n, ==, 14);
    g_assert_cmpuint (fixture_count (&test.fixture, "delivered"), ==, 14);
    test_close (&test);
}

/* RFC 6531 section 3.2: what needs the extension goes back where it is not offered; a domain alone does
 * not need it. */
static void
test_internationalised (void)
{
    for (guint offered = 0; offered < 2; offered++) {
        Test test;

        test_open (&test, "");
        test.sink->extension = offered ? "250-SMTPUTF8" : NULL;
        fake_dns_set ("sender.test", "mx.sender.test=127.0.0.1"); /* for the report */
        fixture_mail (&test.fixture, "j\xc3\xb6rg@a.rcpt.test");
        fixture_mail (&test.fixture, "x@xn--bcher-kva.rcpt.test");
        fixture_settle (&test.fixture);
        g_assert_cmpuint (fixture_count (&test.fixture, "bounced"), ==, offered ? 0 : 1);
        g_assert_cmpuint (fixture_count (&test.fixture, "delivered"), ==, 2);
        if (!offered)
            g_assert_nonnull (
                strstr (fixture_last (&test.fixture, "bounced"), "\"enhanced\":\"5.6.7\""));
        test_close (&test);
    }
}

typedef struct {
    GString *lines;
} Heard;

static const char *
hear (gpointer data, Sink *sink, const char *line)
{
    Heard *heard = data;

    if (g_str_has_prefix (line, "MAIL") || g_str_has_prefix (line, "RCPT"))
        g_string_append_printf (heard->lines, "%s\n", line);
    return NULL;
}

/* RFC 3461: to a peer that can report the wishes go on; else the report that it was passed on is ours. */
static void
test_reports_relayed (void)
{
    static const char *const recipients[] = {"x@a.rcpt.test", NULL};
    const Mail mail = {.sender = "a@sender.test",
                       .recipients = recipients,
                       .notify = RELAIS_NOTIFY_SUCCESS | RELAIS_NOTIFY_FAILURE,
                       .ret = RELAIS_RET_HDRS};

    for (guint offered = 0; offered < 2; offered++) {
        Test test;
        Heard heard = {g_string_new (NULL)};

        test_open (&test, "");
        test.sink->extension = offered ? "250-DSN" : NULL;
        test.sink->answer = hear;
        test.sink->data = &heard;
        fake_dns_set ("sender.test", "mx.sender.test=127.0.0.1");
        fixture_submit (&test.fixture, &mail);
        fixture_settle (&test.fixture);
        g_assert_true ((strstr (heard.lines->str, " NOTIFY=SUCCESS,FAILURE") != NULL) == offered);
        g_assert_true ((strstr (heard.lines->str, " RET=HDRS") != NULL) == offered);
        g_assert_cmpuint (test.sink->messages->len, ==, offered ? 1 : 2);
        if (!offered)
            g_assert_nonnull (strstr (sink_message (test.sink, 1)->data->str, "Action: relayed"));
        test_close (&test);
        g_string_free (heard.lines, TRUE);
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/queue/limits/total-of-connections", test_total_of_connections);
    g_test_add_func ("/queue/limits/prepared-is-stolen", test_prepared_is_stolen);
    g_test_add_func ("/queue/limits/too-many-recipients", test_too_many_recipients);
    g_test_add_func ("/queue/limits/too-many-and-none-taken", test_too_many_and_none_taken);
    g_test_add_func ("/queue/limits/full-mailboxes", test_full_mailboxes);
    g_test_add_func ("/queue/limits/peer-without-8bitmime", test_peer_without_8bitmime);
    g_test_add_func ("/queue/limits/signed-and-no-8bitmime", test_signed_and_no_8bitmime);
    g_test_add_func ("/queue/limits/too-large-for-the-peer", test_too_large_for_the_peer);
    g_test_add_func ("/queue/limits/limits-of-the-peer", test_limits_of_the_peer);
    g_test_add_func ("/queue/limits/internationalised", test_internationalised);
    g_test_add_func ("/queue/limits/reports-relayed", test_reports_relayed);
    return g_test_run ();
}
