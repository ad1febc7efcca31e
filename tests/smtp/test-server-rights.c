/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/smtp, the receiving side: who may send what to whom. Relaying, tenants and classes, STARTTLS,
 * AUTH and PROXY. The script's language is that of server-bed.h.
 */
#include "config.h"

#include "server-bed.h"

#include <string.h>

#define LIMITS "[limits]\n"

/* --- Relaying ----------------------------------------------------------------------------------- */

/* What anybody may try to have mail passed on; nothing but mail for in.test is taken. */
static const char *const relay_attempts[] = {
    "<v@far.test>",
    "<v@FAR.TEST>",
    "<v@sub.in.test>",
    "<v@in.test.far.test>",
    "<v@one.test>",
    "<v@sub.one.test>",
    "<v@bare.test>",
    "<v%far.test@in.test>",
    "<v%far.test@one.test>",
    "<v%far.test@bare.test>",
    "<v%far.test@[127.0.0.1]>",
    "<v%far.test@mx.test>",
    "<v%far.test>",
    "<v%far.test%in.test@one.test>",
    "<far.test!v@in.test>",
    "<far.test!v>",
    "<in.test!v@far.test>",
    "<far.test!v@[127.0.0.1]>",
    "<far.test!v@mx.test>",
    "<\"v@far.test\"@in.test>",
    "<\"v@far.test\"@mx.test>",
    "<\"v@far.test\">",
    "<\"v%far.test\"@in.test>",
    "<\"far.test!v\"@in.test>",
    "<v@far.test@in.test>",
    "<v@@in.test>",
    "<@in.test:v@far.test>",
    "<@in.test,@one.test:v@far.test>",
    "<@in.test:v@in.test>",
    "<in.test:v@far.test>",
    "<far.test:v@in.test>",
    "<v@[127.0.0.1]>",
    "<v@[IPv6:::1]>",
    "<v@[10.0.0.1]>",
    "<v@127.0.0.1>",
    "<v@in.test.>",
    "<v@.in.test>",
    "<v@in..test>",
    "<v@localhost>",
    "<v@mx.test>",
    "<v@>",
    "<@in.test>",
    "<v>",
    "<>",
    "v@in.test",
    "<v@in.test",
    "v@in.test>",
    "<<v@in.test>>",
    "< v@in.test>",
    "<v@in.test> <v@far.test>",
    "<v@in.test,v@far.test>",
    "<v@far.test\\000@in.test>",
    "<v@in.test\\000@far.test>",
    "<v@far.test\\t@in.test>",
    "<|/bin/sh@in.test:x>",
    "<v@in.test> ORCPT=rfc822;v@far.test NOTIFY=ALWAYS",
    "<\\303\\244@in.test>",
    "<v@in.te\\303\\244st>",
};

static void
test_relay_attempts (void)
{
    static const char *const senders[] = {"", "a@one.test", "root@localhost", "x@far.test"};
    Bed *bed = bed_new (BED_STRANGER LIMITS "errors = 1000\n");

    g_assert_cmpuint (G_N_ELEMENTS (relay_attempts), >=, 40);
    for (guint s = 0; s < G_N_ELEMENTS (senders); s++) {
        Peer *peer = peer_new (bed, 0);
        g_autofree char *mail = g_strdup_printf ("> MAIL FROM:<%s>\n", senders[s]);

        peer_run (peer, "< 220 *\n> EHLO c\n< 250-*\n");
        peer_run (peer, mail);
        peer_run (peer, s == 2 ? "< ??? *\n" : "< 250 *\n");
        for (guint i = 0; i < G_N_ELEMENTS (relay_attempts); i++) {
            g_autofree char *rcpt = g_strdup_printf (">> RCPT TO:%s\\r\\n\n", relay_attempts[i]);
            g_autofree char *reply = NULL;

            if (strstr (rcpt, "\\000") != NULL) /* the script's strings end there */
                continue;
            peer_run (peer, rcpt);
            reply = peer_reply (peer);
            if (reply == NULL || reply[0] != '5')
                g_error ("%s was answered \"%s\"", rcpt, reply != NULL ? reply : "(closed)");
        }
        peer_run (peer, "> DATA\n< 5?? *\n");
        peer_free (peer);
    }
    g_assert_cmpuint (bed->accepted->len, ==, 0);
    bed_free (bed);
}

