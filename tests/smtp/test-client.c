/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/smtp/client, conversations: who hears what of each reply, with and without pipelining, over
 * several transactions; what EHLO offers; what is not sent; the owner's freeing and quitting.
 */
#include "config.h"

#include "client-peer.h"

#include <string.h>

#define SCRIPT(...) ((const char *const[]){__VA_ARGS__, NULL})
#define GREETING "S 220 mx.test ready", "E EHLO client.test"
#define PIPELINING GREETING, "s 250-mx.test\r\n250-SIZE 1000\r\n250 PIPELINING\r\n"
#define PLAIN GREETING, "S 250 mx.test"

static const char text[] = "Subject: x\r\n\r\n.dot\r\nbody\r\n";

/* --- One message ------------------------------------------------------------------------------- */

static void
check_delivered (Run *run, guint n)
{
    g_assert_cmpuint (run->ready, ==, 1);
    g_assert_cmpuint (run->sent, ==, 1);
    g_assert_cmpuint (run->closed, ==, 1);
    g_assert_false (run->sent_failed);
    g_assert_true (run->good_end);
    g_assert_cmpuint (run->outcomes->len, ==, n);
    for (guint i = 0; i < n; i++) {
        g_assert_cmpuint (run_code (run, i), ==, 250);
        g_assert_cmpint (run_phase (run, i), ==, RELAIS_PHASE_DOT);
    }
    g_assert_cmpstr (run->peer.message->str, ==, text);
}

static void
test_plain (void)
{
    g_auto (Run) run;
    g_auto (Mail) mail;

    run_init (&run);
    mail_init (&mail, 2, text);
    run_mail (&run, &mail,
              SCRIPT (PLAIN, "E MAIL FROM:<s@a.test>", "S 250 ok", "E RCPT TO:<r0@b.test>",
                      "S 250 ok", "E RCPT TO:<r1@b.test>", "S 251 ok", "E DATA", "S 354 go", "B",
                      "S 250 2.0.0 taken", "E QUIT", "S 221 bye", "X"));
    check_delivered (&run, 2);
    g_assert_cmpstr (g_array_index (run.outcomes, Noted, 0).reply.text, ==, "taken");
    g_assert_false (run.caps.pipelining);
}

static void
test_pipelined (void)
{
    g_auto (Run) run;
    g_auto (Mail) mail;

    run_init (&run);
    mail_init (&mail, 2, text);
    run_mail (&run, &mail,
              SCRIPT (PIPELINING, "E MAIL FROM:<s@a.test> SIZE=26", "E RCPT TO:<r0@b.test>",
                      "E RCPT TO:<r1@b.test>", "E DATA",
                      "s 250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n", "B", "S 250 taken", "E QUIT",
                      "S 221 bye", "X"));
    check_delivered (&run, 2);
    g_assert_cmpstr (run.peer.wire->str, ==, "Subject: x\r\n\r\n..dot\r\nbody\r\n.\r\n");
}

/* --- Who hears what ----------------------------------------------------------------------------- */

enum { MAX_RECIPIENTS = 3 };

typedef struct {
    const char *name;
    const char *const *script;
    guint n;                     /* recipients */
    guint codes[MAX_RECIPIENTS]; /* 0: none, see the failure */
    RelaisSmtpPhase phases[MAX_RECIPIENTS];
    bool failed; /* the session broke */
    RelaisSmtpPhase failure_phase;
} Case;

#define MAIL_1 "E MAIL FROM:<s@a.test>"
#define MAIL_SIZE "E MAIL FROM:<s@a.test> SIZE=26"
#define RCPT_0 "E RCPT TO:<r0@b.test>"
#define RCPT_1 "E RCPT TO:<r1@b.test>"
#define RCPT_2 "E RCPT TO:<r2@b.test>"
#define GROUP_2 MAIL_SIZE, RCPT_0, RCPT_1, "E DATA"
#define BYE "E QUIT", "S 221 bye", "X"

#define AT_MAIL RELAIS_PHASE_MAIL
#define AT_RCPT RELAIS_PHASE_RCPT
#define AT_DATA RELAIS_PHASE_DATA
#define AT_BODY RELAIS_PHASE_BODY
#define AT_DOT RELAIS_PHASE_DOT

