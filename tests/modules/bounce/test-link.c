/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Returned mail, from the token that goes out to the evidence that comes back: who may write to these addresses, how a
 * report is linked to its delivery, what counts and how much, and that what cannot be known or kept now is put
 * off. Nothing that is forged changes anything.
 */
#include <relais/delivery.h>
#include <relais/test.h>

#include <string.h>

#define QUEUE_ID "00000000000a1"
#define NOW (G_GINT64_CONSTANT (1782000000) * 1000000)
#define HOUR (G_GINT64_CONSTANT (3600) * 1000000)
#define DAY (24 * HOUR)

#define CONFIG                                                                                     \
    "[relais]\npostmaster = post@sender.test\n"                                                    \
    "[domain sender.test]\n"                                                                       \
    "[domain bounces.sender.test]\n"                                                               \
    "[bounce]\n"                                                                                   \
    "domain = bounces.sender.test\n"                                                               \
    "feedback = fbl@bounces.sender.test\n"                                                         \
    "reporters = arf.example, staff@mail.example\n"

#define SUPPRESSED(link, suppress)                                                                 \
    "\"link\":\"" link "\"", "\"suppress\":\"" suppress "\"", "\"suppressed\":true"

static const char *module_dir;

static RelaisTest *
start (const char *config)
{
    static const gchar *const names[] = {"bounce", NULL};
    RelaisTest *test = relais_test_new (module_dir);
    g_autoptr (GError) error = NULL;

    relais_test_use_clock (test, NOW);
    relais_test_load (test, names, config, &error);
    g_assert_no_error (error);
    return test;
}

/* --- What goes out ------------------------------------------------------------------------------ */

static void
set_mail (RelaisTest *test, const char *from)
{
    g_autofree char *text =
        g_strdup_printf ("From: %s\r\nMessage-ID: <1@x>\r\n\r\nHello\r\n", from);

    relais_test_set_tenant (test, "acme");
    relais_test_set_message (test, (const guint8 *)text, strlen (text));
    relais_test_set_sender (test, from);
    relais_test_add_recipient (test, "ann@rcpt.test");
    relais_test_set_queue_id (test, QUEUE_ID);
}

/* The envelope sender that mail of `from` goes out with. Owned. */
static char *
sent_as (RelaisTest *test, const char *from)
{
    set_mail (test, from);
    g_assert_cmpuint (relais_test_run (test, RELAIS_HOOK_REWRITE), ==, RELAIS_VERDICT_CONTINUE);
    return g_strdup (relais_test_get_sender (test));
}

/* Value of the field that goes out with the mail. Owned. */
static char *
trace_of (RelaisTest *test)
{
    g_autoptr (GBytes) sealed = NULL;
    g_auto (GStrv) words = NULL;
    g_autofree char *text = NULL;

    set_mail (test, "news@sender.test");
    g_assert_cmpuint (relais_test_run (test, RELAIS_HOOK_SEAL), ==, RELAIS_VERDICT_CONTINUE);
    sealed = relais_test_get_sealed (test);
    text = g_strndup (g_bytes_get_data (sealed, NULL), g_bytes_get_size (sealed));
    g_assert_true (g_str_has_prefix (text, "X-Relais-Trace: "));
    g_assert_true (g_str_has_suffix (text, "\r\n"));
    g_assert_cmpuint (strlen (text), <, 998);
    words = g_strsplit (g_strchomp (text), " ", 2);
    return g_strdup (words[1]);
}

