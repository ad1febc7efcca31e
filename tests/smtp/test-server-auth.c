/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/smtp: AUTH LOGIN and SCRAM over loopback, the latter against the client's side of libgsasl;
 * with channel binding under TLS 1.3. All failures look alike, and none is of use to the next login.
 */
#include "config.h"

#include "server-bed.h"

#include "smtp/scram-private.h"

#include <gsasl.h>
#include <openssl/ssl.h>
#include <string.h>

#define OPEN BED_DOMAINS "[listener main]\nport = 0\nauth = yes\n[limits]\nauth_failures = 100\n"
#define OPEN_TLS BED_DOMAINS "[listener main]\nport = 0\n" BED_TLS "[limits]\nauth_failures = 100\n"
#define HELLO "< 220 *\n> EHLO c\n"

/* --- LOGIN -------------------------------------------------------------------------------------- */

static void
test_login (void)
{
    Bed *bed = bed_new (OPEN);

    bed_set_user (bed, RELAIS_USERS_ADD, "anna", "secret", "one");
    bed_run (bed, HELLO "< 250-* 250-AUTH PLAIN LOGIN 250 *\n"
                        "> AUTH LOGIN\n< 334 VXNlcm5hbWU6\n> YW5uYQ==\n< 334 UGFzc3dvcmQ6\n"
                        "> d3Jvbmc=\n< 535 5.7.8 wrong name or password\n"
                        "> AUTH LOGIN =\n< 334 UGFzc3dvcmQ6\n> c2VjcmV0\n< 535 5.7.8 *\n"
                        "> AUTH LOGIN YQBi\n< 334 UGFzc3dvcmQ6\n> c2VjcmV0\n< 535 5.7.8 *\n"
                        "> AUTH LOGIN Ym9i\n< 334 UGFzc3dvcmQ6\n> =\n< 535 5.7.8 *\n"
                        "> AUTH LOGIN YW5uYQ==\n< 334 UGFzc3dvcmQ6\n> *\n< 501 5.7.0 *\n"
                        "> AUTH LOGIN\n< 334 *\n> !\n< 501 5.5.2 *\n"
                        "> AUTH LOGIN !\n< 501 5.5.2 *\n"
                        "> AUTH LOGIN YW5uYQ==\n< 334 *\n> \n< 501 5.5.2 *\n"
                        /* What is left of a login is nothing: this is no password. */
                        "> AUTH LOGIN YW5uYQ==\n< 334 *\n> *\n< 501 *\n> c2VjcmV0\n< 500 *\n"
                        "> auth login YW5uYQ==\n< 334 UGFzc3dvcmQ6\n> c2VjcmV0\n< 235 2.7.0 *\n"
                        "> AUTH LOGIN\n< 503 *\n"
                        "> MAIL FROM:<a@one.test>\n< 250 *\n> RCPT TO:<b@far.test>\n< 250 *\n"
                        "> DATA\n< 354 *\n" BED_MESSAGE "< 250 *\n");
    g_assert_cmpstr (bed_message (bed, 0)->envelope.user, ==, "anna");
    bed_free (bed);
}

/* --- SCRAM -------------------------------------------------------------------------------------- */

typedef struct {
    Gsasl *context;
    Gsasl_session *session;
} Client;

static void
client_begin (Client *client, Peer *peer, const char *mechanism, const char *name,
              const char *password)
{
    static const char label[] = "EXPORTER-Channel-Binding";
    guint8 binding[32];

    g_assert_cmpint (gsasl_init (&client->context), ==, GSASL_OK);
    g_assert_cmpint (gsasl_client_start (client->context, mechanism, &client->session), ==, 0);
    gsasl_property_set (client->session, GSASL_AUTHID, name);
    gsasl_property_set (client->session, GSASL_PASSWORD, password);
    if (g_str_has_suffix (mechanism, "PLUS")) {
        g_autofree char *coded = NULL;

        g_assert_cmpint (SSL_export_keying_material (peer_tls (peer), binding, sizeof binding,
                                                     label, sizeof label - 1, NULL, 0, 0),
                         ==, 1);
        coded = g_base64_encode (binding, sizeof binding);
        gsasl_property_set (client->session, GSASL_CB_TLS_EXPORTER, coded);
    }
}

static void
client_end (Client *client)
{
    gsasl_finish (client->session);
    gsasl_done (client->context);
}

/* Changes what the client says in this round (0 first, 1 final, 2 the empty end). */
typedef void (*Spoil) (GString *text, guint round);

/* Runs the exchange; returns the last reply. Owned. */
static char *
exchange (Peer *peer, Client *client, const char *mechanism, Spoil spoil)
{
    g_autoptr (GString) line = g_string_new ("AUTH ");
    char *reply = NULL;

    g_string_append_printf (line, "%s\r\n", mechanism);
    peer_send (peer, line->str, line->len);
    for (guint round = 0;; round++) {
        char *out = NULL;
        int rc;

        g_free (reply);
        reply = peer_reply (peer);
        if (reply == NULL || !g_str_has_prefix (reply, "334 "))
            return reply;
        rc = gsasl_step64 (client->session, reply + 4, &out);
        g_string_assign (line, rc == GSASL_OK || rc == GSASL_NEEDS_MORE ? out : "*");
        gsasl_free (out);
        if (spoil != NULL)
            spoil (line, round);
        g_string_append (line, "\r\n");
        peer_send (peer, line->str, line->len);
    }
}