static const Case cases[] = {
    {"plain/partial",
     SCRIPT (PLAIN, MAIL_1, "S 250 ok", RCPT_0, "S 550 5.1.1 no", RCPT_1, "S 250 ok", RCPT_2,
             "S 452 4.2.2 full", "E DATA", "S 354 go", "B", "S 250 ok", BYE),
     3,
     {550, 250, 452},
     {AT_RCPT, AT_DOT, AT_RCPT},
     false,
     0},
    {"plain/all-rejected",
     SCRIPT (PLAIN, MAIL_1, "S 250 ok", RCPT_0, "S 550 no", RCPT_1, "S 450 no", BYE),
     2,
     {550, 450},
     {AT_RCPT, AT_RCPT},
     false,
     0},
    {"plain/mail-refused",
     SCRIPT (PLAIN, MAIL_1, "S 553 no", BYE),
     2,
     {553, 553},
     {AT_MAIL, AT_MAIL},
     false,
     0},
    {"plain/data-refused",
     SCRIPT (PLAIN, MAIL_1, "S 250 ok", RCPT_0, "S 250 ok", RCPT_1, "S 550 no", "E DATA",
             "S 451 later", BYE),
     2,
     {451, 550},
     {AT_DATA, AT_RCPT},
     false,
     0},
    {"plain/dot-refused",
     SCRIPT (PLAIN, MAIL_1, "S 250 ok", RCPT_0, "S 250 ok", RCPT_1, "S 550 no", "E DATA",
             "S 354 go", "B", "S 554 5.7.1 spam", BYE),
     2,
     {554, 550},
     {AT_DOT, AT_RCPT},
     false,
     0},
    {"plain/multi-line",
     SCRIPT (PLAIN, MAIL_1, "s 250-a\r\n250 b\r\n", RCPT_0, "s 250-\r\n250\r\n", "E DATA",
             "s 354-a\r\n354 b\r\n", "B", "s 250-2.0.0 a\r\n250 2.0.0 b\r\n", BYE),
     1,
     {250},
     {AT_DOT},
     false,
     0},
    {"plain/dribble",
     SCRIPT ("D 220 mx.test", "E EHLO client.test", "D 250 mx.test", MAIL_1, "D 250 ok", RCPT_0,
             "D 250 ok", "E DATA", "D 354 go", "B", "D 250 ok", "E QUIT", "D 221 bye", "X"),
     1,
     {250},
     {AT_DOT},
     false,
     0},
    {"pipelined/partial",
     SCRIPT (PIPELINING, GROUP_2, "s 250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n", "B", "S 250 ok",
             BYE),
     2,
     {550, 250},
     {AT_RCPT, AT_DOT},
     false,
     0},
    {"pipelined/dribble",
     SCRIPT (PIPELINING, GROUP_2, "D 250 ok", "D 550 no", "D 250 ok", "D 354 go", "B", "D 250 ok",
             BYE),
     2,
     {550, 250},
     {AT_RCPT, AT_DOT},
     false,
     0},
    {"pipelined/all-rejected",
     SCRIPT (PIPELINING, GROUP_2, "s 250 ok\r\n550 no\r\n450 no\r\n503 nobody\r\n", BYE),
     2,
     {550, 450},
     {AT_RCPT, AT_RCPT},
     false,
     0},
    {"pipelined/all-rejected-but-354",
     SCRIPT (PIPELINING, GROUP_2, "s 250 ok\r\n550 no\r\n450 no\r\n354 go\r\n", "E .",
             "S 554 nobody", BYE),
     2,
     {550, 450},
     {AT_RCPT, AT_RCPT},
     false,
     0},
    {"pipelined/all-rejected-but-354-and-250",
     SCRIPT (PIPELINING, GROUP_2, "s 250 ok\r\n550 no\r\n450 no\r\n354 go\r\n", "E .", "S 250 ok",
             BYE),
     2,
     {550, 450},
     {AT_RCPT, AT_RCPT},
     false,
     0},
    {"pipelined/mail-refused",
     SCRIPT (PIPELINING, GROUP_2, "s 550 no\r\n503 no\r\n503 no\r\n503 no\r\n", BYE),
     2,
     {550, 550},
     {AT_MAIL, AT_MAIL},
     false,
     0},
    {"pipelined/mail-refused-but-250-and-354",
     SCRIPT (PIPELINING, GROUP_2, "s 450 no\r\n250 ok\r\n250 ok\r\n354 go\r\n", "E .", "S 250 ok",
             BYE),
     2,
     {450, 450},
     {AT_MAIL, AT_MAIL},
     false,
     0},
    {"pipelined/data-refused",
     SCRIPT (PIPELINING, GROUP_2, "s 250 ok\r\n250 ok\r\n550 no\r\n451 later\r\n", BYE),
     2,
     {451, 550},
     {AT_DATA, AT_RCPT},
     false,
     0},

    /* 421: the session ends, and everyone not decided heard it. */
    {"421/mail",
     SCRIPT (PLAIN, MAIL_1, "S 421 bye", "X"),
     2,
     {421, 421},
     {AT_MAIL, AT_MAIL},
     true,
     AT_MAIL},
    {"421/rcpt",
     SCRIPT (PLAIN, MAIL_1, "S 250 ok", RCPT_0, "S 550 no", RCPT_1, "S 250 ok", RCPT_2, "S 421 bye",
             "X"),
     3,
     {550, 421, 421},
     {AT_RCPT, AT_RCPT, AT_RCPT},
     true,
     AT_RCPT},
    {"421/rcpt-pipelined",
     SCRIPT (PIPELINING, GROUP_2, "s 250 ok\r\n550 no\r\n421 bye\r\n", "X"),
     2,
     {550, 421},
     {AT_RCPT, AT_RCPT},
     true,
     AT_RCPT},
    {"421/behind-a-refusal",
     SCRIPT (PLAIN, MAIL_1, "S 250 ok", RCPT_0, "s 550 no\r\n421 bye\r\n", "X"),
     2,
     {550, 421},
     {AT_RCPT, AT_RCPT},
     true,
     AT_RCPT},
    {"421/data",
     SCRIPT (PLAIN, MAIL_1, "S 250 ok", RCPT_0, "S 250 ok", "E DATA", "S 421 bye", "X"),
     1,
     {421},
     {AT_DATA},
     true,
     AT_DATA},
    {"421/dot",
     SCRIPT (PLAIN, MAIL_1, "S 250 ok", RCPT_0, "S 250 ok", "E DATA", "S 354 go", "B", "S 421 bye",
             "X"),
     1,
     {421},
     {AT_DOT},
     true,
     AT_DOT},

    /* The connection ends. */
    {"close/mail", SCRIPT (PLAIN, MAIL_1), 1, {0}, {AT_MAIL}, true, AT_MAIL},
    {"close/rcpt",
     SCRIPT (PLAIN, MAIL_1, "S 250 ok", RCPT_0, "S 550 no", RCPT_1),
     2,
     {550, 0},
     {AT_RCPT, AT_RCPT},
     true,
     AT_RCPT},
    {"close/data",
     SCRIPT (PLAIN, MAIL_1, "S 250 ok", RCPT_0, "S 250 ok", "E DATA"),
     1,
     {0},
     {AT_DATA},
     true,
     AT_DATA},
    {"close/dot",
     SCRIPT (PLAIN, MAIL_1, "S 250 ok", RCPT_0, "S 250 ok", "E DATA", "S 354 go", "B"),
     1,
     {0},
     {AT_DOT},
     true,
     AT_DOT},
    {"close/half-a-reply",
     SCRIPT (PLAIN, MAIL_1, "S 250 ok", RCPT_0, "S 250 ok", "E DATA", "S 354 go", "B", "s 250 ok"),
     1,
     {0},
     {AT_DOT},
     true,
     AT_DOT},
    {"reset/mail", SCRIPT (PLAIN, MAIL_1, "R"), 1, {0}, {AT_MAIL}, true, AT_MAIL},
    {"reset/rcpt",
     SCRIPT (PLAIN, MAIL_1, "S 250 ok", RCPT_0, "R"),
     1,
     {0},
     {AT_RCPT},
     true,
     AT_RCPT},
    {"reset/data",
     SCRIPT (PLAIN, MAIL_1, "S 250 ok", RCPT_0, "S 250 ok", "E DATA", "R"),
     1,
     {0},
     {AT_DATA},
     true,
     AT_DATA},
    {"reset/dot",
     SCRIPT (PLAIN, MAIL_1, "S 250 ok", RCPT_0, "S 250 ok", "E DATA", "S 354 go", "B", "R"),
     1,
     {0},
     {AT_DOT},
     true,
     AT_DOT},

    /* Replies that are none, or that nothing asked for. */
    {"odd/no-digit", SCRIPT (PLAIN, MAIL_1, "S ok", "x"), 1, {0}, {AT_MAIL}, true, AT_MAIL},
    {"odd/two-digits", SCRIPT (PLAIN, MAIL_1, "S 25 ok", "x"), 1, {0}, {AT_MAIL}, true, AT_MAIL},
    {"odd/nul", SCRIPT (PLAIN, MAIL_1, "S 25\\001 ok", "x"), 1, {0}, {AT_MAIL}, true, AT_MAIL},
    {"odd/mixed",
     SCRIPT (PLAIN, MAIL_1, "s 250-ok\r\n550 no\r\n", "x"),
     1,
     {0},
     {AT_MAIL},
     true,
     AT_MAIL},
    {"odd/bare-code",
     SCRIPT (PLAIN, MAIL_1, "S 250", RCPT_0, "S 250", "E DATA", "S 354", "B", "S 250", BYE),
     1,
     {250},
     {AT_DOT},
     false,
     0},
    {"odd/endless-lines",
     SCRIPT (PLAIN, MAIL_1, "F 250-more\r\n", "x"),
     1,
     {0},
     {AT_MAIL},
     true,
     AT_MAIL},
    {"odd/endless-line",
     SCRIPT (PLAIN, MAIL_1, "F 250 xxxxxxxxxxxxxxxxxx", "x"),
     1,
     {0},
     {AT_MAIL},
     true,
     AT_MAIL},
    {"odd/354-to-mail", SCRIPT (PLAIN, MAIL_1, "S 354 go", "X"), 1, {0}, {AT_MAIL}, true, AT_MAIL},
    {"odd/354-to-rcpt",
     SCRIPT (PLAIN, MAIL_1, "S 250 ok", RCPT_0, "S 354 go", "X"),
     1,
     {0},
     {AT_RCPT},
     true,
     AT_RCPT},
    {"odd/250-to-data",
     SCRIPT (PLAIN, MAIL_1, "S 250 ok", RCPT_0, "S 250 ok", "E DATA", "S 250 ok", "X"),
     1,
     {0},
     {AT_DATA},
     true,
     AT_DATA},
    {"odd/354-to-dot",
     SCRIPT (PLAIN, MAIL_1, "S 250 ok", RCPT_0, "S 250 ok", "E DATA", "S 354 go", "B", "S 354 go",
             "X"),
     1,
     {0},
     {AT_DOT},
     true,
     AT_DOT},
    {"odd/two-replies-to-mail",
     SCRIPT (PLAIN, MAIL_1, "s 250 ok\r\n250 ok\r\n", "X"),
     1,
     {0},
     {AT_RCPT},
     true,
     AT_RCPT},
    {"odd/one-and-a-half",
     SCRIPT (PLAIN, MAIL_1, "s 250 ok\r\n25", "X"),
     1,
     {0},
     {AT_RCPT},
     true,
     AT_RCPT},
    {"odd/250-behind-354",
     SCRIPT (PIPELINING, MAIL_SIZE, RCPT_0, "E DATA", "s 250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n",
             "x"),
     1,
     {0},
     {AT_BODY},
     true,
     AT_BODY},
    {"odd/554-behind-354",
     SCRIPT (PIPELINING, MAIL_SIZE, RCPT_0, "E DATA", "s 250 ok\r\n250 ok\r\n354 go\r\n554 no\r\n",
             "x"),
     1,
     {554},
     {AT_BODY},
     true,
     AT_BODY},
    {"odd/half-behind-354",
     SCRIPT (PIPELINING, MAIL_SIZE, RCPT_0, "E DATA", "s 250 ok\r\n250 ok\r\n354 go\r\n25",
             "D 0 ok", "x"),
     1,
     {0},
     {AT_BODY},
     true,
     AT_BODY},
};

