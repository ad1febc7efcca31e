/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/smtp/client, BDAT (RFC 3030): the message as it is in one chunk, when it is used, and what replies
 * mean.
 */
#include "config.h"

#include "client-peer.h"

#include <signal.h>
#include <string.h>

#define SCRIPT(...) ((const char *const[]){__VA_ARGS__, NULL})
#define GREETING(more)                                                                             \
    "S 220 mx.test", "E EHLO client.test", "s 250-mx.test\r\n250-CHUNKING\r\n250 " more "\r\n"
#define MAIL "E MAIL FROM:<s@a.test>"
#define RCPT(n) "E RCPT TO:<r" #n "@b.test>"
#define BDAT "E BDAT 20 LAST", "N 20"
#define BYE "E QUIT", "S 221 bye", "x"

static const char text[] = "A: b\r\n\r\n.dot\r\n..\r\n\r\n";

typedef struct {
    const char *name;
    const char *const *script;
    guint codes[2]; /* 0: the session broke before it */
    RelaisSmtpPhase phases[2];
    bool failed, taken;
} Case;

#define AT_MAIL RELAIS_PHASE_MAIL
#define AT_RCPT RELAIS_PHASE_RCPT
#define AT_BODY RELAIS_PHASE_BODY
#define AT_DOT RELAIS_PHASE_DOT

static const Case cases[] = {
    {"plain",
     SCRIPT (GREETING ("DSN"), MAIL, "S 250 ok", RCPT (0), "S 250 ok", RCPT (1), "S 550 no", BDAT,
             "S 250 taken", BYE),
     {250, 550},
     {AT_DOT, AT_RCPT},
     false,
     true},
    {"pipelined",
     SCRIPT (GREETING ("PIPELINING"), MAIL, RCPT (0), RCPT (1), "s 250 ok\r\n250 ok\r\n250 ok\r\n",
             BDAT, "S 250 taken", BYE),
     {250, 250},
     {AT_DOT, AT_DOT},
     false,
     true},
    {"pipelined/none-accepted",
     SCRIPT (GREETING ("PIPELINING"), MAIL, RCPT (0), RCPT (1), "s 250 ok\r\n550 no\r\n450 no\r\n",
             BYE),
     {550, 450},
     {AT_RCPT, AT_RCPT},
     false,
     false},
    {"pipelined/mail-refused",
     SCRIPT (GREETING ("PIPELINING"), MAIL, RCPT (0), RCPT (1), "s 550 no\r\n503 no\r\n503 no\r\n",
             BYE),
     {550, 550},
     {AT_MAIL, AT_MAIL},
     false,
     false},
    {"refused",
     SCRIPT (GREETING ("PIPELINING"), MAIL, RCPT (0), RCPT (1), "s 250 ok\r\n250 ok\r\n250 ok\r\n",
             BDAT, "S 554 5.7.1 no", BYE),
     {554, 554},
     {AT_DOT, AT_DOT},
     false,
     true},
    {"closed-behind-it",
     SCRIPT (GREETING ("PIPELINING"), MAIL, RCPT (0), RCPT (1), "s 250 ok\r\n250 ok\r\n250 ok\r\n",
             BDAT),
     {0, 0},
     {AT_DOT, AT_DOT},
     true,
     true},
    /* a reply that nothing asked for yet is not the chunk's */
    {"injected",
     SCRIPT (GREETING ("PIPELINING"), MAIL, RCPT (0), RCPT (1),
             "s 250 ok\r\n250 ok\r\n250 ok\r\n250 taken\r\n", "X"),
     {0, 0},
     {AT_RCPT, AT_RCPT},
     true,
     false},
};

static void
test_case (gconstpointer data)
{
    const Case *c = data;
    g_auto (Run) run;
    g_auto (Mail) mail;

    G_STATIC_ASSERT (sizeof text == 20 + 1);
    run_init (&run);
    mail_init (&mail, 2, text);
    mail.tx.chunking = true;
    run_mail (&run, &mail, c->script);
    g_assert_cmpuint (run.sent, ==, 1);
    g_assert_true (run.sent_failed == c->failed);
    for (guint i = 0; i < 2; i++) {
        g_assert_cmpuint (run_code (&run, i), ==, c->codes[i]);
        g_assert_cmpint (run_phase (&run, i), ==, c->phases[i]);
    }
    g_assert_cmpstr (run.peer.message->str, ==, c->taken ? text : "");
}