static void
test_relay_nul (void)
{
    Bed *bed = bed_new (BED_STRANGER);
    Peer *peer = peer_new (bed, 0);
    static const char rcpt[] = "RCPT TO:<v@in.test\0@far.test>\r\n";

    peer_run (peer, "< 220 *\n> EHLO c\n< 250-*\n> MAIL FROM:<>\n< 250 *\n");
    peer_send (peer, rcpt, sizeof rcpt - 1);
    peer_run (peer, "< 500 5.5.2 *\n> DATA\n< 554 *\n");
    peer_free (peer);
    bed_free (bed);
}

/* Inbound mail: any sender, no tenant; roles of every own domain reach the postmaster. */
static void
test_inbound (void)
{
    Bed *bed = bed_new (BED_STRANGER);
    const RelaisEnvelope *envelope;

    bed_run (bed,
             "< 220 *\n> EHLO c\n< 250-*\n> MAIL FROM:<x@anywhere.test>\n< 250 *\n"
             "> RCPT TO:<user@IN.test>\n< 250 2.1.5 *\n"
             "> RCPT TO:<postmaster>\n< 250 2.1.5 *\n"
             "> RCPT TO:<POSTMASTER@in.test>\n< 250 2.1.5 *\n"
             "> RCPT TO:<Abuse@bare.test>\n< 250 2.1.5 *\n"
             "> RCPT TO:<postmaster@sub.one.test>\n< 250 2.1.5 *\n"
             "> RCPT TO:<postmaster@far.test>\n< 550 5.7.1 *\n"
             "> RCPT TO:<postmasters@bare.test>\n< 550 5.1.1 *\n"
             "> RCPT TO:<v@far.test>\n< 550 5.7.1 *\n"
             "> DATA\n< 354 *\n>> From: y@elsewhere.test\\r\\n\\r\\nx\\r\\n.\\r\\n\n< 250 *\n");
    envelope = &bed_message (bed, 0)->envelope;
    g_assert_null (envelope->tenant);
    g_assert_cmpuint (envelope->recipients->len, ==, 5);
    g_assert_cmpstr (relais_envelope_recipient (envelope, 0)->address, ==, "user@in.test");
    g_assert_cmpstr (relais_envelope_recipient (envelope, 1)->address, ==, "root@one.test");
    g_assert_cmpstr (relais_envelope_recipient (envelope, 2)->address, ==, "POSTMASTER@in.test");
    g_assert_cmpstr (relais_envelope_recipient (envelope, 3)->address, ==, "root@one.test");
    g_assert_cmpstr (relais_envelope_recipient (envelope, 3)->orcpt, ==, "rfc822;Abuse@bare.test");
    g_assert_cmpstr (relais_envelope_recipient (envelope, 4)->address, ==, "root@one.test");
    for (guint i = 0; i < 5; i++)
        g_assert_true (relais_envelope_recipient (envelope, i)->claimed);
    bed_free (bed);
}

static void
test_no_postmaster (void)
{
    bed_run_alone ("[tenant one]\ndomains = one.test\n[listener main]\nport = 0\n",
                   "< 220 *\n> EHLO c\n< 250-*\n> MAIL FROM:<>\n< 250 *\n"
                   "> RCPT TO:<postmaster@one.test>\n< 550 5.1.1 *\n"
                   "> RCPT TO:<postmaster>\n< 550 5.1.1 *\n");
}

/* An empty configuration relays for nobody, from loopback either. A tenant of all domains makes
 * none of them ours; who may relay but has no tenant may use no domain. */
static void
test_nobody (void)
{
    bed_run_alone ("[listener main]\nport = 0\n",
                   "< 220 *\n> EHLO c\n< 250-*\n> MAIL FROM:<a@one.test>\n< 250 *\n"
                   "> RCPT TO:<v@far.test>\n< 550 5.7.1 *\n");
    bed_run_alone (
        "[tenant all]\ndomains = *\n[listener main]\nport = 0\n",
        "< 220 *\n> EHLO c\n< 250-*\n> MAIL FROM:<>\n< 250 *\n"
        "> RCPT TO:<v@far.test>\n< 550 5.7.1 *\n> RCPT TO:<abuse@far.test>\n< 550 5.7.1 *\n");
    bed_run_alone (
        "[listener main]\nport = 0\ntrusted_nets = 127.0.0.1\n",
        "< 220 *\n> EHLO c\n< 250-*\n> MAIL FROM:<a@one.test>\n< 250 *\n"
        "> RCPT TO:<v@far.test>\n< 550 5.7.1 *\n> RSET\n< 250 *\n> MAIL FROM:<>\n< 250 *\n"
        "> RCPT TO:<v@far.test>\n< 550 5.7.1 *\n");
}