static void
test_outgoing (void)
{
    g_autoptr (RelaisTest) test =
        start (CONFIG "[tenant acme]\ndomains = sender.test\n"
                      "[domain other.test]\nbounce.domain = b.other.test\n"
                      "[domain b.other.test]\n"
                      "[domain plain.test]\nbounce.domain =\n");
    g_autofree char *sender = sent_as (test, "news@sender.test");
    g_autofree char *below = sent_as (test, "news@shop.other.test");
    g_autofree char *plain = sent_as (test, "news@plain.test");
    g_autofree char *trace = trace_of (test);

    g_assert_true (g_str_has_prefix (sender, "b-"));
    g_assert_true (g_str_has_suffix (sender, "@bounces.sender.test"));
    g_assert_cmpuint (strchr (sender, '@') - sender, ==, 62);
    g_assert_true (g_str_has_suffix (below, "@b.other.test"));
    g_assert_cmpstr (plain, ==, "news@plain.test");
    g_assert_cmpuint (strlen (trace), ==, 60);
    set_mail (test, "news@sender.test");
    relais_test_set_sender (test, "");
    g_assert_cmpuint (relais_test_run (test, RELAIS_HOOK_REWRITE), ==, RELAIS_VERDICT_CONTINUE);
    g_assert_cmpstr (relais_test_get_sender (test), ==, "");
    set_mail (test, "stranger@sender.test");
    relais_test_set_tenant (test, NULL); /* inbound */
    g_assert_cmpuint (relais_test_run (test, RELAIS_HOOK_REWRITE), ==, RELAIS_VERDICT_CONTINUE);
    g_assert_cmpstr (relais_test_get_sender (test), ==, "stranger@sender.test");
}

static void
assert_refused (const char *config, const char *word)
{
    static const gchar *const names[] = {"bounce", NULL};
    g_autoptr (RelaisTest) test = relais_test_new (module_dir);
    g_autoptr (GError) error = NULL;

    g_assert_false (relais_test_load (test, names, config, &error));
    g_assert_nonnull (strstr (error->message, word));
}

static void
test_config (void)
{
    assert_refused ("[bounce]\ndomain = bounces.sender.test\n", "bounces.sender.test");
    assert_refused ("[bounce]\nfeedback = fbl@sender.test\n", "fbl@sender.test");
    assert_refused ("[domain sender.test]\n[bounce]\nfeedback = sender.test\n", "sender.test");
    assert_refused ("[domain a.test]\nbounce.domain = b.test\n", "b.test");
    assert_refused ("[domain b\303\274cher.test]\n[bounce]\ndomain = b\303\274cher.test\n",
                    "xn--bcher-kva.example");
    assert_refused ("[domain a.test]\n[bounce]\ntoken_lifetime = 31d\n", "token_lifetime");
}

/* --- What comes back ---------------------------------------------------------------------------- */

typedef struct {
    RelaisTest *test;
    char *address, *trace; /* of the delivery to ann@rcpt.test */
} Bed;

static void
set_up (Bed *bed, gconstpointer data)
{
    bed->test = start (CONFIG);
    bed->address = sent_as (bed->test, "news@sender.test");
    bed->trace = trace_of (bed->test);
    relais_test_add_delivery (bed->test, QUEUE_ID, 0, "news@sender.test", "ann@rcpt.test", "acme",
                              "spring", "<1@x>", NOW);
    relais_test_set_tenant (bed->test, NULL);
}

static void
tear_down (Bed *bed, gconstpointer data)
{
    g_assert_cmpuint (relais_test_n_tickets (bed->test), ==, 0);
    relais_test_free (bed->test);
    g_free (bed->address);
    g_free (bed->trace);
}

static char *
dsn (const char *final, const char *action, const char *status, const char *diagnostic,
     const char *original)
{
    return g_strdup_printf (
        "From: Mail Delivery System <MAILER-DAEMON@mx.rcpt.test>\r\n"
        "Subject: Undelivered Mail Returned to Sender\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n"
        "--b\r\nContent-Type: text/plain\r\n\r\nIt could not be delivered.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; mx.rcpt.test\r\n\r\n"
        "Final-Recipient: rfc822; %s\r\nAction: %s\r\nStatus: %s\r\n"
        "Diagnostic-Code: smtp; %s\r\n\r\n"
        "--b\r\nContent-Type: text/rfc822-headers\r\n\r\n%s\r\n--b--\r\n",
        final, action, status, diagnostic, original);
}

static char *
hard (const char *final)
{
    return dsn (final, "failed", "5.1.1", "550 5.1.1 no such user", "Subject: Hello\r\n");
}

static char *
complaint (const char *type, const char *original)
{
    return g_strdup_printf (
        "From: feedback@arf.example\r\nSubject: complaint\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=feedback-report; boundary=\"b\"\r\n\r\n"
        "--b\r\nContent-Type: text/plain\r\n\r\nThis is a complaint.\r\n"
        "--b\r\nContent-Type: message/feedback-report\r\n\r\n"
        "Feedback-Type: %s\r\nUser-Agent: Arf/1\r\nVersion: 1\r\n\r\n"
        "--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: "
        "news@sender.test\r\n%s\r\nHello\r\n--b--\r\n",
        type, original);
}

