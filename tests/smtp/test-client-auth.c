/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/smtp/client, AUTH: which mechanism, never in clear unless allowed, what refusals mean, peers that
 * play tricks in the exchange; and the file of credentials. SCRAM's good end is met in tests/e2e (the peer
 * there counts on its own).
 */
#include "config.h"

#include "client-peer.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define SCRIPT(...) ((const char *const[]){__VA_ARGS__, NULL})
#define EHLO(auth) "S 220 mx.test", "E EHLO client.test", "s 250-mx.test\r\n250 AUTH " auth "\r\n"
#define TLS                                                                                        \
    "S 220 mx.test", "E EHLO client.test", "s 250-mx.test\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n",  \
        "E STARTTLS", "S 220 go", "T"
#define MAIL                                                                                       \
    "E MAIL FROM:<s@a.test>", "S 250 ok", "E RCPT TO:<r0@b.test>", "S 250 ok", "E DATA",           \
        "S 354 go", "B", "S 250 ok", "E QUIT", "S 221 bye", "x"
#define AUTH_PLAIN "E AUTH PLAIN AG1lAHNlY3JldA=="
#define SCRAM "C AUTH SCRAM-SHA-256 biwsbj1tZSxyP"

typedef struct {
    const char *name;
    bool in_clear, implicit;
    RelaisTlsPolicy policy;
    const char *const *script;
    bool delivered;
    guint code;
    const char *says; /* in the failure's text */
} Case;

#define NONE RELAIS_TLS_POLICY_NONE
#define MAY RELAIS_TLS_POLICY_OPPORTUNISTIC
#define MUST RELAIS_TLS_POLICY_REQUIRE

static const Case cases[] = {
    {"plain", true, false, NONE,
     SCRIPT (EHLO ("GSSAPI LOGIN PLAIN"), AUTH_PLAIN, "S 235 2.7.0 in", MAIL), true, 0, NULL},
    {"login", true, false, NONE,
     SCRIPT (EHLO ("LOGIN"), "E AUTH LOGIN", "S 334 VXNlcm5hbWU6", "E bWU=", "S 334 UGFzc3dvcmQ6",
             "E c2VjcmV0", "S 235 in", MAIL),
     true, 0, NULL},
    {"login/asks-for-more", true, false, NONE,
     SCRIPT (EHLO ("LOGIN"), "E AUTH LOGIN", "S 334 VXNlcm5hbWU6", "E bWU=", "S 334 UGFzc3dvcmQ6",
             "E c2VjcmV0", "S 334 bW9yZQ==", "X"),
     false, 0, "asks for more"},
    {"plain/goes-on", true, false, NONE, SCRIPT (EHLO ("PLAIN"), AUTH_PLAIN, "S 334 YQ==", "X"),
     false, 0, "goes on"},
    {"refused", true, false, NONE,
     SCRIPT (EHLO ("PLAIN"), AUTH_PLAIN, "S 535 5.7.8 no", "E QUIT", "x"), false, 535,
     "AUTH was refused"},
    {"refused-for-now", true, false, NONE,
     SCRIPT (EHLO ("PLAIN"), AUTH_PLAIN, "S 454 4.7.0 later", "E QUIT", "x"), false, 454,
     "AUTH was refused"},
    {"other-success", true, false, NONE, SCRIPT (EHLO ("PLAIN"), AUTH_PLAIN, "S 250 ok", "X"),
     false, 250, "AUTH was refused"},
    {"421", true, false, NONE, SCRIPT (EHLO ("PLAIN"), AUTH_PLAIN, "S 421 bye", "X"), false, 421,
     "closed"},
    {"stall", true, false, NONE, SCRIPT (EHLO ("PLAIN"), AUTH_PLAIN, "x"), false, 0, "phase auth"},
    {"not-offered", true, false, NONE, SCRIPT (EHLO ("GSSAPI"), "X"), false, 0, "offers none"},
    {"not-in-clear", false, false, NONE, SCRIPT (EHLO ("PLAIN SCRAM-SHA-256"), "X"), false, 0,
     "not sent without TLS"},
    {"stripped", false, false, MAY, SCRIPT (EHLO ("PLAIN"), "X"), false, 0, "not sent without TLS"},
    {"under-tls", false, false, MAY,
     SCRIPT (TLS, "E EHLO client.test", "s 250-mx.test\r\n250 AUTH PLAIN\r\n", AUTH_PLAIN,
             "S 235 in", MAIL),
     true, 0, NULL},
    /* what was offered in clear is forgotten */
    {"forgotten", false, false, MAY, SCRIPT (TLS, "E EHLO client.test", "S 250 mx.test", "X"),
     false, 0, "offers none"},
    {"implicit-tls", false, true, MUST,
     SCRIPT ("T", "S 220 mx.test", "E EHLO client.test",
             "s 250-mx.test\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n", AUTH_PLAIN, "S 235 in", MAIL),
     true, 0, NULL},
    {"implicit-tls/clear-banner", false, true, MUST, SCRIPT ("H", "S 220 mx.test", "x"), false, 0,
     "handshake"},
    {"pipelined-success", true, false, NONE,
     SCRIPT (EHLO ("LOGIN"), "E AUTH LOGIN", "s 334 VXNlcm5hbWU6\r\n235 in\r\n", "X"), false, 0,
     NULL},
    {"scram/235-early", true, false, NONE,
     SCRIPT (EHLO ("PLAIN SCRAM-SHA-256"), SCRAM, "S 235 in", "X"), false, 0, "did not prove"},
    {"scram/no-base64", true, false, NONE, SCRIPT (EHLO ("SCRAM-SHA-256"), SCRAM, "S 334 !!!", "X"),
     false, 0, "makes no sense"},
    /* r=x,s=QSXCR+Q6sek8bf92,i=4096: the nonce is not ours */
    {"scram/foreign-nonce", true, false, NONE,
     SCRIPT (EHLO ("SCRAM-SHA-256"), SCRAM, "S 334 cj14LHM9UVNYQ1IrUTZzZWs4YmY5MixpPTQwOTY=", "X"),
     false, 0, "did not prove"},
    /* r=x,s=QSXCR+Q6sek8bf92,i=1000001 */
    {"scram/iterations", true, false, NONE,
     SCRIPT (EHLO ("SCRAM-SHA-256"), SCRAM,
             "S 334 cj14LHM9UVNYQ1IrUTZzZWs4YmY5MixpPTEwMDAwMDE=", "X"),
     false, 0, "makes no sense"},
    {"scram/refused", true, false, NONE,
     SCRIPT (EHLO ("SCRAM-SHA-256"), SCRAM, "S 535 5.7.8 no", "E QUIT", "x"), false, 535,
     "refused"},
};