/* --- Senders and tenants ------------------------------------------------------------------------ */

#define DATA_FROM(header) "> DATA\n< 354 *\n>> " header "Subject: x\\r\\n\\r\\nx\\r\\n.\\r\\n\n"

static void
test_sender_rules (void)
{
    Bed *bed = bed_new (BED_TRUSTED);

    bed_run (
        bed,
        "< 220 *\n> EHLO c\n< 250-*\n"
        /* MAIL FROM of another tenant, or of nobody */
        "> MAIL FROM:<a@two.test>\n< 250 *\n> RCPT TO:<b@far.test>\n< 550 5.7.1 *\n"
        /* ... which is no matter for inbound mail in the same transaction */
        "> RCPT TO:<b@in.test>\n< 250 *\n" DATA_FROM (
            "From: a@two.test\\r\\n") "< 250 *\n"
                                      /* a route in disguise takes the right to relay, although its domain is inbound */
                                      "> MAIL FROM:<a@two.test>\n< 250 *\n> RCPT "
                                      "TO:<v%far.test@in.test>\n< 550 5.7.1 *\n"
                                      "> RSET\n< 250 *\n"
                                      "> MAIL FROM:<a@one.test.far.test>\n< 250 *\n> RCPT "
                                      "TO:<b@far.test>\n< 550 5.7.1 *\n"
                                      "> RSET\n< 250 *\n"
                                      /* the header From: another's, none, two, two fields, a group */
                                      "> MAIL FROM:<a@one.test>\n< 250 *\n> RCPT "
                                      "TO:<b@far.test>\n< 250 *\n" DATA_FROM (
                                          "From: a@two.test\\r\\n") "< 550 5.7.1 *\n"
                                                                    "> MAIL FROM:<a@one.test>\n< "
                                                                    "250 *\n> RCPT "
                                                                    "TO:<b@far.test>\n< 250 "
                                                                    "*\n" DATA_FROM (
                                                                        "X: y\\r\\n") "< 550 5.7.1 "
                                                                                      "*\n"
                                                                                      "> MAIL "
                                                                                      "FROM:<a@one."
                                                                                      "test>\n< "
                                                                                      "250 *\n> "
                                                                                      "RCPT "
                                                                                      "TO:<b@far."
                                                                                      "test>\n< "
                                                                                      "250 "
                                                                                      "*"
                                                                                      "\n" DATA_FROM (
                                                                                          "From: "
                                                                                          "a@one."
                                                                                          "test, "
                                                                                          "a@two."
                                                                                          "test\\r"
                                                                                          "\\n") "<"
                                                                                                 " "
                                                                                                 "5"
                                                                                                 "5"
                                                                                                 "0"
                                                                                                 " "
                                                                                                 "5"
                                                                                                 "."
                                                                                                 "7"
                                                                                                 "."
                                                                                                 "1"
                                                                                                 " "
                                                                                                 "*"
                                                                                                 "\n"
                                                                                                 ">"
                                                                                                 " "
                                                                                                 "M"
                                                                                                 "A"
                                                                                                 "I"
                                                                                                 "L"
                                                                                                 " "
                                                                                                 "F"
                                                                                                 "R"
                                                                                                 "O"
                                                                                                 "M"
                                                                                                 ":"
                                                                                                 "<"
                                                                                                 "a"
                                                                                                 "@"
                                                                                                 "o"
                                                                                                 "n"
                                                                                                 "e"
                                                                                                 "."
                                                                                                 "t"
                                                                                                 "e"
                                                                                                 "s"
                                                                                                 "t"
                                                                                                 ">"
                                                                                                 "\n< 250 *\n> RCPT TO:<b@far.test>\n< 250 *\n" DATA_FROM (
                                                                                                     "From: a@one.test\\r\\nFrom: a@two.test\\r\\n") "< 5?? 5.?.? *\n"
                                                                                                                                                     "> MAIL FROM:<a@one.test>\n< 250 *\n> RCPT TO:<b@far.test>\n< 250 *\n" DATA_FROM (
                                                                                                                                                         "From: \\\"a@one.test\\\" <a@two.test>\\r\\n") "< 550 5.7.1 *\n"
                                                                                                                                                                                                        /* a relayed recipient binds the inbound ones beside it */
                                                                                                                                                                                                        "> MAIL FROM:<a@one.test>\n< 250 *\n> RCPT TO:<b@in.test>\n< 250 *\n"
                                                                                                                                                                                                        "> RCPT TO:<b@far.test>\n< 250 *\n" DATA_FROM (
                                                                                                                                                                                                            "From: a@two.test\\r\\n") "< 550 5.7.1 *\n");
    g_assert_cmpuint (bed->accepted->len, ==, 1);
    bed_run (bed,
             "< 220 *\n> EHLO c\n< 250-*\n"
             "> MAIL FROM:<>\n< 250 *\n> RCPT TO:<b@far.test>\n< 250 *\n" DATA_FROM (
                 "From: a@deep.sub.ONE.test\\r\\n") "< 250 *\n"
                                                    "> MAIL FROM:<a@sub.one.test>\n< 250 *\n> RCPT "
                                                    "TO:<b@in.test>\n< 250 *\n"
                                                    "> RCPT TO:<b@far.test>\n< 250 *\n" DATA_FROM (
                                                        "From: A <a@one.test>\\r\\n") "< 250 *\n");
    g_assert_cmpuint (bed->accepted->len, ==, 3);
    g_assert_cmpstr (bed_message (bed, 1)->envelope.tenant, ==, "one");
    g_assert_cmpstr (bed_message (bed, 2)->envelope.tenant, ==, "one");
    g_assert_true (relais_envelope_recipient (&bed_message (bed, 2)->envelope, 0)->claimed);
    g_assert_false (relais_envelope_recipient (&bed_message (bed, 2)->envelope, 1)->claimed);
    bed_free (bed);
}