static void
test_case (gconstpointer data)
{
    const Case *c = data;
    g_auto (Run) run;
    g_auto (Mail) mail;

    run_init (&run);
    run.timeouts.rcpt_us = 300000; /* for the one that waits for the rest of a reply */
    mail_init (&mail, c->n, text);
    run_mail (&run, &mail, c->script);
    g_assert_cmpuint (run.sent, ==, 1);
    g_assert_cmpuint (run.closed, ==, 1);
    g_assert_cmpuint (run.outcomes->len, ==, c->n);
    for (guint i = 0; i < c->n; i++) {
        g_assert_cmpuint (run_code (&run, i), ==, c->codes[i]);
        g_assert_cmpint (run_phase (&run, i), ==, c->phases[i]);
    }
    g_assert_true (run.sent_failed == c->failed);
    g_assert_true (run.good_end != c->failed);
    if (c->failed) {
        g_assert_cmpint (run.sent_failure.phase, ==, c->failure_phase);
        g_assert_cmpint (run.failure.phase, ==, c->failure_phase);
        g_assert_false (run.failure.tls_handshake);
    }
}

/* --- Before any transaction --------------------------------------------------------------------- */

typedef struct {
    const char *name;
    const char *const *script;
    guint code; /* of the reply that `closed` tells */
    RelaisSmtpPhase phase;
} Start;