/* Not asked for, not offered, or a message whose last line has no end: DATA. */
static void
test_data_instead (void)
{
    static const struct {
        bool asked;
        const char *text, *line;
    } mails[] = {{false, "x\r\n", "250 CHUNKING"},
                 {true, "x\r\n", "250 DSN"},
                 {true, "x", "250 CHUNKING"},
                 {true, "", "250 CHUNKING"}};

    for (guint i = 0; i < G_N_ELEMENTS (mails); i++) {
        g_auto (Run) run;
        g_auto (Mail) mail;
        g_autofree char *ehlo = g_strdup_printf ("s 250-mx.test\r\n%s\r\n", mails[i].line);

        run_init (&run);
        mail_init (&mail, 1, mails[i].text);
        mail.tx.chunking = mails[i].asked;
        run_mail (&run, &mail,
                  SCRIPT ("S 220 mx.test", "E EHLO client.test", ehlo, MAIL, "S 250 ok", RCPT (0),
                          "S 250 ok", "E DATA", "S 354 go", "B", "S 250 ok", BYE));
        g_assert_cmpuint (run_code (&run, 0), ==, 250);
    }
}

/* A bare LF far inside is met on the way: the chunk is cut short, so that it is no message. */
static void
test_bare_newline (void)
{
    g_auto (Run) run;
    g_auto (Mail) mail;
    g_autoptr (GString) large = g_string_new (NULL);
    g_autofree char *bdat = NULL;

    while (large->len < 1024 * 1024)
        g_string_append (large, "some text of a line\r\n");
    g_string_append (large, "bad\nline\r\n");
    bdat = g_strdup_printf ("E BDAT %" G_GSIZE_FORMAT " LAST", large->len);
    run_init (&run);
    mail_init (&mail, 1, large->str);
    mail.tx.chunking = true;
    run_mail (
        &run, &mail,
        SCRIPT (GREETING ("DSN"), MAIL, "S 250 ok", RCPT (0), "S 250 ok", bdat, "N 10000000"));
    g_assert_true (run.peer.cut);
    g_assert_cmpuint (run.peer.message->len, <, large->len);
    g_assert_cmpint (run.sent_failure.refused, ==, RELAIS_REFUSED_LINE_ENDS);
    g_assert_null (strstr (run.peer.message->str, "bad\n"));
}

/* A megabyte through back-pressure, twice over one connection. */
static void
test_large (void)
{
    g_auto (Run) run;
    g_auto (Mail) mail;
    g_autoptr (GString) large = g_string_new (NULL);
    g_autofree char *bdat = NULL, *octets = NULL;
    const RelaisSmtpTransaction *txs[2];

    while (large->len < 4 * 1024 * 1024)
        g_string_append (large, ".some text of a line\r\n.\r\n");
    bdat = g_strdup_printf ("E BDAT %" G_GSIZE_FORMAT " LAST", large->len);
    octets = g_strdup_printf ("N %" G_GSIZE_FORMAT, large->len);
    run_init (&run);
    mail_init (&mail, 1, large->str);
    mail.tx.chunking = true;
    txs[0] = txs[1] = &mail.tx;
    run.transactions = txs;
    run.n_transactions = 2;
    run_script (&run, SCRIPT (GREETING ("DSN"), MAIL, "S 250 ok", RCPT (0), "S 250 ok", bdat,
                              octets, "S 250 ok", MAIL, "S 250 ok", RCPT (0), "S 250 ok", bdat,
                              octets, "S 250 ok", BYE));
    g_assert_cmpuint (run_code (&run, 0), ==, 250);
    g_assert_cmpuint (run_code (&run, 1), ==, 250);
    g_string_append (large, large->str);
    check_octets (run.peer.message, large->str, large->len);
}

static void
test_limits (void)
{
    g_auto (Run) run;

    run_init (&run);
    run_script (&run,
                SCRIPT (GREETING ("LIMITS RCPTMAX=20 MAILMAX=5 rcptdomainmax=1 OTHER=x"), BYE));
    g_assert_true (run.caps.chunking);
    g_assert_cmpuint (run.caps.limits_rcptmax, ==, 20);
    g_assert_cmpuint (run.caps.limits_mailmax, ==, 5);
    g_assert_cmpuint (run.caps.limits_rcptdomainmax, ==, 1);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    signal (SIGPIPE, SIG_IGN); /* as the mains do */
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autofree char *path = g_strdup_printf ("/smtp/client/chunk/%s", cases[i].name);

        g_test_add_data_func (path, &cases[i], test_case);
    }
    g_test_add_func ("/smtp/client/chunk/data-instead", test_data_instead);
    g_test_add_func ("/smtp/client/chunk/bare-newline", test_bare_newline);
    g_test_add_func ("/smtp/client/chunk/large", test_large);
    g_test_add_func ("/smtp/client/chunk/limits", test_limits);
    return g_test_run ();
}