static void
test_class (void)
{
    Bed *bed =
        bed_new (BED_DOMAINS "[listener a]\nport = 0\ntrusted_nets = 127.0.0.1\ntenant = one\n"
                             "[listener b]\nport = 0\ntrusted_nets = 127.0.0.1\ntenant = one\n"
                             "class = bulk\nclass_header = no\n");
    static const struct {
        guint listener;
        const char *header;
        RelaisClass klass;
    } cases[] = {
        {0, "", RELAIS_CLASS_TRANSACTIONAL},
        {0, "List-Id: <x>\\r\\n", RELAIS_CLASS_BULK},
        {0, "X-Relais-Class: bulk\\r\\n", RELAIS_CLASS_BULK},
        {0, "List-Id: <x>\\r\\nX-Relais-Class: transactional\\r\\n", RELAIS_CLASS_TRANSACTIONAL},
        {1, "", RELAIS_CLASS_BULK},
        {1, "X-Relais-Class: transactional\\r\\n", RELAIS_CLASS_BULK},
    };

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        Peer *peer = peer_new (bed, cases[i].listener);
        g_autofree char *data = g_strdup_printf (
            ">> From: a@one.test\\r\\n%s\\r\\nx\\r\\n.\\r\\n\n< 250 *\n", cases[i].header);
        g_autofree char *text = NULL;

        peer_run (peer, BED_BEGIN);
        peer_run (peer, data);
        peer_free (peer);
        g_assert_cmpint (bed_message (bed, i)->envelope.klass, ==, cases[i].klass);
        text = bed_text (bed, i);
        g_assert_null (strstr (text, "X-Relais"));
    }
    bed_free (bed);
}

/* --- STARTTLS ----------------------------------------------------------------------------------- */

#define LISTENER BED_DOMAINS "[listener main]\nport = 0\n" BED_TLS

static void
test_starttls (void)
{
    Bed *bed = bed_new (LISTENER "trusted_nets = 127.0.0.1\ntenant = one\n");
    Peer *peer = peer_new (bed, 0);
    g_autofree char *text = NULL;

    peer_run (peer, "< 220 *\n> EHLO c\n< 250-* 250-STARTTLS 250 ENHANCEDSTATUSCODES\n"
                    "> STARTTLS x\n< 501 5.5.4 *\n> STARTTLS\n< 220 2.0.0 *\n");
    peer_start_tls (peer);
    /* What was said in clear is forgotten; AUTH is offered, STARTTLS no more. */
    peer_run (peer, "> MAIL FROM:<a@one.test>\n< 503 5.5.1 *\n"
                    "> EHLO d\n< 250-* 250-DSN 250-AUTH PLAIN LOGIN 250 ENHANCEDSTATUSCODES\n"
                    "> STARTTLS\n< 503 5.5.1 *\n"
                    "> MAIL FROM:<a@one.test>\n< 250 *\n> RCPT TO:<b@far.test>\n< 250 *\n"
                    "> DATA\n< 354 *\n" BED_MESSAGE "< 250 2.0.0 *\n");
    peer_free (peer);
    text = bed_text (bed, 0);
    g_assert_nonnull (strstr (text, "ESMTPS"));
    g_assert_nonnull (strstr (text, "TLSv1.3 with cipher TLS_"));
    bed_free (bed);
}

