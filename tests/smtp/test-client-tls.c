/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/smtp/client, STARTTLS under the four policies: when it is used, what a refusal or a failed
 * handshake means, and that nothing said in clear counts behind it.
 */
#include "config.h"

#include "client-peer.h"

#include <signal.h>
#include <string.h>

#define SCRIPT(...) ((const char *const[]){__VA_ARGS__, NULL})
#define OFFERED                                                                                    \
    "S 220 mx.test", "E EHLO client.test",                                                         \
        "s 250-mx.test\r\n250-STARTTLS\r\n250-DSN\r\n250 SIZE 5\r\n"
#define NOT_OFFERED "S 220 mx.test", "E EHLO client.test", "S 250 mx.test"
#define DELIVERY                                                                                   \
    "E MAIL FROM:<s@a.test>", "S 250 ok", "E RCPT TO:<r0@b.test>", "S 250 ok", "E DATA",           \
        "S 354 go", "B", "S 250 ok", "E QUIT", "S 221 bye", "x"
#define UNDER_TLS "E STARTTLS", "S 220 go", "T", "E EHLO client.test", "S 250 mx.test"
#define MAIL_SIZE_5 "C MAIL FROM:<s@a.test> SIZE=3"
#define DELIVERY_SIZE                                                                              \
    MAIL_SIZE_5, "S 250 ok", "E RCPT TO:<r0@b.test>", "S 250 ok", "E DATA", "S 354 go", "B",       \
        "S 250 ok", "E QUIT", "S 221 bye", "x"

enum { NONE = 1, OPPORTUNISTIC = 2, REQUIRE = 4, VERIFY = 8 };

typedef struct {
    const char *name;
    guint policies;
    const char *const *script;
    bool delivered;
    RelaisSmtpPhase phase; /* of the failure */
    bool tls_handshake;
    guint code;
} Case;

#define AT_STARTTLS RELAIS_PHASE_STARTTLS
#define AT_TLS RELAIS_PHASE_TLS