static const Start starts[] = {
    {"banner-554", SCRIPT ("S 554 no", "E QUIT", "S 221 bye", "X"), 554, RELAIS_PHASE_BANNER},
    {"banner-421", SCRIPT ("S 421 busy", "X"), 421, RELAIS_PHASE_BANNER},
    {"banner-354", SCRIPT ("S 354 go", "X"), 354, RELAIS_PHASE_BANNER},
    {"banner-garbage", SCRIPT ("S SSH-2.0-x", "X"), 0, RELAIS_PHASE_BANNER},
    {"banner-close", (const char *const[]){NULL}, 0, RELAIS_PHASE_BANNER},
    {"banner-reset", SCRIPT ("R"), 0, RELAIS_PHASE_BANNER},
    {"banner-and-more", SCRIPT ("s 220 hi\r\n250 hi\r\n", "X"), 0, RELAIS_PHASE_EHLO},
    {"ehlo-450", SCRIPT (GREETING, "S 450 later", "E QUIT", "X"), 450, RELAIS_PHASE_EHLO},
    {"ehlo-421", SCRIPT (GREETING, "S 421 later", "X"), 421, RELAIS_PHASE_EHLO},
    {"helo-550", SCRIPT (GREETING, "S 502 what", "E HELO client.test", "S 550 no", "E QUIT", "X"),
     550, RELAIS_PHASE_EHLO},
    {"ehlo-close", SCRIPT (GREETING), 0, RELAIS_PHASE_EHLO},
    {"ehlo-endless", SCRIPT (GREETING, "F 250-X-MORE\r\n", "x"), 0, RELAIS_PHASE_EHLO},
};