/* One recipient, from `sender`; the verdict of RCPT. */
static RelaisVerdict
ask (Bed *bed, const char *sender, const char *recipient, const char *text)
{
    relais_test_set_message (bed->test, (const guint8 *)text, strlen (text));
    relais_test_set_sender (bed->test, sender);
    relais_test_add_recipient (bed->test, recipient);
    return relais_test_run (bed->test, RELAIS_HOOK_RCPT);
}

static RelaisVerdict
deliver (Bed *bed, const char *recipient, const char *text)
{
    g_assert_cmpuint (ask (bed, "", recipient, text), ==, RELAIS_VERDICT_CONTINUE);
    g_assert_true (relais_test_get_claimed (bed->test));
    return relais_test_run (bed->test, RELAIS_HOOK_MESSAGE);
}

/* The oldest event has all of these. */
static void G_GNUC_NULL_TERMINATED
assert_event (Bed *bed, ...)
{
    g_autoptr (GBytes) line = relais_test_take_event (bed->test);
    g_autofree char *text = NULL;
    const char *part;
    va_list parts;

    g_assert_nonnull (line);
    text = g_strndup (g_bytes_get_data (line, NULL), g_bytes_get_size (line));
    g_test_message ("%s", text);
    va_start (parts, bed);
    while ((part = va_arg (parts, const char *)) != NULL)
        if (strstr (text, part) == NULL)
            g_error ("%s is not in %s", part, text);
    va_end (parts);
}

static void
assert_evidence (Bed *bed, RelaisSuppressClass suppress)
{
    const RelaisEvidence *evidence = relais_test_take_evidence (bed->test);

    g_assert_nonnull (evidence);
    g_assert_cmpuint (evidence->suppress_class, ==, suppress);
    g_assert_cmpstr (evidence->address, ==, "ann@rcpt.test");
    g_assert_cmpstr (evidence->tenant, ==, "acme");
    g_assert_cmpstr (evidence->campaign, ==, "spring");
    g_assert_null (relais_test_take_evidence (bed->test));
}

static void
assert_nothing (Bed *bed)
{
    g_autoptr (GBytes) line = relais_test_take_event (bed->test);

    g_assert_null (relais_test_take_evidence (bed->test));
    g_assert_null (line);
}

static void
test_token (Bed *bed, gconstpointer data)
{
    g_autofree char *text = hard ("ann@rcpt.test");
    g_autofree char *upper = g_ascii_strup (bed->address, -1);

    g_assert_cmpuint (deliver (bed, bed->address, text), ==, RELAIS_VERDICT_DISCARD);
    assert_event (bed, "\"type\":\"bounce\"", "\"queue_id\":\"" QUEUE_ID "\"",
                  "\"recipient_number\":0", "\"recipient\":\"ann@rcpt.test\"",
                  "\"tenant\":\"acme\"", "\"campaign\":\"spring\"", "\"kind\":\"dsn\"",
                  "\"action\":\"failed\"", "\"status\":\"5.1.1\"", "\"bounce_scope\":\"recipient\"",
                  "\"bounce_permanence\":\"permanent\"", "no such user",
                  "\"reporter\":\"mx.rcpt.test\"", SUPPRESSED ("token", "hard"), NULL);
    assert_evidence (bed, RELAIS_SUPPRESS_HARD);
    /* The same again, by a peer that folds letters: it counts once. */
    g_assert_cmpuint (deliver (bed, upper, text), ==, RELAIS_VERDICT_DISCARD);
    assert_event (bed, SUPPRESSED ("token", "hard"), NULL);
    assert_nothing (bed);
}