static void
test_case (gconstpointer data)
{
    const Case *c = data;
    g_auto (Run) run;
    g_auto (Mail) mail;

    run_init (&run);
    mail_init (&mail, 1, "x\r\n");
    run.policy = c->policy;
    run.tls = c->policy != NONE ? relais_tls_context_new_client (false, NULL) : NULL;
    run.implicit_tls = c->implicit;
    run.auth_in_clear = c->in_clear;
    run.credentials = relais_credentials_new ("me", "secret");
    run.timeouts.ehlo_us = 300000;
    run_mail (&run, &mail, c->script);
    g_assert_cmpuint (run.closed, ==, 1);
    g_assert_cmpuint (run.ready, ==, c->delivered);
    if (c->delivered) {
        g_assert_cmpuint (run_code (&run, 0), ==, 250);
        return;
    }
    g_assert_cmpuint (run.reply.code, ==, c->code);
    g_assert_cmpint (run.failure.phase, ==, c->implicit ? RELAIS_PHASE_TLS : RELAIS_PHASE_AUTH);
    if (c->says != NULL)
        g_assert_nonnull (strstr (run.failure.text, c->says));
    g_assert_null (strstr (run.failure.text, "secret"));
    g_assert_cmpint (run.took_us, <, 1300000);
}

/* The client goes while a worker hashes for it. */
static void
test_freed_meanwhile (void)
{
    for (guint i = 0; i < 3; i++) {
        g_auto (Run) run;

        run_init (&run);
        run.auth_in_clear = true;
        run.credentials = relais_credentials_new ("me", "secret");
        run.free_when_in = RELAIS_PHASE_AUTH;
        run_script (&run, SCRIPT (EHLO ("SCRAM-SHA-256"), "x"));
        g_assert_cmpuint (run.closed, ==, 0);
    }
}

/* --- The file --------------------------------------------------------------------------------- */

static void
test_file (void)
{
    static const struct {
        const char *text;
        int mode;
        bool good;
    } files[] = {
        {"me\nsecret\n", 0600, true},
        {"me\nsecret", 0400, true},
        {"me\nse:cr et\n", 0600, true},
        {"me\nsecret\n", 0640, false},
        {"me\nsecret\n", 0604, false},
        {"me\n", 0600, false},
        {"me\n\n", 0600, false},
        {"", 0600, false},
        {"me\nsecret\nmore\n", 0600, false},
        {"m\te\nsecret\n", 0600, false},
        {"m\xff\nsecret\n", 0600, false},
    };
    g_autofree char *dir = g_dir_make_tmp ("relais-credentials-XXXXXX", NULL);
    g_autofree char *path = g_build_filename (dir, "file", NULL);
    g_autofree char *link = g_build_filename (dir, "link", NULL);

    for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
        g_autoptr (GError) error = NULL;
        RelaisCredentials *credentials;

        g_assert_true (g_file_set_contents (path, files[i].text, -1, NULL));
        g_assert_cmpint (g_chmod (path, files[i].mode), ==, 0);
        credentials = relais_credentials_load (path, &error);
        g_assert_true ((credentials != NULL) == files[i].good);
        g_assert_true ((error == NULL) == files[i].good);
        if (error != NULL)
            g_assert_null (strstr (error->message, "secret"));
        if (credentials != NULL)
            g_assert_cmpstr (credentials->user, ==, "me");
        relais_credentials_unref (credentials);
        g_chmod (path, 0600);
    }
    /* the size at its limit, and one octet more */
    for (gsize over = 0; over < 2; over++) {
        g_autofree char *large = g_strnfill (RELAIS_CREDENTIALS_BYTES + over, 'x');
        RelaisCredentials *credentials;

        memcpy (large, "me\n", 3);
        g_assert_true (g_file_set_contents (path, large, -1, NULL));
        g_assert_cmpint (g_chmod (path, 0600), ==, 0);
        credentials = relais_credentials_load (path, NULL);
        g_assert_true ((credentials != NULL) == (over == 0));
        relais_credentials_unref (credentials);
    }
    g_assert_true (g_file_set_contents (path, "me\nsecret\n", -1, NULL));
    g_assert_cmpint (symlink (path, link), ==, 0);
    g_assert_null (relais_credentials_load (link, NULL));
    g_unlink (link);
    g_unlink (path);
    g_rmdir (dir);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    signal (SIGPIPE, SIG_IGN); /* as the mains do */
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autofree char *path = g_strdup_printf ("/smtp/client/auth/%s", cases[i].name);

        g_test_add_data_func (path, &cases[i], test_case);
    }
    g_test_add_func ("/smtp/client/auth/freed-meanwhile", test_freed_meanwhile);
    g_test_add_func ("/smtp/client/auth/file", test_file);
    return g_test_run ();
}