static void
test_start (gconstpointer data)
{
    const Start *start = data;
    g_auto (Run) run;

    run_init (&run);
    run_script (&run, start->script);
    g_assert_cmpuint (run.ready, ==, 0);
    g_assert_cmpuint (run.closed, ==, 1);
    g_assert_false (run.good_end);
    g_assert_cmpuint (run.reply.code, ==, start->code);
    /* A reset may come so early that it ends the connecting. */
    if (strcmp (start->name, "banner-reset") == 0)
        g_assert_cmpint (run.failure.phase, <=, start->phase);
    else
        g_assert_cmpint (run.failure.phase, ==, start->phase);
}

static void
test_connect_refused (void)
{
    static const char *const nobody[] = {NULL};
    g_auto (Run) run;
    g_auto (Run) other;

    /* A port that was free a moment ago. */
    run_init (&other);
    run_script (&other, nobody);
    run_init (&run);
    run.refused_port = other.peer.port;
    run_script (&run, nobody);
    g_assert_cmpuint (run.closed, ==, 1);
    g_assert_cmpint (run.failure.phase, ==, RELAIS_PHASE_CONNECT);
    g_assert_false (run.failure.timeout);
}

static void
test_helo (void)
{
    g_auto (Run) run;
    g_auto (Mail) mail;

    run_init (&run);
    mail_init (&mail, 1, text);
    run_mail (&run, &mail,
              SCRIPT (GREETING, "s 500-what\r\n500 SIZE 5\r\n", "E HELO client.test",
                      "s 250-mx.test\r\n250 SIZE 5\r\n", MAIL_1, "S 250 ok", RCPT_0, "S 250 ok",
                      "E DATA", "S 354 go", "B", "S 250 ok", BYE));
    check_delivered (&run, 1);
    g_assert_false (run.caps.size);
}

static void
test_capabilities (void)
{
    g_auto (Run) run;

    run_init (&run);
    run_script (&run,
                SCRIPT (GREETING,
                        "s 250-PIPELINING is my name\r\n250-size 18446744073709551615\r\n"
                        "250-8bitmime\r\n250-DSN\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n"
                        "250-LIMITS MAILMAX=7 RCPTMAX=20 X=\r\n250-\r\n250 ENHANCEDSTATUSCODES\r\n",
                        BYE));
    g_assert_true (run.good_end);
    g_assert_false (run.caps.pipelining);
    g_assert_true (run.caps.size && run.caps.eight_bit && run.caps.dsn && run.caps.smtputf8);
    g_assert_true (run.caps.chunking && run.caps.enhanced && !run.caps.starttls);
    g_assert_cmpuint (run.caps.max_size, ==, G_MAXUINT64);
    g_assert_cmpuint (run.caps.limits_rcptmax, ==, 20);
    g_assert_cmpuint (run.caps.limits_mailmax, ==, 7);
}

/* --- Parameters, and what is not sent ------------------------------------------------------------ */

static void
test_parameters (void)
{
    g_auto (Run) run;
    g_auto (Mail) mail;

    run_init (&run);
    mail_init (&mail, 2, text);
    mail.tx.eight_bit = mail.tx.smtputf8 = true;
    mail.tx.envid = "id+2B1";
    mail.tx.ret = RELAIS_RET_HDRS;
    mail.recipients[0].notify = RELAIS_NOTIFY_NEVER;
    mail.recipients[1].notify = RELAIS_NOTIFY_SUCCESS | RELAIS_NOTIFY_DELAY;
    mail.recipients[1].orcpt = g_strdup ("rfc822;x@b.test");
    run_mail (&run, &mail,
              SCRIPT (GREETING,
                      "s 250-x\r\n250-SIZE\r\n250-DSN\r\n250-SMTPUTF8\r\n250 8BITMIME\r\n",
                      "E MAIL FROM:<s@a.test> SIZE=26 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=id+2B1",
                      "S 250 ok", "E RCPT TO:<r0@b.test> NOTIFY=NEVER", "S 250 ok",
                      "E RCPT TO:<r1@b.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x@b.test",
                      "S 250 ok", "E DATA", "S 354 go", "B", "S 250 ok", BYE));
    check_delivered (&run, 2);
}