/* What an address that the recipient forwards to refuses is not for sure about the recipient. */
static void
test_forwarded (Bed *bed, gconstpointer data)
{
    g_autofree char *elsewhere = hard ("old@elsewhere.example");
    g_autofree char *original =
        g_strdup_printf ("%s", "Final-Recipient: rfc822; old@elsewhere.example\r\n"
                               "Original-Recipient: rfc822; Ann@Rcpt.Test\r\n");
    g_auto (GStrv) parts =
        g_strsplit (elsewhere, "Final-Recipient: rfc822; old@elsewhere.example\r\n", 2);
    g_autofree char *named = g_strconcat (parts[0], original, parts[1], NULL);

    g_assert_cmpuint (deliver (bed, bed->address, elsewhere), ==, RELAIS_VERDICT_DISCARD);
    assert_event (bed, "\"suppress\":\"soft\"", "\"reported\":\"old@elsewhere.example\"",
                  "\"recipient\":\"ann@rcpt.test\"", NULL);
    assert_evidence (bed, RELAIS_SUPPRESS_SOFT);
    g_assert_cmpuint (deliver (bed, bed->address, named), ==, RELAIS_VERDICT_DISCARD);
    assert_event (bed, SUPPRESSED ("token", "hard"), NULL);
    assert_evidence (bed, RELAIS_SUPPRESS_HARD);
}

/* What is no failure, and what says nothing against the recipient, is told and no more. */
static void
test_events_alone (Bed *bed, gconstpointer data)
{
    static const struct {
        const char *action, *status, *diagnostic;
    } cases[] = {{"delayed", "4.4.1", "connection timed out"},
                 {"delayed", "5.1.1", "550 5.1.1 no such user"},
                 {"delivered", "2.0.0", "250 ok"},
                 {"relayed", "2.0.0", "250 ok"},
                 {"expanded", "2.0.0", "250 ok"},
                 {"failed", "5.7.1", "550 5.7.1 your address is on a blocklist"}};

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autofree char *action = g_strdup_printf ("\"action\":\"%s\"", cases[i].action);
        g_autofree char *text =
            dsn ("ann@rcpt.test", cases[i].action, cases[i].status, cases[i].diagnostic, "");

        g_assert_cmpuint (deliver (bed, bed->address, text), ==, RELAIS_VERDICT_DISCARD);
        assert_event (bed, "\"type\":\"bounce\"", "\"link\":\"token\"", action, NULL);
        assert_nothing (bed);
    }
}

static void
test_machines (Bed *bed, gconstpointer data)
{
    static const char away[] = "From: ann@rcpt.test\r\nSubject: Out of office: Hello\r\n"
                               "Auto-Submitted: auto-replied\r\n\r\nI am away until Monday.\r\n";

    g_assert_cmpuint (deliver (bed, bed->address, away), ==, RELAIS_VERDICT_DISCARD);
    assert_event (bed, "\"type\":\"autoreply\"", "\"kind\":\"autoreply\"",
                  "\"recipient\":\"ann@rcpt.test\"", NULL);
    assert_nothing (bed);
}

/* A letter to an address that nobody reads. */
static void
test_letters (Bed *bed, gconstpointer data)
{
    static const char letter[] = "From: Ann <ann@rcpt.test>\r\nSubject: Re: Hello\r\n"
                                 "Message-ID: <a@rcpt.test>\r\n\r\nThank you!\r\n";
    g_autoptr (GError) error = NULL;
    g_autofree char *notice = NULL;

    g_assert_cmpuint (ask (bed, "ann@rcpt.test", bed->address, letter), ==,
                      RELAIS_VERDICT_CONTINUE);
    g_assert_cmpuint (relais_test_run (bed->test, RELAIS_HOOK_MESSAGE), ==, RELAIS_VERDICT_REJECT);
    g_assert_cmpuint (relais_test_get_reply_code (bed->test), ==, 550);
    assert_nothing (bed);
    g_assert_cmpuint (deliver (bed, bed->address, letter), ==, RELAIS_VERDICT_DISCARD);
    assert_event (bed, "\"type\":\"autoreply\"", "\"kind\":\"other\"", NULL);
    relais_test_reload (bed->test, CONFIG "replies = discard\n", &error);
    g_assert_no_error (error);
    g_assert_cmpuint (ask (bed, "ann@rcpt.test", bed->address, letter), ==,
                      RELAIS_VERDICT_CONTINUE);
    g_assert_cmpuint (relais_test_run (bed->test, RELAIS_HOOK_MESSAGE), ==, RELAIS_VERDICT_DISCARD);
    assert_event (bed, "\"type\":\"autoreply\"", NULL);
    assert_nothing (bed);

    /* To the address for complaints: a provider's question, say. Ten in an hour. */
    for (guint i = 0; i < 10; i++) {
        g_free (notice);
        g_assert_cmpuint (deliver (bed, "fbl@bounces.sender.test", letter), ==,
                          RELAIS_VERDICT_DISCARD);
        assert_event (bed, "\"kind\":\"other\"", "\"link\":\"none\"", NULL);
        notice = relais_test_take_notice (bed->test);
        g_assert_nonnull (strstr (notice, "fbl@bounces.sender.test"));
        g_assert_nonnull (strstr (notice, "Thank you!"));
    }
    g_assert_cmpuint (deliver (bed, "fbl@bounces.sender.test", letter), ==,
                      RELAIS_VERDICT_TEMPFAIL);
    g_assert_null (relais_test_take_notice (bed->test));
    relais_test_advance (bed->test, HOUR);
    g_assert_cmpuint (deliver (bed, "fbl@bounces.sender.test", letter), ==, RELAIS_VERDICT_DISCARD);
}

