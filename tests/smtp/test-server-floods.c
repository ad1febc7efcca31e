/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/smtp: limits of one client and of its network, over loopback: by the addresses that a proxy
 * names, and by that of loopback where it is not exempt.
 */
#include "config.h"

#include "server-bed.h"

#include <string.h>

#define PROXY                                                                                      \
    BED_DOMAINS "[listener main]\nport = 0\nproxy = yes\nauth = yes\n"                             \
                "[limits]\nexempt_nets = 198.51.100.0/24\n"
#define DIRECT BED_TRUSTED "[limits]\nexempt_nets = 198.51.100.0/24\n"

static Peer *
connect_as (Bed *bed, const char *address, const char *greeting)
{
    Peer *peer = peer_new (bed, 0);
    g_autofree char *script =
        g_strdup_printf ("> PROXY TCP%c %s %s 1 25\n< %s\n", strchr (address, ':') ? '6' : '4',
                         address, strchr (address, ':') ? "::1" : "10.0.0.1", greeting);

    peer_run (peer, script);
    return peer;
}

static void
test_nets (void)
{
    Bed *bed = bed_new (PROXY "sessions_per_client = 2\nsessions_per_net = 3\n");
    Peer *peers[6] = {
        connect_as (bed, "192.0.2.1", "220 *"),
        connect_as (bed, "192.0.2.1", "220 *"),
        connect_as (bed, "192.0.2.1", "421 4.7.0 too many sessions from your address"),
        connect_as (bed, "192.0.2.2", "220 *"),
        connect_as (bed, "192.0.2.3", "421 4.7.0 too many sessions from your network"),
        connect_as (bed, "192.0.3.3", "220 *"),
    };

    peer_run (peers[2], "<CLOSED\n");
    peer_free (peers[0]);
    bed_settle (bed);
    peers[0] = connect_as (bed, "192.0.2.3", "220 *");
    for (guint i = 0; i < G_N_ELEMENTS (peers); i++)
        peer_free (peers[i]);
    for (guint i = 0; i < G_N_ELEMENTS (peers); i++)
        peers[i] = connect_as (bed, "198.51.100.7", "220 *");
    for (guint i = 0; i < G_N_ELEMENTS (peers); i++)
        peer_free (peers[i]);
    bed_free (bed);
}

static void
test_rate (void)
{
    Bed *bed = bed_new (DIRECT "connections_per_client = 3\n");
    RelaisSmtpServerFigures figures;

    for (int i = 0; i < 3; i++)
        bed_run (bed, "< 220 *\n> QUIT\n< 221 *\n<CLOSED\n");
    bed_run (bed, "< 421 4.7.0 too many connections from your address in a minute\n<CLOSED\n");
    relais_smtp_server_figures (bed->server, &figures);
    g_assert_cmpuint (figures.sessions_total, ==, 3);
    g_assert_cmpuint (figures.turned_away_total, ==, 1);
    bed->skew_us += RELAIS_USEC_PER_MIN;
    bed_run (bed, "< 220 *\n");
    bed_free (bed);
    bed = bed_new (DIRECT "connections_per_net = 1\n");
    bed_run (bed, "< 220 *\n");
    bed_run (bed, "< 421 4.7.0 too many connections from your network in a minute\n<CLOSED\n");
    bed_free (bed);
    /* Loopback is exempt unless something else is said. */
    bed = bed_new (BED_TRUSTED "[limits]\nconnections_per_client = 1\nsessions_per_client = 1\n");
    for (int i = 0; i < 3; i++)
        bed_run (bed, "< 220 *\n");
    bed_free (bed);
}

#define FAIL "> AUTH PLAIN AGEAYg==\n< 535 *\n"