/* CVE-2011-0411: commands behind STARTTLS in the same segment, or just after it, in clear. */
static void
test_starttls_injection (void)
{
    static const char *const injected[] = {
        "NOOP\\r\\n",
        "EHLO evil\\r\\nMAIL FROM:<a@one.test>\\r\\n",
        "EHLO evil\\r\\nMAIL FROM:<a@one.test>\\r\\nRCPT TO:<v@far.test>\\r\\nDATA\\r\\n",
        "N",
        "\\026\\003\\001",
    };
    Bed *bed = bed_new (LISTENER "trusted_nets = 127.0.0.1\ntenant = one\n");

    for (guint i = 0; i < G_N_ELEMENTS (injected); i++) {
        g_autofree char *script =
            g_strdup_printf ("< 220 *\n> EHLO c\n< 250-*\n>> STARTTLS\\r\\n%s\n"
                             "< 554 5.5.1 *\n<CLOSED\n",
                             injected[i]);

        bed_run (bed, script);
    }
    for (guint i = 0; i < 4; i++) {
        Peer *peer = peer_new (bed, 0);
        g_autofree char *script = g_strdup_printf (">> %s\n<CLOSED\n", injected[i]);

        peer_run (peer, "< 220 *\n> EHLO c\n< 250-*\n> STARTTLS\n< 220 *\n");
        bed_settle (bed);
        /* Not a TLS record: the handshake fails, and not a word is said to it. */
        peer_run (peer, i == 3 ? ">> NNNNN\n<CLOSED\n" : script);
        peer_free (peer);
    }
    bed_free (bed);
}

static void
test_tls_required (void)
{
    Bed *bed = bed_new (LISTENER "tls = required\nauth = yes\n");
    Peer *peer = peer_new (bed, 0);

    peer_run (peer, "< 220 *\n> EHLO c\n< 250-* 250-STARTTLS 250 ENHANCEDSTATUSCODES\n"
                    "> MAIL FROM:<a@one.test>\n< 530 5.7.0 *\n> AUTH PLAIN AAAA\n< 538 5.7.11 *\n"
                    "> STARTTLS\n< 220 *\n");
    peer_start_tls (peer);
    peer_run (peer, "> EHLO c\n< 250-*\n> MAIL FROM:<a@one.test>\n< 250 *\n");
    peer_free (peer);
    bed_free (bed);
    bed_run_alone (BED_STRANGER, "< 220 *\n> EHLO c\n< 250-*\n> STARTTLS\n< 502 5.5.1 *\n");
}

/* --- AUTH --------------------------------------------------------------------------------------- */

/* "\0NAME\0PASSWORD" in base64. */
static char *
plain (const char *name, const char *password)
{
    g_autoptr (GString) text = g_string_new (NULL);

    g_string_append_c (text, '\0');
    g_string_append_len (text, name, (gssize)strlen (name) + 1);
    g_string_append (text, password);
    return g_base64_encode ((const guchar *)text->str, text->len);
}

static void
login (Peer *peer, const char *name, const char *password, const char *answer)
{
    g_autofree char *coded = plain (name, password);
    g_autofree char *script = g_strdup_printf ("> AUTH PLAIN %s\n< %s\n", coded, answer);

    peer_run (peer, script);
}