/* --- Who may write ------------------------------------------------------------------------------ */

static void
assert_no_such_address (Bed *bed, const char *address)
{
    g_assert_cmpuint (ask (bed, "", address, "\r\n"), ==, RELAIS_VERDICT_REJECT);
    g_assert_cmpuint (relais_test_get_reply_code (bed->test), ==, 550);
    g_assert_cmpstr (relais_test_get_reply_enhanced (bed->test), ==, "5.1.1");
    g_assert_cmpstr (relais_test_get_reply_text (bed->test), ==, "there is no such address");
    g_assert_false (relais_test_get_claimed (bed->test));
}

static guint64
count (Bed *bed, const char *result)
{
    return relais_test_get_count (bed->test, "bounce", "bounce_addresses", result);
}

static void
test_addresses (Bed *bed, gconstpointer data)
{
    g_autofree char *forged = g_strdup (bed->address);
    g_autofree char *trace = g_strconcat ("b-", bed->trace, "@bounces.sender.test", NULL);

    forged[20] = forged[20] == 'a' ? 'b' : 'a';
    assert_no_such_address (bed, forged);
    assert_no_such_address (bed, trace); /* of another purpose */
    assert_no_such_address (bed, "b-@bounces.sender.test");
    assert_no_such_address (bed, "B-smith@bounces.sender.test");
    g_assert_cmpuint (count (bed, "forged"), ==, 4);
    /* Not ours to judge. */
    g_assert_cmpuint (ask (bed, "", "b-smith@sender.test", "\r\n"), ==, RELAIS_VERDICT_CONTINUE);
    g_assert_false (relais_test_get_claimed (bed->test));
    g_assert_cmpuint (ask (bed, "", "postmaster@bounces.sender.test", "\r\n"), ==,
                      RELAIS_VERDICT_CONTINUE);
    g_assert_false (relais_test_get_claimed (bed->test));
    /* Some bounce with a sender. */
    g_assert_cmpuint (ask (bed, "mailer-daemon@rcpt.test", bed->address, "\r\n"), ==,
                      RELAIS_VERDICT_CONTINUE);
    g_assert_true (relais_test_get_claimed (bed->test));
    g_assert_cmpuint (ask (bed, "", "FBL@bounces.sender.test", "\r\n"), ==,
                      RELAIS_VERDICT_CONTINUE);
    g_assert_true (relais_test_get_claimed (bed->test));
    relais_test_advance (bed->test, 30 * DAY + HOUR);
    assert_no_such_address (bed, bed->address);
    g_assert_cmpuint (count (bed, "expired"), ==, 1);
    g_assert_cmpuint (count (bed, "good"), ==, 1);
    g_assert_cmpuint (count (bed, "feedback"), ==, 1);
}