static void
test_parameters_not_offered (void)
{
    g_auto (Run) run;
    g_auto (Mail) mail;

    run_init (&run);
    mail_init (&mail, 1, text);
    mail.tx.sender = "";
    mail.tx.eight_bit = true;
    mail.tx.envid = "id";
    mail.tx.ret = RELAIS_RET_FULL;
    mail.recipients[0].notify = RELAIS_NOTIFY_FAILURE;
    mail.recipients[0].orcpt = g_strdup ("rfc822;x@b.test");
    run_mail (&run, &mail,
              SCRIPT (PLAIN, "E MAIL FROM:<>", "S 250 ok", RCPT_0, "S 250 ok", "E DATA", "S 354 go",
                      "B", "S 250 ok", BYE));
    check_delivered (&run, 1);
}

static void
check_refused (Run *run, const Mail *mail, RelaisSmtpRefusal refused)
{
    run_mail (run, mail, SCRIPT (PIPELINING, BYE));
    g_assert_cmpuint (run->sent, ==, 1);
    g_assert_true (run->sent_failed);
    g_assert_cmpint (run->sent_failure.refused, ==, refused);
    g_assert_cmpuint (run_code (run, 0), ==, 0);
    g_assert_cmpuint (run->closed, ==, 1);
    g_assert_true (run->good_end);
}

static void
test_refused_size (void)
{
    for (gsize size = 1000; size <= 1001; size++) {
        g_auto (Run) run;
        g_auto (Mail) mail;
        g_autofree char *big = g_strnfill (size, 'x');

        memcpy (big + size - 2, "\r\n", 2);
        run_init (&run);
        mail_init (&mail, 1, big);
        if (size > 1000) {
            check_refused (&run, &mail, RELAIS_REFUSED_SIZE);
            continue;
        }
        run_mail (&run, &mail,
                  SCRIPT (PIPELINING, "E MAIL FROM:<s@a.test> SIZE=1000", RCPT_0, "E DATA",
                          "s 250 ok\r\n250 ok\r\n354 go\r\n", "B", "S 250 ok", BYE));
        g_assert_cmpuint (run_code (&run, 0), ==, 250);
    }
}

static void
test_refused_address (void)
{
    static const struct {
        const char *sender, *recipient, *orcpt, *envid;
        RelaisSmtpRefusal refused;
    } bad[] = {
        {"a\r\nDATA@x", "b@x", NULL, NULL, RELAIS_REFUSED_ADDRESS},
        {"a@x", "b@x>\nRCPT TO:<c@x", NULL, NULL, RELAIS_REFUSED_ADDRESS},
        {"a@x", "b\x7f@x", NULL, NULL, RELAIS_REFUSED_ADDRESS},
        {"a@x", "b@x", "rfc822;x y", NULL, RELAIS_REFUSED_ADDRESS},
        {"a@x", "b@x", "rfc822;\xc3\xa9", NULL, RELAIS_REFUSED_ADDRESS},
        {"a@x", "b@x", NULL, "x\r\n", RELAIS_REFUSED_ADDRESS},
        {"a@x", "\xc3\xa9@x", NULL, NULL, RELAIS_REFUSED_SMTPUTF8},
    };

    for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
        g_auto (Run) run;
        g_auto (Mail) mail;

        run_init (&run);
        mail_init (&mail, 1, text);
        mail.tx.sender = bad[i].sender;
        mail.tx.envid = bad[i].envid;
        g_free (mail.recipients[0].address);
        mail.recipients[0].address = g_strdup (bad[i].recipient);
        mail.recipients[0].orcpt = g_strdup (bad[i].orcpt);
        check_refused (&run, &mail, bad[i].refused);
    }
}

static void
test_refused_utf8 (void)
{
    g_auto (Run) run;
    g_auto (Mail) mail;

    run_init (&run);
    mail_init (&mail, 1, text);
    mail.tx.smtputf8 = true;
    check_refused (&run, &mail, RELAIS_REFUSED_SMTPUTF8);
}

static void
test_refused_line_ends (void)
{
    static const char *const bad[] = {"a\nb\r\n", "a\rb\r\n", "a\r\n.\n", "a\r", "\n", "a\r\r\n"};

    for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
        g_auto (Run) run;
        g_auto (Mail) mail;

        run_init (&run);
        mail_init (&mail, 1, bad[i]);
        check_refused (&run, &mail, RELAIS_REFUSED_LINE_ENDS);
    }
}

/* --- Several transactions ------------------------------------------------------------------------ */