static void
test_auth_dialogue (void)
{
    Bed *bed = bed_new (BED_DOMAINS "[listener main]\nport = 0\nauth = yes\n" LIMITS
                                    "auth_failures = 100\n");
    Peer *peer = peer_new (bed, 0);
    g_autofree char *right = plain ("anna", "secret");
    g_autofree char *answer =
        g_strdup_printf ("> AUTH PLAIN\n< 334 \n> %s\n< 235 2.7.0 *\n", right);

    bed_set_user (bed, RELAIS_USERS_ADD, "anna", "secret", "one");
    peer_run (peer, "< 220 *\n> EHLO c\n< 250-* 250-AUTH PLAIN LOGIN 250 ENHANCEDSTATUSCODES\n"
                    "> AUTH\n< 504 5.5.4 *\n"
                    "> AUTH SCRAM-SHA-256 biws\n< 504 5.5.4 *\n"
                    "> AUTH PLAINER\n< 504 5.5.4 *\n"
                    "> AUTH PLAIN =\n< 535 5.7.8 *\n"
                    "> AUTH PLAIN !\n< 501 5.5.2 *\n"
                    "> AUTH PLAIN AAA\n< 501 5.5.2 *\n"
                    "> AUTH PLAIN AAAA AAAA\n< 501 5.5.2 *\n"
                    "> AUTH PLAIN AAAA\n< 535 5.7.8 *\n"
                    "> AUTH PLAIN\n< 334 \n> *\n< 501 5.7.0 *\n"
                    "> AUTH PLAIN\n< 334 \n> NOOP\n< 535 5.7.8 *\n"
                    "> AUTH PLAIN\n< 334 \n> AAA\n< 501 5.5.2 *\n"
                    "> AUTH PLAIN\n< 334 \n> \n< 501 5.5.2 *\n");
    login (peer, "anna", "wrong", "535 5.7.8 wrong name or password");
    login (peer, "nobody", "secret", "535 5.7.8 wrong name or password");
    login (peer, "anna", "", "535 5.7.8 wrong name or password");
    peer_run (peer, answer);
    peer_run (peer,
              "> AUTH PLAIN\n< 503 5.5.1 *\n"
              "> MAIL FROM:<a@one.test>\n< 250 *\n> AUTH PLAIN\n< 503 5.5.1 *\n"
              "> RCPT TO:<b@far.test>\n< 250 *\n> DATA\n< 354 *\n" BED_MESSAGE "< 250 2.0.0 *\n");
    peer_free (peer);
    g_assert_cmpstr (bed_message (bed, 0)->envelope.user, ==, "anna");
    g_assert_cmpstr (bed_message (bed, 0)->envelope.tenant, ==, "one");
    bed_free (bed);
}

/* Each tenant's user, as itself and as the other. */
static void
test_auth_tenants (void)
{
    static const char *const tenants[] = {"one", "two"};
    Bed *bed = bed_new (BED_DOMAINS "[listener main]\nport = 0\nauth = yes\n");

    for (guint i = 0; i < 2; i++)
        bed_set_user (bed, RELAIS_USERS_ADD, tenants[i], "secret", tenants[i]);
    for (guint i = 0; i < 4; i++) {
        const char *user = tenants[i / 2], *sender = tenants[i % 2];
        const bool own = i / 2 == i % 2;
        Peer *peer = peer_new (bed, 0);
        g_autofree char *mail = g_strdup_printf (
            "> MAIL FROM:<a@%s.test>\n< 250 *\n> RCPT TO:<b@far.test>\n< %s *\n> RSET\n< 250 *\n"
            "> MAIL FROM:<>\n< 250 *\n> RCPT TO:<b@far.test>\n< 250 *\n> DATA\n< 354 *\n"
            ">> From: a@%s.test\\r\\n\\r\\nx\\r\\n.\\r\\n\n< %s *\n",
            sender, own ? "250" : "550 5.7.1", sender, own ? "250" : "550 5.7.1");

        peer_run (peer, "< 220 *\n> EHLO c\n< 250-*\n");
        login (peer, user, "secret", "235 2.7.0 *");
        peer_run (peer, mail);
        peer_free (peer);
    }
    g_assert_cmpuint (bed->accepted->len, ==, 2);
    g_assert_cmpstr (bed_message (bed, 0)->envelope.tenant, ==, "one");
    g_assert_cmpstr (bed_message (bed, 1)->envelope.tenant, ==, "two");
    bed_free (bed);
}