static void
check (Peer *peer, const char *mechanism, const char *name, const char *password,
       const char *answer)
{
    Client client;
    g_autofree char *reply = NULL;

    client_begin (&client, peer, mechanism, name, password);
    reply = exchange (peer, &client, mechanism, NULL);
    g_assert_nonnull (reply);
    if (!g_str_has_prefix (reply, answer))
        g_error ("%s as %s: expected \"%s\", got \"%s\"", mechanism, name, answer, reply);
    client_end (&client);
}

static void
test_scram (void)
{
    Bed *bed = bed_new (OPEN);
    Peer *peer = peer_new (bed, 0);

    bed_add_scram_user (bed, "anna", "secret");
    /* Known to be offered from the next look at the file on. */
    peer_run (peer, HELLO "< 250-*\n> AUTH PLAIN AGEAYg==\n< 535 *\n"
                          "> EHLO c\n< 250-* 250-AUTH SCRAM-SHA-256 PLAIN LOGIN 250 *\n"
                          "> AUTH SCRAM-SHA-256-PLUS\n< 504 *\n> AUTH SCRAM-SHA-1\n< 504 *\n");
    check (peer, "SCRAM-SHA-256", "anna", "wrong", "535 5.7.8 wrong name or password");
    check (peer, "SCRAM-SHA-256", "bert", "secret", "535 5.7.8 wrong name or password");
    check (peer, "SCRAM-SHA-256", "anna", "secret", "235 2.7.0 ");
    peer_run (peer, "> AUTH SCRAM-SHA-256\n< 503 *\n");
    peer_free (peer);
    /* The password works the other ways too. */
    bed_run (bed, HELLO "< 250-*\n> AUTH PLAIN AGFubmEAc2VjcmV0\n< 235 *\n");
    /* One who has no keys, and clients are no longer led to what he cannot do. */
    bed_set_user (bed, RELAIS_USERS_ADD, "bert", "secret", NULL);
    bed_run (bed, HELLO "< 250-*\n> AUTH PLAIN AGEAYg==\n< 535 *\n"
                        "> EHLO c\n< 250-* 250-AUTH PLAIN LOGIN 250 *\n");
    bed_free (bed);
}

/* A peer under TLS who was told of all mechanisms. */
static Peer *
start_bound (Bed *bed)
{
    Peer *peer = peer_new (bed, 0);

    peer_run (peer, HELLO "< 250-*\n> STARTTLS\n< 220 *\n");
    peer_start_tls (peer);
    peer_run (peer, "> EHLO c\n< 250-*\n> AUTH PLAIN AGEAYg==\n< 535 *\n> EHLO c\n"
                    "< 250-* 250-AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN 250 *\n");
    return peer;
}

static void
test_scram_binding (void)
{
    Bed *bed = bed_new (OPEN_TLS);
    g_autofree char *reply = NULL;
    Client client;
    Peer *peer;

    bed_add_scram_user (bed, "anna", "secret");
    peer = start_bound (bed);
    check (peer, "SCRAM-SHA-256-PLUS", "anna", "wrong", "535 5.7.8 ");
    check (peer, "SCRAM-SHA-256-PLUS", "anna", "secret", "235 ");
    peer_free (peer);
    peer = start_bound (bed);
    check (peer, "SCRAM-SHA-256", "anna", "secret", "235 ");
    peer_free (peer);
    peer = start_bound (bed);
    /* The binding of another channel. */
    client_begin (&client, peer, "SCRAM-SHA-256-PLUS", "anna", "secret");
    gsasl_property_set (client.session, GSASL_CB_TLS_EXPORTER, "AAAA");
    reply = exchange (peer, &client, "SCRAM-SHA-256-PLUS", NULL);
    g_assert_true (g_str_has_prefix (reply, "535 "));
    client_end (&client);
    /* "y,,n=anna,r=x": who says that no binding was offered was lied to. */
    peer_run (peer, "> AUTH SCRAM-SHA-256 eSwsbj1hbm5hLHI9eA==\n< 535 *\n");
    peer_free (peer);
    bed_free (bed);
}

static guint spoilt_round;
static char *first_message;

static void
cancel (GString *text, guint round)
{
    if (round == spoilt_round)
        g_string_assign (text, "*");
}

static void
cut (GString *text, guint round)
{
    if (round == spoilt_round)
        g_string_truncate (text, text->len / 8 * 4);
}

static void
repeat (GString *text, guint round)
{
    if (round == 0) {
        g_free (first_message);
        first_message = g_strdup (text->str);
    } else if (round == spoilt_round)
        g_string_assign (text, first_message);
}