/* A report is dropped when it is understood: no other recipient's copy may go with it. */
static void
test_one_recipient (Bed *bed, gconstpointer data)
{
    static const char *const firsts[] = {"user@sender.test", "fbl@bounces.sender.test"};

    for (guint i = 0; i < G_N_ELEMENTS (firsts); i++) {
        ask (bed, "", firsts[i], "\r\n");
        relais_test_add_recipient (bed->test, bed->address);
        g_assert_cmpuint (relais_test_run (bed->test, RELAIS_HOOK_RCPT), ==,
                          RELAIS_VERDICT_TEMPFAIL);
        g_assert_cmpuint (relais_test_get_reply_code (bed->test), ==, 452);
    }
    ask (bed, "", bed->address, "\r\n");
    relais_test_add_recipient (bed->test, "user@sender.test");
    g_assert_cmpuint (relais_test_run (bed->test, RELAIS_HOOK_RCPT), ==, RELAIS_VERDICT_TEMPFAIL);
    ask (bed, "", "user@sender.test", "\r\n");
    relais_test_add_recipient (bed->test, "other@sender.test");
    g_assert_cmpuint (relais_test_run (bed->test, RELAIS_HOOK_RCPT), ==, RELAIS_VERDICT_CONTINUE);
}

/* --- Links -------------------------------------------------------------------------------------- */

static RelaisVerdict
complain (Bed *bed, const char *text, const char *method, const char *property)
{
    if (method != NULL)
        g_assert_true (relais_test_add_auth_result (bed->test, method, "pass",
                                                    (const char *const[]){property, NULL}));
    return deliver (bed, "fbl@bounces.sender.test", text);
}

/* A field that went out with the message shows that whoever complains has it. */
static void
test_trace (Bed *bed, gconstpointer data)
{
    g_autofree char *field = g_strdup_printf ("X-Relais-Trace: %s\r\n", bed->trace);
    g_autofree char *abuse = complaint ("abuse", field);
    g_autofree char *not_spam = complaint ("not-spam", field);

    g_assert_cmpuint (complain (bed, not_spam, NULL, NULL), ==, RELAIS_VERDICT_DISCARD);
    assert_event (bed, "\"type\":\"complaint\"", "\"feedback_type\":\"not-spam\"",
                  "\"link\":\"trace\"", NULL);
    assert_nothing (bed);
    g_assert_cmpuint (complain (bed, abuse, NULL, NULL), ==, RELAIS_VERDICT_DISCARD);
    assert_event (bed, "\"type\":\"complaint\"", "\"recipient\":\"ann@rcpt.test\"",
                  SUPPRESSED ("trace", "complaint"), NULL);
    assert_evidence (bed, RELAIS_SUPPRESS_COMPLAINT);
}

/* A Message-ID is no secret: it counts from reporters that are known, and proved, alone. */
static void
test_message_id (Bed *bed, gconstpointer data)
{
    g_autofree char *text = complaint ("abuse", "Message-ID: <1@x>\r\n");

    static const struct {
        const char *method, *property;
    } unknown[] = {
        {NULL, NULL},
        {"dkim", "header.d=stranger.example"},
        {"dkim", "header.d=notarf.example"},
        {"dkim", "header.d=mail.example"}, /* an address there, not the domain, is trusted */
        {"iprev", "policy.iprev=arf.example"}};

    for (guint i = 0; i < G_N_ELEMENTS (unknown); i++) {
        g_assert_cmpuint (complain (bed, text, unknown[i].method, unknown[i].property), ==,
                          RELAIS_VERDICT_DISCARD);
        assert_event (bed, "\"type\":\"complaint\"", "\"link\":\"none\"", NULL);
        assert_nothing (bed);
    }
    g_assert_cmpuint (complain (bed, text, "dkim", "header.d=news.arf.example"), ==,
                      RELAIS_VERDICT_DISCARD);
    assert_event (bed, "\"reporter_domain\":\"news.arf.example\"",
                  SUPPRESSED ("message-id", "complaint"), NULL);
    assert_evidence (bed, RELAIS_SUPPRESS_COMPLAINT);
}

/* Of several with one Message-ID the one that is named. */
static void
test_several (Bed *bed, gconstpointer data)
{
    g_autofree char *unnamed = complaint ("abuse", "Message-ID: <1@x>\r\n");
    g_autofree char *named =
        complaint ("abuse\r\nOriginal-Rcpt-To: Ann@rcpt.test", "Message-ID: <1@x>\r\n");

    relais_test_add_delivery (bed->test, QUEUE_ID, 1, "news@sender.test", "bob@rcpt.test", "acme",
                              NULL, "<1@x>", NOW);
    g_assert_cmpuint (complain (bed, unnamed, "spf", "smtp.mailfrom=x@arf.example"), ==,
                      RELAIS_VERDICT_DISCARD);
    assert_event (bed, "\"link\":\"none\"", NULL);
    assert_nothing (bed);
    g_assert_cmpuint (complain (bed, named, "dmarc", "header.from=arf.example"), ==,
                      RELAIS_VERDICT_DISCARD);
    assert_event (bed, SUPPRESSED ("message-id", "complaint"), NULL);
    assert_evidence (bed, RELAIS_SUPPRESS_COMPLAINT);
}