/* Spread over sessions and over names, guesses are guesses of one client. */
static void
test_guesses (void)
{
    Bed *bed = bed_new (PROXY "auth_failures_per_client = 4\n");
    Peer *peer;

    bed_set_user (bed, RELAIS_USERS_ADD, "anna", "secret", "one");
    for (int i = 0; i < 2; i++) {
        peer = connect_as (bed, "192.0.2.1", "220 *");
        peer_run (peer, "> EHLO c\n< 250-*\n" FAIL FAIL);
        peer_free (peer);
    }
    peer = connect_as (bed, "192.0.2.1", "220 *");
    peer_run (peer, "> EHLO c\n< 250-*\n> AUTH PLAIN AGFubmEAc2VjcmV0\n"
                    "< 421 4.7.0 too many failed logins from your address*\n<CLOSED\n");
    peer_free (peer);
    peer = connect_as (bed, "192.0.2.2", "220 *");
    peer_run (peer, "> EHLO c\n< 250-*\n> AUTH PLAIN AGFubmEAc2VjcmV0\n< 235 *\n");
    peer_free (peer);
    bed->skew_us += 10 * RELAIS_USEC_PER_MIN;
    peer = connect_as (bed, "192.0.2.1", "220 *");
    peer_run (peer, "> EHLO c\n< 250-*\n> AUTH PLAIN AGFubmEAc2VjcmV0\n< 235 *\n");
    peer_free (peer);
    bed_free (bed);
}

/* Who talks without bringing mail ends; a message begins the count anew. */
static void
test_idle_commands (void)
{
    bed_run_alone (BED_TRUSTED "[limits]\nidle_commands = 4\n",
                   BED_BEGIN BED_MESSAGE "< 250 *\n> NOOP\n< 250 *\n> RSET\n< 250 *\n"
                                         "> EHLO c\n< 250-*\n> VRFY a\n< 252 *\n"
                                         "> NOOP\n< 421 4.7.0 *\n<CLOSED\n");
}

/* When few places are left, those who say nothing lose theirs sooner. */
static void
test_stress (void)
{
    Bed *bed = bed_new (BED_TRUSTED
                        "[limits]\nsessions = 8\nstress_timeout = 5s\ncommand_timeout = 60s\n");
    Peer *peers[7];

    for (guint i = 0; i < G_N_ELEMENTS (peers); i++) {
        peers[i] = peer_new (bed, 0);
        peer_run (peers[i], "< 220 *\n> EHLO c\n< 250-*\n");
    }
    bed->skew_us += 6 * RELAIS_USEC_PER_SEC;
    peer_run (peers[6], "< 421 4.4.2 *\n<CLOSED\n");
    peer_run (peers[0], "> NOOP\n< 250 *\n");
    for (guint i = 0; i < G_N_ELEMENTS (peers); i++)
        peer_free (peers[i]);
    bed_free (bed);
}

/* Seven of eight are all of less than eight. */
static void
test_stress_of_few (void)
{
    Bed *bed = bed_new (BED_TRUSTED
                        "[limits]\nsessions = 3\nstress_timeout = 5s\ncommand_timeout = 60s\n");
    Peer *peers[3];

    for (guint i = 0; i < 2; i++) {
        peers[i] = peer_new (bed, 0);
        peer_run (peers[i], "< 220 *\n> EHLO c\n< 250-*\n");
    }
    bed->skew_us += 6 * RELAIS_USEC_PER_SEC;
    bed_settle (bed);
    peer_run (peers[0], "> NOOP\n< 250 *\n");
    peers[2] = peer_new (bed, 0);
    peer_run (peers[2], "< 220 *\n> EHLO c\n< 250-*\n");
    bed->skew_us += 6 * RELAIS_USEC_PER_SEC;
    peer_run (peers[2], "< 421 4.4.2 *\n<CLOSED\n");
    for (guint i = 0; i < G_N_ELEMENTS (peers); i++)
        peer_free (peers[i]);
    bed_free (bed);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/smtp/floods/nets", test_nets);
    g_test_add_func ("/smtp/floods/rate", test_rate);
    g_test_add_func ("/smtp/floods/guesses", test_guesses);
    g_test_add_func ("/smtp/floods/idle-commands", test_idle_commands);
    g_test_add_func ("/smtp/floods/stress", test_stress);
    g_test_add_func ("/smtp/floods/stress-of-few", test_stress_of_few);
    return g_test_run ();
}