static void
run_two (Run *run, const char *const *script)
{
    g_auto (Mail) first;
    g_auto (Mail) second;
    const RelaisSmtpTransaction *const both[] = {&first.tx, &second.tx};

    run_init (run);
    mail_init (&first, 1, "first\r\n");
    mail_init (&second, 1, text);
    run->transactions = both;
    run->n_transactions = 2;
    run_script (run, script);
    g_assert_cmpuint (run->ready, ==, 1);
    g_assert_cmpuint (run->sent, ==, 2);
    g_assert_cmpuint (run->closed, ==, 1);
}

static void
test_reuse (void)
{
    g_auto (Run) run;

    run_two (&run, SCRIPT (PLAIN, MAIL_1, "S 250 ok", RCPT_0, "S 250 ok", "E DATA", "S 354 go", "B",
                           "S 250 ok", MAIL_1, "S 250 ok", RCPT_0, "S 250 ok", "E DATA", "S 354 go",
                           "B", "S 250 ok", BYE));
    g_assert_true (run.good_end);
    g_assert_cmpuint (run_code (&run, 1), ==, 250);
    g_assert_cmpstr (run.peer.message->str, ==, text);
}

static void
test_rset (void)
{
    g_auto (Run) run;

    run_two (&run,
             SCRIPT (PLAIN, MAIL_1, "S 250 ok", RCPT_0, "S 550 no", "E RSET", "S 250 ok", MAIL_1,
                     "S 250 ok", RCPT_0, "S 250 ok", "E DATA", "S 354 go", "B", "S 250 ok", BYE));
    g_assert_true (run.good_end);
    g_assert_cmpuint (run_code (&run, 0), ==, 550);
    g_assert_cmpuint (run_code (&run, 1), ==, 250);
}

static void
test_rset_pipelined (void)
{
    g_auto (Run) run;

    run_two (&run, SCRIPT (PIPELINING, "E MAIL FROM:<s@a.test> SIZE=7", RCPT_0, "E DATA",
                           "s 250 ok\r\n250 ok\r\n354 go\r\n", "B", "S 451 later", "E RSET",
                           MAIL_SIZE, RCPT_0, "E DATA",
                           "s 250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n", "B", "S 250 ok", BYE));
    g_assert_true (run.good_end);
    g_assert_cmpuint (run_code (&run, 0), ==, 451);
    g_assert_cmpuint (run_code (&run, 1), ==, 250);
}

static void
test_rset_refused (void)
{
    g_auto (Run) run;

    run_two (&run, SCRIPT (PLAIN, MAIL_1, "S 550 no", "E RSET", "S 500 what", "X"));
    g_assert_false (run.good_end);
    g_assert_cmpint (run.sent_failure.phase, ==, RELAIS_PHASE_RSET);
    g_assert_cmpuint (run_code (&run, 1), ==, 0);
}

/* What came behind the answer to the dot is not taken for the answer to the next MAIL. */
static void
test_surplus_between (void)
{
    g_auto (Run) run;

    run_two (&run, SCRIPT (PLAIN, MAIL_1, "S 250 ok", RCPT_0, "S 250 ok", "E DATA", "S 354 go", "B",
                           "s 250 ok\r\n250 ok\r\n", "X"));
    g_assert_cmpuint (run_code (&run, 0), ==, 250);
    g_assert_cmpuint (run_code (&run, 1), ==, 0);
    g_assert_true (run.sent_failed);
}

static void
test_421_between (void)
{
    g_auto (Run) run;

    run_two (&run, SCRIPT (PLAIN, MAIL_1, "S 250 ok", RCPT_0, "S 250 ok", "E DATA", "S 354 go", "B",
                           "s 250 ok\r\n421 enough\r\n", "X"));
    g_assert_cmpuint (run_code (&run, 0), ==, 250);
    g_assert_cmpuint (run_code (&run, 1), ==, 421);
    g_assert_cmpuint (run.reply.code, ==, 421);
}

/* --- The owner ----------------------------------------------------------------------------------- */

static void
test_idle_421 (void)
{
    g_auto (Run) run;

    run_init (&run);
    run.stay = true;
    run_script (&run, SCRIPT (PLAIN, "D 421 idle too long", "X"));
    g_assert_cmpuint (run.ready, ==, 1);
    g_assert_cmpuint (run.reply.code, ==, 421);
    g_assert_cmpint (run.failure.phase, ==, RELAIS_PHASE_IDLE);
}

static void
test_idle_close (void)
{
    g_auto (Run) run;

    run_init (&run);
    run.stay = true;
    run_script (&run, SCRIPT (PLAIN));
    g_assert_cmpuint (run.reply.code, ==, 0);
    g_assert_cmpint (run.failure.phase, ==, RELAIS_PHASE_IDLE);
}

