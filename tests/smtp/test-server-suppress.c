/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/smtp: recipients that are on the suppression list, and those about whom it has no say.
 */
#include "config.h"

#include "fake-suppression.h"
#include "server-bed.h"

#define OPENING "< 220 *\n> EHLO c\n< 250-*\n> MAIL FROM:<a@one.test>\n< 250 *\n"

static Bed *
open_bed (const char *conf)
{
    bed_suppression = fake_suppression;
    return bed_new (conf);
}

static void
close_bed (Bed *bed)
{
    bed_free (bed);
    bed_suppression = NULL;
    fake_suppression_clear ();
}

static void
test_refused (void)
{
    Bed *bed = open_bed (BED_TRUSTED);

    fake_suppression_add ("dead@far.test", NULL, NULL, RELAIS_SUPPRESS_HARD, "no-such-user");
    fake_suppression_add ("left@far.test", "one", NULL, RELAIS_SUPPRESS_UNSUBSCRIBE, NULL);
    bed_run (bed,
             OPENING "> RCPT TO:<dead@far.test>\n"
                     "< 550 5.7.1 this address is on the suppression list (hard: no-such-user); *\n"
                     "> RCPT TO:<left@far.test>\n"
                     "< 550 5.7.1 this address is on the suppression list (unsubscribe); *\n"
                     "> DATA\n< 554 *\n"
                     "> RCPT TO:<b@far.test>\n< 250 *\n> DATA\n< 354 *\n" BED_MESSAGE "< 250 *\n");
    bed_settle (bed);
    g_assert_cmpuint (bed_message (bed, 0)->envelope.recipients->len, ==, 1);
    close_bed (bed);
}

/* The campaign is not known at RCPT, and another tenant's entries are its own. */
static void
test_scopes (void)
{
    Bed *bed = open_bed (BED_TRUSTED);

    fake_suppression_add ("x@far.test", NULL, "spring", RELAIS_SUPPRESS_UNSUBSCRIBE, NULL);
    fake_suppression_add ("y@far.test", "two", NULL, RELAIS_SUPPRESS_UNSUBSCRIBE, NULL);
    bed_run (bed, OPENING "> RCPT TO:<x@far.test>\n< 250 *\n> RCPT TO:<y@far.test>\n< 250 *\n");
    close_bed (bed);
}

static void
test_accepted (void)
{
    Bed *bed = open_bed (BED_TRUSTED "[suppression]\nat_rcpt = accept\n");

    fake_suppression_add ("dead@far.test", NULL, NULL, RELAIS_SUPPRESS_HARD, "no-such-user");
    bed_run (bed, OPENING "> RCPT TO:<dead@far.test>\n< 250 *\n> DATA\n< 354 *\n" BED_MESSAGE
                          "< 250 *\n");
    bed_settle (bed);
    g_assert_cmpuint (bed->accepted->len, ==, 1);
    close_bed (bed);
}

static void
test_unknown (void)
{
    Bed *bed = open_bed (BED_TRUSTED "[suppression]\nat_rcpt = accept\n");

    fake_suppression_trouble = "the journal is damaged";
    bed_run (bed, OPENING "> RCPT TO:<b@far.test>\n"
                          "< 451 4.3.0 the suppression list cannot be read now, *\n"
                          "> RCPT TO:<u@in.test>\n< 250 *\n");
    fake_suppression_trouble = NULL;
    bed_run (bed, OPENING "> RCPT TO:<b@far.test>\n< 250 *\n");
    close_bed (bed);
}

/* Mail that comes in for us, and mail for our roles, which is forwarded. */
static void
test_not_asked (void)
{
    Bed *bed = open_bed (BED_TRUSTED);

    fake_suppression_add ("u@in.test", NULL, NULL, RELAIS_SUPPRESS_HARD, NULL);
    fake_suppression_add ("postmaster@bare.test", NULL, NULL, RELAIS_SUPPRESS_HARD, NULL);
    fake_suppression_add ("root@one.test", NULL, NULL, RELAIS_SUPPRESS_HARD, NULL);
    bed_run (bed, OPENING "> RCPT TO:<u@in.test>\n< 250 *\n"
                          "> RCPT TO:<postmaster@bare.test>\n< 250 *\n");
    g_assert_cmpuint (fake_suppression_checks, ==, 0);
    close_bed (bed);
}

/* Who may not relay, or not as this sender, learns nothing of the list. */
static void
test_strangers_learn_nothing (void)
{
    Bed *bed = open_bed (BED_TRUSTED);

    fake_suppression_add ("dead@far.test", NULL, NULL, RELAIS_SUPPRESS_HARD, NULL);
    bed_run (bed, "< 220 *\n> EHLO c\n< 250-*\n> MAIL FROM:<a@two.test>\n< 250 *\n"
                  "> RCPT TO:<dead@far.test>\n< 550 5.7.1 you may not use *\n");
    close_bed (bed);
    bed = open_bed (BED_STRANGER);
    fake_suppression_add ("dead@far.test", NULL, NULL, RELAIS_SUPPRESS_HARD, NULL);
    bed_run (bed, OPENING "> RCPT TO:<dead@far.test>\n< 550 5.7.1 relaying denied\n");
    g_assert_cmpuint (fake_suppression_checks, ==, 0);
    close_bed (bed);
}

/* A refused recipient does not bind the transaction to the tenant: what is left is inbound mail. */
static void
test_does_not_bind (void)
{
    Bed *bed = open_bed (BED_TRUSTED);

    fake_suppression_add ("dead@far.test", NULL, NULL, RELAIS_SUPPRESS_HARD, NULL);
    bed_run (bed, OPENING "> RCPT TO:<dead@far.test>\n< 550 *\n> RCPT TO:<u@in.test>\n< 250 *\n"
                          "> DATA\n< 354 *\n" BED_MESSAGE "< 250 *\n");
    bed_settle (bed);
    g_assert_null (bed_message (bed, 0)->envelope.tenant);
    close_bed (bed);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/smtp/server/suppress/refused", test_refused);
    g_test_add_func ("/smtp/server/suppress/scopes", test_scopes);
    g_test_add_func ("/smtp/server/suppress/accepted", test_accepted);
    g_test_add_func ("/smtp/server/suppress/unknown", test_unknown);
    g_test_add_func ("/smtp/server/suppress/not-asked", test_not_asked);
    g_test_add_func ("/smtp/server/suppress/strangers-learn-nothing", test_strangers_learn_nothing);
    g_test_add_func ("/smtp/server/suppress/does-not-bind", test_does_not_bind);
    return g_test_run ();
}
