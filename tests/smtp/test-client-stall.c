/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/smtp/client, peers that stop: at each phase the slot is free within the phase's deadline
 * and a second, whether the peer says nothing, dribbles, or takes nothing.
 */
#include "config.h"

#include "client-peer.h"

#include <string.h>

#define SCRIPT(...) ((const char *const[]){__VA_ARGS__, NULL})
#define EHLO "S 220 mx.test", "E EHLO client.test"
#define READY EHLO, "S 250 mx.test"
#define DRIBBLE                                                                                    \
    "D 250-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"               \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"     \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

enum { DEADLINE_US = 100 * 1000, SLACK_US = 1000 * 1000 };

typedef struct {
    const char *name;
    gsize deadline; /* which one of RelaisSmtpTimeouts is short */
    const char *const *script;
    RelaisSmtpPhase phase;
} Stall;

#define OF(member) offsetof (RelaisSmtpTimeouts, member)
#define UP_TO_RCPT READY, "C MAIL", "S 250 ok", "C RCPT"
#define UP_TO_DATA UP_TO_RCPT, "S 250 ok", "C DATA"

static const Stall stalls[] = {
    {"banner", OF (banner_us), SCRIPT ("x"), RELAIS_PHASE_BANNER},
    {"banner-dribbled", OF (banner_us), SCRIPT (DRIBBLE, "x"), RELAIS_PHASE_BANNER},
    {"ehlo", OF (ehlo_us), SCRIPT (EHLO, "x"), RELAIS_PHASE_EHLO},
    {"ehlo-dribbled", OF (ehlo_us), SCRIPT (EHLO, "S 250-mx", DRIBBLE, "x"), RELAIS_PHASE_EHLO},
    {"mail", OF (mail_us), SCRIPT (READY, "C MAIL", "x"), RELAIS_PHASE_MAIL},
    {"rcpt", OF (rcpt_us), SCRIPT (UP_TO_RCPT, "x"), RELAIS_PHASE_RCPT},
    {"rcpt-dribbled", OF (rcpt_us), SCRIPT (UP_TO_RCPT, DRIBBLE, "x"), RELAIS_PHASE_RCPT},
    {"data", OF (data_us), SCRIPT (UP_TO_DATA, "x"), RELAIS_PHASE_DATA},
    {"dot", OF (dot_us), SCRIPT (UP_TO_DATA, "S 354 go", "B", "x"), RELAIS_PHASE_DOT},
    {"dot-dribbled", OF (dot_us), SCRIPT (UP_TO_DATA, "S 354 go", "B", DRIBBLE, "x"),
     RELAIS_PHASE_DOT},
    {"rset", OF (mail_us), SCRIPT (READY, "C MAIL", "S 550 no", "C RSET", "x"), RELAIS_PHASE_RSET},
    {"quit", OF (quit_us),
     SCRIPT (READY, "C MAIL", "S 550 no", "C RSET", "S 250 ok", "C MAIL", "S 550 no", "C QUIT",
             "x"),
     RELAIS_PHASE_QUIT},
    /* The watchdog alone. */
    {"stall-banner", OF (stall_us), SCRIPT ("x"), RELAIS_PHASE_BANNER},
    {"stall-rcpt", OF (stall_us), SCRIPT (UP_TO_RCPT, "x"), RELAIS_PHASE_RCPT},
};

static void
test_stall (gconstpointer data)
{
    const Stall *stall = data;
    g_auto (Run) run;
    g_auto (Mail) mail;

    run_init (&run);
    mail_init (&mail, 1, "x\r\n");
    const RelaisSmtpTransaction *const twice[] = {&mail.tx, &mail.tx};

    *(gint64 *)((char *)&run.timeouts + stall->deadline) = DEADLINE_US;
    run.transactions = twice;
    run.n_transactions = 2;
    run_script (&run, stall->script);
    g_assert_cmpuint (run.closed, ==, 1);
    g_assert_true (run.failure.timeout);
    g_assert_cmpint (run.failure.phase, ==, stall->phase);
    g_assert_cmpint (run.took_us, >=, DEADLINE_US);
    g_assert_cmpint (run.took_us, <, DEADLINE_US + SLACK_US);
}

/* A peer that takes nothing of a body that is larger than what sockets hold. */
static void
check_body_stall (gint64 body_us, gint64 stall_us)
{
    g_auto (Run) run;
    g_auto (Mail) mail;
    RelaisRope *rope = relais_rope_new ();
    g_autofree char *line = g_strnfill (1024 * 1024, 'x');

    memcpy (line + 1024 * 1024 - 2, "\r\n", 2);
    g_autoptr (GBytes) bytes = g_bytes_new (line, 1024 * 1024);

    for (guint i = 0; i < 16; i++)
        relais_rope_append_bytes (rope, bytes);
    run_init (&run);
    mail_init_rope (&mail, 1, rope);
    run.timeouts.body_us = body_us;
    run.timeouts.stall_us = stall_us;
    run_mail (&run, &mail, SCRIPT (UP_TO_DATA, "S 354 go", "K"));
    g_assert_true (run.sent_failed && run.sent_failure.timeout);
    g_assert_cmpint (run.sent_failure.phase, ==, RELAIS_PHASE_BODY);
    g_assert_cmpuint (run_code (&run, 0), ==, 0);
    g_assert_cmpint (run.took_us, >=, MIN (body_us, stall_us));
    g_assert_cmpint (run.took_us, <, MIN (body_us, stall_us) + SLACK_US);
    g_assert_null (strstr (run.peer.said->str, "\n.\r\n"));
}

static void
test_body_deadline (void)
{
    check_body_stall (300000, 5000000);
}

static void
test_body_watchdog (void)
{
    check_body_stall (5000000, 300000);
}

/* Many tarpits at once do not keep the loop from a good peer. */
static void
test_beside_tarpits (void)
{
    static const char *const silent[] = {"x", NULL};
    g_auto (Run) good;
    g_auto (Mail) mail;
    enum { N = 50 };
    g_autofree Run *tarpits = g_new0 (Run, N);

    for (guint i = 0; i < N; i++) {
        run_init (&tarpits[i]);
        tarpits[i].shared_loop = i > 0 ? tarpits[0].loop : NULL;
        run_begin (&tarpits[i], silent);
    }
    run_init (&good);
    good.shared_loop = tarpits[0].loop;
    mail_init (&mail, 1, "x\r\n");
    run_mail (&good, &mail,
              SCRIPT (UP_TO_DATA, "S 354 go", "B", "S 250 ok", "C QUIT", "S 221 bye"));
    g_assert_cmpuint (run_code (&good, 0), ==, 250);
    g_assert_cmpint (good.took_us, <, SLACK_US);
    for (guint i = N; i > 0; i--) {
        g_assert_cmpuint (tarpits[i - 1].closed, ==, 0);
        run_clear (&tarpits[i - 1]);
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS (stalls); i++) {
        g_autofree char *path = g_strdup_printf ("/smtp/client/stall/%s", stalls[i].name);

        g_test_add_data_func (path, &stalls[i], test_stall);
    }
    g_test_add_func ("/smtp/client/stall/body-deadline", test_body_deadline);
    g_test_add_func ("/smtp/client/stall/body-watchdog", test_body_watchdog);
    g_test_add_func ("/smtp/client/stall/beside-tarpits", test_beside_tarpits);
    return g_test_run ();
}
