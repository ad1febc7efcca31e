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

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/smtp/client/plain", test_plain);
    g_test_add_func ("/smtp/client/pipelined", test_pipelined);
    return g_test_run ();
}