static const Case cases[] = {
    {"used", OPPORTUNISTIC | REQUIRE, SCRIPT (OFFERED, UNDER_TLS, DELIVERY), true, 0, false, 0},
    {"not-used", NONE, SCRIPT (OFFERED, DELIVERY_SIZE), true, 0, false, 0},
    {"not-offered", NONE | OPPORTUNISTIC, SCRIPT (NOT_OFFERED, DELIVERY), true, 0, false, 0},
    {"not-offered-but-required", REQUIRE | VERIFY, SCRIPT (NOT_OFFERED, "X"), false, AT_STARTTLS,
     false, 0},
    {"helo-but-required", REQUIRE | VERIFY,
     SCRIPT ("S 220 mx.test", "E EHLO client.test", "S 502 what", "E HELO client.test",
             "s 250-x\r\n250 STARTTLS\r\n", "X"),
     false, AT_STARTTLS, false, 0},
    {"refused-454", OPPORTUNISTIC, SCRIPT (OFFERED, "E STARTTLS", "S 454 later", DELIVERY_SIZE),
     true, 0, false, 0},
    {"refused-502", OPPORTUNISTIC, SCRIPT (OFFERED, "E STARTTLS", "S 502 no", DELIVERY_SIZE), true,
     0, false, 0},
    {"refused-but-required", REQUIRE | VERIFY,
     SCRIPT (OFFERED, "E STARTTLS", "S 454 later", "E QUIT", "S 221 bye", "X"), false, AT_STARTTLS,
     false, 454},
    {"421", OPPORTUNISTIC | REQUIRE | VERIFY, SCRIPT (OFFERED, "E STARTTLS", "S 421 bye", "X"),
     false, AT_STARTTLS, false, 421},
    {"close", OPPORTUNISTIC | REQUIRE | VERIFY, SCRIPT (OFFERED, "E STARTTLS"), false, AT_STARTTLS,
     false, 0},
    {"other-2xx", OPPORTUNISTIC | REQUIRE | VERIFY, SCRIPT (OFFERED, "E STARTTLS", "S 250 ok", "X"),
     false, AT_STARTTLS, false, 250},
    {"lone-lf", OPPORTUNISTIC | REQUIRE | VERIFY, SCRIPT (OFFERED, "E STARTTLS", "s 220 go\n", "X"),
     false, AT_STARTTLS, false, 0},
    {"injected-reply", OPPORTUNISTIC | REQUIRE | VERIFY,
     SCRIPT (OFFERED, "E STARTTLS", "s 220 go\r\n250-mx.test\r\n250 PIPELINING\r\n", "X"), false,
     AT_STARTTLS, false, 0},
    {"injected-octet", OPPORTUNISTIC | REQUIRE | VERIFY,
     SCRIPT (OFFERED, "E STARTTLS", "s 220 go\r\n2", "X"), false, AT_STARTTLS, false, 0},
    {"injected-blank-line", OPPORTUNISTIC | REQUIRE | VERIFY,
     SCRIPT (OFFERED, "E STARTTLS", "s 220 go\r\n\r\n", "X"), false, AT_STARTTLS, false, 0},
    /* Said before it was asked for: it is not the answer. */
    {"early-220", OPPORTUNISTIC | REQUIRE | VERIFY,
     SCRIPT ("S 220 mx.test", "E EHLO client.test", "s 250-mx.test\r\n250 STARTTLS\r\n220 go\r\n",
             "X"),
     false, AT_STARTTLS, false, 0},
    {"early-250", OPPORTUNISTIC | REQUIRE | VERIFY,
     SCRIPT ("S 220 mx.test", "E EHLO client.test", "s 250-mx.test\r\n250 STARTTLS\r\n250 ok\r\n",
             "X"),
     false, AT_STARTTLS, false, 0},
    {"stall", OPPORTUNISTIC | REQUIRE | VERIFY, SCRIPT (OFFERED, "E STARTTLS", "x"), false,
     AT_STARTTLS, false, 0},
    {"handshake-garbage", OPPORTUNISTIC | REQUIRE | VERIFY,
     SCRIPT (OFFERED, "E STARTTLS", "S 220 go", "H", "S 250 mx.test", "x"), false, AT_TLS, true, 0},
    {"handshake-close", OPPORTUNISTIC | REQUIRE | VERIFY,
     SCRIPT (OFFERED, "E STARTTLS", "S 220 go", "H"), false, AT_TLS, true, 0},
    {"handshake-reset", OPPORTUNISTIC | REQUIRE | VERIFY,
     SCRIPT (OFFERED, "E STARTTLS", "S 220 go", "H", "R"), false, AT_TLS, true, 0},
    {"handshake-stall", OPPORTUNISTIC | REQUIRE | VERIFY,
     SCRIPT (OFFERED, "E STARTTLS", "S 220 go", "x"), false, AT_TLS, true, 0},
    {"not-verified", VERIFY, SCRIPT (OFFERED, "E STARTTLS", "S 220 go", "T", "x"), false, AT_TLS,
     true, 0},
    {"ehlo-refused-under-tls", OPPORTUNISTIC | REQUIRE,
     SCRIPT (OFFERED, "E STARTTLS", "S 220 go", "T", "E EHLO client.test", "S 550 no",
             "E HELO client.test", "S 550 no", "x"),
     false, RELAIS_PHASE_EHLO, false, 550},
};

static void
check (const Case *c, RelaisTlsPolicy policy)
{
    g_auto (Run) run;
    g_auto (Mail) mail;

    run_init (&run);
    mail_init (&mail, 1, "x\r\n");
    run.policy = policy;
    run.timeouts.tls_us = run.timeouts.ehlo_us = 300000;
    run.tls = relais_tls_context_new_client (policy == RELAIS_TLS_POLICY_VERIFY, NULL);
    run_mail (&run, &mail, c->script);
    g_assert_cmpuint (run.closed, ==, 1);
    g_assert_cmpuint (run.ready, ==, c->delivered);
    g_assert_true (run.good_end == c->delivered);
    if (c->delivered) {
        g_assert_cmpuint (run_code (&run, 0), ==, 250);
        return;
    }
    g_assert_cmpuint (run.sent, ==, 0);
    g_assert_null (strstr (run.peer.said->str, "MAIL"));
    g_assert_cmpint (run.failure.phase, ==, c->phase);
    g_assert_true (run.failure.tls_handshake == c->tls_handshake);
    g_assert_cmpuint (run.reply.code, ==, c->code);
    g_assert_cmpint (run.took_us, <, 1300000);
}