/* --- What cannot be known or kept ---------------------------------------------------------------- */

static void
assert_put_off (Bed *bed, const char *recipient, const char *text)
{
    g_assert_cmpuint (deliver (bed, recipient, text), ==, RELAIS_VERDICT_TEMPFAIL);
    g_assert_cmpuint (relais_test_get_reply_code (bed->test), ==, 451);
    assert_nothing (bed);
}

static void
test_put_off (Bed *bed, gconstpointer data)
{
    g_autofree char *text = hard ("ann@rcpt.test");

    relais_test_fail_deliveries (bed->test, "the log cannot be read");
    assert_put_off (bed, bed->address, text);
    relais_test_fail_deliveries (bed->test, NULL);
    relais_test_set_suppression (bed->test, TRUE, FALSE);
    assert_put_off (bed, bed->address, text);
    relais_test_set_suppression (bed->test, TRUE, TRUE);
    g_assert_cmpuint (deliver (bed, bed->address, text), ==, RELAIS_VERDICT_DISCARD);
    assert_event (bed, SUPPRESSED ("token", "hard"), NULL);
    assert_evidence (bed, RELAIS_SUPPRESS_HARD);
}

/* A report that comes before our own line about the delivery; an hour later there is none. */
static void
test_early (Bed *bed, gconstpointer data)
{
    g_autofree char *text = hard ("cid@rcpt.test");
    g_autofree char *address = NULL;

    set_mail (bed->test, "news@sender.test");
    relais_test_set_queue_id (bed->test, "00000000000c3");
    relais_test_run (bed->test, RELAIS_HOOK_REWRITE);
    address = g_strdup (relais_test_get_sender (bed->test));
    relais_test_set_tenant (bed->test, NULL);
    assert_put_off (bed, address, text);
    relais_test_advance (bed->test, HOUR);
    g_assert_cmpuint (deliver (bed, address, text), ==, RELAIS_VERDICT_DISCARD);
    assert_event (bed, "\"type\":\"bounce\"", "\"link\":\"none\"", NULL);
    assert_nothing (bed);
}

int
main (int argc, char **argv)
{
    const char *build = g_getenv ("RELAIS_BUILDDIR");
    g_autofree char *dir =
        g_build_filename (build != NULL ? build : ".", "modules", "bounce", ".libs", NULL);

    g_test_init (&argc, &argv, NULL);
    module_dir = dir;
    g_test_add_func ("/link/outgoing", test_outgoing);
    g_test_add_func ("/link/config", test_config);
    g_test_add ("/link/token", Bed, NULL, set_up, test_token, tear_down);
    g_test_add ("/link/forwarded", Bed, NULL, set_up, test_forwarded, tear_down);
    g_test_add ("/link/events-alone", Bed, NULL, set_up, test_events_alone, tear_down);
    g_test_add ("/link/machines", Bed, NULL, set_up, test_machines, tear_down);
    g_test_add ("/link/letters", Bed, NULL, set_up, test_letters, tear_down);
    g_test_add ("/link/addresses", Bed, NULL, set_up, test_addresses, tear_down);
    g_test_add ("/link/one-recipient", Bed, NULL, set_up, test_one_recipient, tear_down);
    g_test_add ("/link/trace", Bed, NULL, set_up, test_trace, tear_down);
    g_test_add ("/link/message-id", Bed, NULL, set_up, test_message_id, tear_down);
    g_test_add ("/link/several", Bed, NULL, set_up, test_several, tear_down);
    g_test_add ("/link/put-off", Bed, NULL, set_up, test_put_off, tear_down);
    g_test_add ("/link/early", Bed, NULL, set_up, test_early, tear_down);
    return g_test_run ();
}