static void
test_auth_limits (void)
{
    Bed *bed = bed_new (LISTENER);
    Peer *peer = peer_new (bed, 0);

    peer_run (peer, "< 220 *\n> EHLO c\n< 250-* 250-STARTTLS 250 ENHANCEDSTATUSCODES\n"
                    "> AUTH PLAIN AAAA\n< 538 5.7.11 *\n> STARTTLS\n< 220 *\n");
    peer_start_tls (peer);
    peer_run (peer, "> EHLO c\n< 250-*\n");
    login (peer, "anna", "1", "535 5.7.8 *");
    login (peer, "anna", "2", "535 5.7.8 *");
    login (peer, "anna", "3", "535 5.7.8 *");
    peer_run (peer, "< 421 4.7.0 *\n<CLOSED\n");
    peer_free (peer);
    bed_free (bed);
    bed_run_alone (BED_STRANGER, "< 220 *\n> EHLO c\n< 250-*\n> AUTH PLAIN AAAA\n< 502 5.5.1 *\n");
}

enum { N_AT_ONCE = 8 };

/* As many sessions as that log in at once; counts the replies that begin so. */
static guint
log_in_at_once (Bed *bed, const char *const *passwords, const char *answer)
{
    Peer *peers[N_AT_ONCE];
    guint n = 0;

    for (guint i = 0; i < N_AT_ONCE; i++) {
        peers[i] = peer_new (bed, 0);
        peer_run (peers[i], "< 220 *\n> EHLO c\n< 250-*\n");
    }
    for (guint i = 0; i < N_AT_ONCE; i++) {
        g_autofree char *coded = plain ("anna", passwords[i]);
        g_autofree char *script = g_strdup_printf ("> AUTH PLAIN %s\n", coded);

        peer_run (peers[i], script);
    }
    for (guint i = 0; i < N_AT_ONCE; i++) {
        g_autofree char *reply = peer_reply (peers[i]);

        n += g_str_has_prefix (reply, answer);
        peer_free (peers[i]);
    }
    return n;
}

/* In the pool of the bed one job may work and two wait. */
static void
test_auth_busy (void)
{
    static const char *const passwords[N_AT_ONCE] = {"1", "2", "3", "4", "5", "6", "7", "8"};
    Bed *bed = bed_new (BED_DOMAINS "[listener main]\nport = 0\nauth = yes\n");

    g_assert_cmpuint (log_in_at_once (bed, passwords, "454 4.7.0"), >, 0);
    bed_free (bed);
}

/* Those that come with the same password take one place there together, be it right or wrong. */
static void
test_auth_together (void)
{
    static const char *const right[N_AT_ONCE] = {"a", "a", "a", "a", "a", "a", "a", "a"};
    static const char *const wrong[N_AT_ONCE] = {"b", "b", "b", "b", "b", "b", "b", "b"};
    Bed *bed = bed_new (BED_DOMAINS "[listener main]\nport = 0\nauth = yes\n");

    bed_set_user (bed, RELAIS_USERS_ADD, "anna", "a", "one");
    g_assert_cmpuint (log_in_at_once (bed, right, "235 2.7.0"), ==, N_AT_ONCE);
    g_assert_cmpuint (log_in_at_once (bed, wrong, "535 5.7.8"), ==, N_AT_ONCE);
    bed_free (bed);
}

static void
greet_once (Bed *bed)
{
    bed_run (bed, "< 220 *\n> EHLO c\n< 250-*\n");
}

static void
log_in_once (Bed *bed, const char *password, const char *answer)
{
    Peer *peer = peer_new (bed, 0);

    peer_run (peer, "< 220 *\n> EHLO c\n< 250-*\n");
    login (peer, "anna", password, answer);
    peer_free (peer);
}

/* A success is remembered, which is faster; a changed password or removed user is noticed all the
 * same, at once or (by those remembered) some seconds later. */
static void
test_auth_cache (void)
{
    Bed *bed = bed_new (BED_DOMAINS "[listener main]\nport = 0\nauth = yes\n");
    gint64 began, first, again;

    bed_set_user (bed, RELAIS_USERS_ADD, "anna", "old", "one");
    began = g_get_monotonic_time ();
    log_in_once (bed, "old", "235 *");
    first = g_get_monotonic_time () - began;
    log_in_once (bed, "old", "235 *");
    again = g_get_monotonic_time () - began - first;
    g_test_message ("hashed %d us, remembered %d us", (int)first, (int)again);
    log_in_once (bed, "OLD", "535 *");
    bed_set_user (bed, RELAIS_USERS_REPLACE, "anna", "new", "one");
    log_in_once (bed, "new", "235 *");
    log_in_once (bed, "old", "535 *");
    bed_set_user (bed, RELAIS_USERS_REMOVE, "anna", NULL, NULL);
    log_in_once (bed, "new", "235 *");
    bed->skew_us += 3 * RELAIS_USEC_PER_SEC;
    greet_once (bed); /* has the file looked at */
    g_usleep (100000);
    bed_settle (bed);
    log_in_once (bed, "new", "535 *");
    bed_free (bed);
}