static void
test_case (gconstpointer data)
{
    static const RelaisTlsPolicy policies[] = {RELAIS_TLS_POLICY_NONE,
                                               RELAIS_TLS_POLICY_OPPORTUNISTIC,
                                               RELAIS_TLS_POLICY_REQUIRE, RELAIS_TLS_POLICY_VERIFY};
    const Case *c = data;

    for (guint i = 0; i < G_N_ELEMENTS (policies); i++)
        if ((c->policies & (1U << i)) != 0)
            check (c, policies[i]);
}

/* What EHLO offered in clear is forgotten; a large message goes through back-pressure under TLS. */
static void
test_large_under_tls (void)
{
    g_auto (Run) run;
    g_auto (Mail) mail;
    g_autoptr (GString) text = g_string_new (NULL);

    while (text->len < 4 * 1024 * 1024)
        g_string_append (text, "..some text with a dot at its head, to be doubled\r\n.\r\n");
    run_init (&run);
    mail_init (&mail, 1, text->str);
    run.policy = RELAIS_TLS_POLICY_OPPORTUNISTIC;
    run.tls = relais_tls_context_new_client (false, NULL);
    run_mail (&run, &mail, SCRIPT (OFFERED, UNDER_TLS, DELIVERY));
    g_assert_false (run.caps.dsn || run.caps.size || run.caps.starttls);
    g_assert_cmpuint (run.caps.max_size, ==, 0);
    g_assert_cmpuint (run_code (&run, 0), ==, 250);
    check_octets (run.peer.message, text->str, text->len);
}

/* --- What comes past TLS ---------------------------------------------------------------------- */

#define SECURED OFFERED, "E STARTTLS", "S 220 go", "T"
#define AT_EHLO SECURED, "E EHLO client.test"
#define AT_MAIL AT_EHLO, "S 250 mx.test", "E MAIL FROM:<s@a.test>"
#define AT_RCPT AT_MAIL, "S 250 ok", "E RCPT TO:<r0@b.test>"
#define AT_DATA AT_RCPT, "S 250 ok", "E DATA"
#define AT_BODY AT_DATA, "S 354 go", "B"

/* At each state under TLS: clear octets, a close_notify and clear octets behind it, or a reset. None of
 * them is a reply, and no message counts as taken. */
static void
test_past_tls (void)
{
    const char *const *const scripts[] = {SCRIPT (AT_EHLO, "c 250 mx.test\r\n", "x"),
                                          SCRIPT (AT_MAIL, "c 250 ok\r\n", "x"),
                                          SCRIPT (AT_RCPT, "c 250 ok\r\n", "x"),
                                          SCRIPT (AT_DATA, "c 354 go\r\n", "x"),
                                          SCRIPT (AT_BODY, "c 250 ok\r\n", "x"),
                                          SCRIPT (AT_EHLO, "n", "c 250 mx.test\r\n", "x"),
                                          SCRIPT (AT_MAIL, "n", "c 250 ok\r\n", "x"),
                                          SCRIPT (AT_RCPT, "n", "c 250 ok\r\n", "x"),
                                          SCRIPT (AT_DATA, "n", "c 354 go\r\n", "x"),
                                          SCRIPT (AT_BODY, "n", "c 250 ok\r\n", "x"),
                                          SCRIPT (AT_EHLO, "R"),
                                          SCRIPT (AT_MAIL, "R"),
                                          SCRIPT (AT_RCPT, "R"),
                                          SCRIPT (AT_DATA, "R"),
                                          SCRIPT (AT_BODY, "R")};

    for (guint i = 0; i < G_N_ELEMENTS (scripts); i++) {
        g_auto (Run) run;
        g_auto (Mail) mail;

        run_init (&run);
        mail_init (&mail, 1, "x\r\n");
        run.policy = RELAIS_TLS_POLICY_REQUIRE;
        run.tls = relais_tls_context_new_client (false, NULL);
        run_mail (&run, &mail, scripts[i]);
        g_assert_cmpuint (run.closed, ==, 1);
        g_assert_false (run.good_end);
        g_assert_false (run.failure.tls_handshake);
        if (run.sent > 0)
            g_assert_cmpuint (run_code (&run, 0), ==, 0);
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    signal (SIGPIPE, SIG_IGN); /* as the mains do */
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autofree char *path = g_strdup_printf ("/smtp/client/tls/%s", cases[i].name);

        g_test_add_data_func (path, &cases[i], test_case);
    }
    g_test_add_func ("/smtp/client/tls/past-tls", test_past_tls);
    g_test_add_func ("/smtp/client/tls/large", test_large_under_tls);
    return g_test_run ();
}
