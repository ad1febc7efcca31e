/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/smtp/client, LMTP (RFC 2033): LHLO, and behind the message a reply for each recipient that RCPT
 * accepted.
 */
#include "config.h"

#include "client-peer.h"

#include <signal.h>
#include <string.h>

#define SCRIPT(...) ((const char *const[]){__VA_ARGS__, NULL})
#define PLAIN "S 220 mx.test", "E LHLO client.test", "S 250 mx.test"
#define PIPELINING "S 220 mx.test", "E LHLO client.test", "s 250-mx.test\r\n250 PIPELINING\r\n"
#define MAIL "E MAIL FROM:<s@a.test>"
#define RCPT(n) "E RCPT TO:<r" #n "@b.test>"
#define BYE "E QUIT", "S 221 bye", "x"

enum { RECIPIENTS = 3 };

typedef struct {
    const char *name;
    const char *const *script;
    guint codes[RECIPIENTS]; /* 0: the session broke before it */
    RelaisSmtpPhase phases[RECIPIENTS];
    bool failed;
} Case;

#define AT_RCPT RELAIS_PHASE_RCPT
#define AT_DATA RELAIS_PHASE_DATA
#define AT_DOT RELAIS_PHASE_DOT

static const Case cases[] = {
    {"all",
     SCRIPT (PLAIN, MAIL, "S 250 ok", RCPT (0), "S 250 ok", RCPT (1), "S 250 ok", RCPT (2),
             "S 250 ok", "E DATA", "S 354 go", "B", "s 250 a\r\n250 b\r\n250 c\r\n", BYE),
     {250, 250, 250},
     {AT_DOT, AT_DOT, AT_DOT},
     false},
    {"each-its-own",
     SCRIPT (PLAIN, MAIL, "S 250 ok", RCPT (0), "S 250 ok", RCPT (1), "S 550 no", RCPT (2),
             "S 250 ok", "E DATA", "S 354 go", "B", "S 452 4.2.2 full", "S 250 ok", BYE),
     {452, 550, 250},
     {AT_DOT, AT_RCPT, AT_DOT},
     false},
    {"pipelined",
     SCRIPT (PIPELINING, MAIL, RCPT (0), RCPT (1), RCPT (2), "E DATA",
             "s 250 ok\r\n550 no\r\n250 ok\r\n250 ok\r\n354 go\r\n", "B",
             "s 250-a\r\n250 b\r\n554 no\r\n", BYE),
     {550, 250, 554},
     {AT_RCPT, AT_DOT, AT_DOT},
     false},
    {"pipelined/none",
     SCRIPT (PIPELINING, MAIL, RCPT (0), RCPT (1), RCPT (2), "E DATA",
             "s 250 ok\r\n550 no\r\n550 no\r\n450 no\r\n503 none\r\n", BYE),
     {550, 550, 450},
     {AT_RCPT, AT_RCPT, AT_RCPT},
     false},
    {"pipelined/354-for-none",
     SCRIPT (PIPELINING, MAIL, RCPT (0), RCPT (1), RCPT (2), "E DATA",
             "s 250 ok\r\n550 no\r\n550 no\r\n450 no\r\n354 go\r\n", "X"),
     {550, 550, 450},
     {AT_RCPT, AT_RCPT, AT_RCPT},
     true},
    {"closed-between",
     SCRIPT (PLAIN, MAIL, "S 250 ok", RCPT (0), "S 250 ok", RCPT (1), "S 250 ok", RCPT (2),
             "S 250 ok", "E DATA", "S 354 go", "B", "S 250 ok"),
     {250, 0, 0},
     {AT_DOT, AT_DOT, AT_DOT},
     true},
    {"421-between",
     SCRIPT (PLAIN, MAIL, "S 250 ok", RCPT (0), "S 250 ok", RCPT (1), "S 250 ok", RCPT (2),
             "S 250 ok", "E DATA", "S 354 go", "B", "S 250 ok", "S 421 bye", "X"),
     {250, 421, 421},
     {AT_DOT, AT_DOT, AT_DOT},
     true},
    {"stalled-between",
     SCRIPT (PLAIN, MAIL, "S 250 ok", RCPT (0), "S 250 ok", RCPT (1), "S 250 ok", RCPT (2),
             "S 250 ok", "E DATA", "S 354 go", "B", "S 250 ok", "x"),
     {250, 0, 0},
     {AT_DOT, AT_DOT, AT_DOT},
     true},
    {"one-too-many",
     SCRIPT (PLAIN, MAIL, "S 250 ok", RCPT (0), "S 250 ok", RCPT (1), "S 250 ok", RCPT (2),
             "S 250 ok", "E DATA", "S 354 go", "B", "s 250 a\r\n250 b\r\n250 c\r\n250 d\r\n", "x"),
     {250, 250, 250},
     {AT_DOT, AT_DOT, AT_DOT},
     false},
};

static void
test_case (gconstpointer data)
{
    const Case *c = data;
    g_auto (Run) run;
    g_auto (Mail) mail;

    run_init (&run);
    mail_init (&mail, RECIPIENTS, "Subject: x\r\n\r\n.\r\n");
    run.lmtp = true;
    run.timeouts.dot_us = 300000;
    run_mail (&run, &mail, c->script);
    g_assert_cmpuint (run.sent, ==, 1);
    g_assert_cmpuint (run.closed, ==, 1);
    g_assert_true (run.sent_failed == c->failed);
    for (guint i = 0; i < RECIPIENTS; i++) {
        g_assert_cmpuint (run_code (&run, i), ==, c->codes[i]);
        g_assert_cmpint (run_phase (&run, i), ==, c->phases[i]);
    }
    g_assert_cmpint (run.took_us, <, 1300000);
}

/* There is no HELO to fall back on. */
static void
test_refused (void)
{
    g_auto (Run) run;

    run_init (&run);
    run.lmtp = true;
    run_script (&run, SCRIPT ("S 220 mx.test", "E LHLO client.test", "S 500 what", "E QUIT", "x"));
    g_assert_cmpuint (run.ready, ==, 0);
    g_assert_cmpuint (run.reply.code, ==, 500);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    signal (SIGPIPE, SIG_IGN); /* as the mains do */
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autofree char *path = g_strdup_printf ("/smtp/client/lmtp/%s", cases[i].name);

        g_test_add_data_func (path, &cases[i], test_case);
    }
    g_test_add_func ("/smtp/client/lmtp/refused", test_refused);
    return g_test_run ();
}