/* --- PROXY -------------------------------------------------------------------------------------- */

#define BEHIND_PROXY(nets)                                                                         \
    BED_DOMAINS "[listener main]\nport = 0\nproxy = yes\nproxy_nets = " nets                       \
                "\ntrusted_nets = 127.0.0.1 192.0.2.0/24\ntenant = one\n"
#define TRY "> EHLO c\n< 250-*\n> MAIL FROM:<a@one.test>\n< 250 *\n> RCPT TO:<b@far.test>\n"

/* Rights are those of the address that the proxy names; the proxy's own count for nothing. */
static void
test_proxy (void)
{
    Bed *bed = bed_new (BEHIND_PROXY ("127.0.0.0/8") LIMITS "sessions_per_client = 1\n");
    Peer *first;

    bed_run (bed, "> PROXY TCP4 192.0.2.7 10.0.0.1 1 25\n< 220 *\n" TRY
                  "< 250 *\n> DATA\n< 354 *\n" BED_MESSAGE "< 250 2.0.0 *\n");
    g_assert_cmpstr (bed_message (bed, 0)->envelope.client, ==, "192.0.2.7");
    bed_run (bed, "> PROXY TCP4 198.51.100.1 10.0.0.1 1 25\n< 220 *\n" TRY "< 550 5.7.1 *\n");
    bed_run (bed, "> PROXY TCP6 ::ffff:192.0.2.7 ::1 1 25\n< 220 *\n" TRY "< 250 *\n");
    bed_run (bed, "> PROXY UNKNOWN\n< 220 *\n" TRY "< 550 5.7.1 *\n");
    bed_run (bed, "> EHLO c\n< 554 *\n<CLOSED\n");
    bed_settle (bed);
    first = peer_new (bed, 0);
    peer_run (first, "> PROXY TCP4 192.0.2.7 10.0.0.1 1 25\n< 220 *\n");
    bed_run (bed, "> PROXY TCP4 192.0.2.8 10.0.0.1 1 25\n< 220 *\n");
    bed_run (bed, "> PROXY TCP4 192.0.2.7 10.0.0.1 1 25\n< 421 4.7.0 *\n<CLOSED\n");
    peer_free (first);
    bed_free (bed);
}

static void
test_proxy_foreign (void)
{
    Bed *bed = bed_new (BEHIND_PROXY ("10.0.0.0/8"));

    bed_run (bed, "> PROXY TCP4 192.0.2.7 10.0.0.1 1 25\n< 554 *\n<CLOSED\n");
    bed_free (bed);
    bed_run_alone (BED_STRANGER, "< 220 *\n> PROXY TCP4 192.0.2.7 10.0.0.1 1 25\n< 500 5.5.1 *\n");
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/smtp/rights/relay-attempts", test_relay_attempts);
    g_test_add_func ("/smtp/rights/relay-nul", test_relay_nul);
    g_test_add_func ("/smtp/rights/inbound", test_inbound);
    g_test_add_func ("/smtp/rights/no-postmaster", test_no_postmaster);
    g_test_add_func ("/smtp/rights/nobody", test_nobody);
    g_test_add_func ("/smtp/rights/sender-rules", test_sender_rules);
    g_test_add_func ("/smtp/rights/class", test_class);
    g_test_add_func ("/smtp/rights/starttls", test_starttls);
    g_test_add_func ("/smtp/rights/starttls-injection", test_starttls_injection);
    g_test_add_func ("/smtp/rights/tls-required", test_tls_required);
    g_test_add_func ("/smtp/rights/auth-dialogue", test_auth_dialogue);
    g_test_add_func ("/smtp/rights/auth-tenants", test_auth_tenants);
    g_test_add_func ("/smtp/rights/auth-limits", test_auth_limits);
    g_test_add_func ("/smtp/rights/auth-busy", test_auth_busy);
    g_test_add_func ("/smtp/rights/auth-together", test_auth_together);
    g_test_add_func ("/smtp/rights/auth-cache", test_auth_cache);
    g_test_add_func ("/smtp/rights/proxy", test_proxy);
    g_test_add_func ("/smtp/rights/proxy-foreign", test_proxy_foreign);
    return g_test_run ();
}