static void
check_spoilt (Bed *bed, Spoil spoil, guint round, const char *answer)
{
    Peer *peer = peer_new (bed, 0);
    Client client;
    g_autofree char *reply = NULL;

    spoilt_round = round;
    peer_run (peer, HELLO "< 250-*\n");
    client_begin (&client, peer, "SCRAM-SHA-256", "anna", "secret");
    reply = exchange (peer, &client, "SCRAM-SHA-256", spoil);
    if (!g_str_has_prefix (reply, answer))
        g_error ("round %u: expected \"%s\", got \"%s\"", round, answer, reply);
    client_end (&client);
    check (peer, "SCRAM-SHA-256", "anna", "secret", "235 ");
    peer_free (peer);
}

/* Whatever is wrong, and wherever: refused, in the same words, and the next login works. */
static void
test_scram_spoilt (void)
{
    Bed *bed = bed_new (OPEN);

    bed_add_scram_user (bed, "anna", "secret");
    bed_run (bed, HELLO "< 250-*\n> AUTH PLAIN AGEAYg==\n< 535 *\n");
    for (guint round = 0; round < 3; round++) {
        check_spoilt (bed, cancel, round, "501 5.7.0");
        if (round == 1) /* half a first message is another one, and at the end nothing is said */
            check_spoilt (bed, cut, round, "535 5.7.8 wrong name or password");
        if (round > 0)
            check_spoilt (bed, repeat, round, "535 5.7.8 wrong name or password");
    }
    g_clear_pointer (&first_message, g_free);
    bed_free (bed);
}

/* --- Parsing ------------------------------------------------------------------------------------ */

static void
test_scram_first (void)
{
    static const struct {
        const char *text, *name;
    } cases[] = {
        {"n,,n=anna,r=x", "anna"},
        {"y,,n=a@b.test,r=x", "a@b.test"},
        {"p=tls-exporter,,n=anna,r=x", "anna"},
        {"n,a=anna,n=anna,r=x", "anna"},
        {"n,a=bert,n=anna,r=x", NULL},
        {"n,a=,n=anna,r=x", NULL},
        {"n,x,n=anna,r=x", NULL},
        {"n,,n=,r=x", NULL},
        {"n,,n=anna", NULL},
        {"n,,m=x,n=anna,r=x", NULL},
        {"n,,n=an=2Cna,r=x", NULL},
        {"n,,", NULL},
        {"n,", NULL},
        {"", NULL},
        {"n,,n", NULL},
    };

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        const gsize size = strlen (cases[i].text);
        g_autofree char *exact = g_memdup2 (cases[i].text, size);
        g_autofree char *name = relais_scram_find_name (exact, size);

        g_assert_cmpstr (name, ==, cases[i].name);
    }
    g_assert_null (relais_scram_find_name ("n,,n=an\0na,r=x", 14));
    for (guint n = 127; n <= 129; n++) {
        g_autofree char *long_name = g_strnfill (n, 'x');
        g_autofree char *text = g_strdup_printf ("n,,n=%s,r=x", long_name);
        g_autofree char *name = relais_scram_find_name (text, strlen (text));

        g_assert_true ((name != NULL) == (n <= RELAIS_USER_NAME_BYTES));
    }
}

#define KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static void
test_scram_keys (void)
{
    static const char *const bad[] = {
        "",
        "4096",
        "4095,c2FsdA==," KEY "," KEY,
        "4096,c2FsdA," KEY "," KEY,
        "4096,," KEY "," KEY,
        "4096,c2FsdA==,AAAA," KEY,
        "4096,c2FsdA==," KEY,
        "10000001,c2FsdA==," KEY "," KEY,
        "4096,c2FsdA==," KEY "," KEY ",x",
    };
    static const guint8 salt[RELAIS_SCRAM_SALT_BYTES] = {1};
    g_autofree char *keys = relais_scram_hash ("secret", NULL);
    g_autofree char *nobody = relais_scram_keys_of_nobody (salt);
    GError *error = NULL;

    g_assert_true (relais_scram_keys_are_good (keys));
    g_assert_true (relais_scram_keys_are_good (nobody));
    g_assert_true (relais_scram_keys_are_good ("4096,c2FsdA==," KEY "," KEY));
    g_assert_true (relais_scram_keys_are_good ("10000000,c2FsdA==," KEY "," KEY));
    for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
        g_assert_false (relais_scram_keys_are_good (bad[i]));
    /* SASLprep (RFC 4013) knows no such password. */
    g_assert_null (relais_scram_hash ("a\x07", &error));
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
    g_error_free (error);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/smtp/auth/login", test_login);
    g_test_add_func ("/smtp/auth/scram", test_scram);
    g_test_add_func ("/smtp/auth/scram-binding", test_scram_binding);
    g_test_add_func ("/smtp/auth/scram-spoilt", test_scram_spoilt);
    g_test_add_func ("/smtp/auth/scram-first", test_scram_first);
    g_test_add_func ("/smtp/auth/scram-keys", test_scram_keys);
    return g_test_run ();
}