static void
test_free_in_ready (void)
{
    g_auto (Run) run;

    run_init (&run);
    run.free_in_ready = true;
    run_script (&run, SCRIPT (PLAIN, "X"));
    g_assert_cmpuint (run.closed, ==, 0);
}

static void
test_free_in_sent (void)
{
    const char *const *const scripts[] = {
        SCRIPT (PLAIN, MAIL_1, "S 250 ok", RCPT_0, "S 250 ok", "E DATA", "S 354 go", "B",
                "S 250 ok", "X"),
        SCRIPT (PLAIN, MAIL_1, "S 421 no", "X"),
        SCRIPT (PLAIN, MAIL_1),
    };

    for (guint i = 0; i < G_N_ELEMENTS (scripts); i++) {
        g_auto (Run) run;
        g_auto (Mail) mail;

        run_init (&run);
        run.free_in_sent = true;
        mail_init (&mail, 1, text);
        run_mail (&run, &mail, scripts[i]);
        g_assert_cmpuint (run.sent, ==, 1);
        g_assert_cmpuint (run.closed, ==, 0);
    }
}

static void
test_quit_in_transaction (void)
{
    g_auto (Run) run;
    g_auto (Mail) mail;

    run_init (&run);
    run.quit_after_send = true;
    mail_init (&mail, 1, text);
    run_mail (&run, &mail, SCRIPT (PLAIN, "x"));
    g_assert_cmpuint (run.sent, ==, 1);
    g_assert_true (run.sent_failed);
    g_assert_cmpint (run.sent_failure.phase, ==, RELAIS_PHASE_MAIL);
    g_assert_cmpuint (run.closed, ==, 1);
    g_assert_false (run.good_end);
}

/* QUIT is not worth waiting for. */
static void
test_quit_unanswered (void)
{
    g_auto (Run) run;

    run_init (&run);
    run_script (&run, SCRIPT (PLAIN, "E QUIT"));
    g_assert_true (run.good_end);
}

static void
test_phase_names (void)
{
    for (RelaisSmtpPhase phase = RELAIS_PHASE_CONNECT; phase <= RELAIS_PHASE_QUIT; phase++) {
        g_assert_nonnull (relais_smtp_phase_to_string (phase));
        for (RelaisSmtpPhase other = RELAIS_PHASE_CONNECT; other < phase; other++)
            g_assert_cmpstr (relais_smtp_phase_to_string (phase), !=,
                             relais_smtp_phase_to_string (other));
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/smtp/client/plain", test_plain);
    g_test_add_func ("/smtp/client/pipelined", test_pipelined);
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autofree char *path = g_strdup_printf ("/smtp/client/case/%s", cases[i].name);

        g_test_add_data_func (path, &cases[i], test_case);
    }
    for (guint i = 0; i < G_N_ELEMENTS (starts); i++) {
        g_autofree char *path = g_strdup_printf ("/smtp/client/start/%s", starts[i].name);

        g_test_add_data_func (path, &starts[i], test_start);
    }
    g_test_add_func ("/smtp/client/connect-refused", test_connect_refused);
    g_test_add_func ("/smtp/client/helo", test_helo);
    g_test_add_func ("/smtp/client/capabilities", test_capabilities);
    g_test_add_func ("/smtp/client/parameters/offered", test_parameters);
    g_test_add_func ("/smtp/client/parameters/not-offered", test_parameters_not_offered);
    g_test_add_func ("/smtp/client/refused/size", test_refused_size);
    g_test_add_func ("/smtp/client/refused/address", test_refused_address);
    g_test_add_func ("/smtp/client/refused/utf8", test_refused_utf8);
    g_test_add_func ("/smtp/client/refused/line-ends", test_refused_line_ends);
    g_test_add_func ("/smtp/client/reuse/delivered", test_reuse);
    g_test_add_func ("/smtp/client/reuse/rset", test_rset);
    g_test_add_func ("/smtp/client/reuse/rset-pipelined", test_rset_pipelined);
    g_test_add_func ("/smtp/client/reuse/rset-refused", test_rset_refused);
    g_test_add_func ("/smtp/client/reuse/surplus", test_surplus_between);
    g_test_add_func ("/smtp/client/reuse/421", test_421_between);
    g_test_add_func ("/smtp/client/idle/421", test_idle_421);
    g_test_add_func ("/smtp/client/idle/close", test_idle_close);
    g_test_add_func ("/smtp/client/owner/free-in-ready", test_free_in_ready);
    g_test_add_func ("/smtp/client/owner/free-in-sent", test_free_in_sent);
    g_test_add_func ("/smtp/client/owner/quit-in-transaction", test_quit_in_transaction);
    g_test_add_func ("/smtp/client/owner/quit-unanswered", test_quit_unanswered);
    g_test_add_func ("/smtp/client/phase-names", test_phase_names);
    return g_test_run ();
}
