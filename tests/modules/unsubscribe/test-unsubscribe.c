/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * unsubscribe in the harness: which mail gets the fields and how they look, which addresses are taken, and what comes
 * of mail to them. The signature, the page and its POST are tests/e2e/quick-unsubscribe.py's.
 */
#include <relais/test.h>

#include <stdbool.h>
#include <string.h>

#define BASE "https://track.sender.test"
#define MESSAGE "From: News <a@sender.test>\r\nSubject: s\r\n\r\nText\r\n"
#define ID "0ab1cd2ef3gh4"
#define DAY_US (G_GINT64_CONSTANT (24) * 3600 * G_USEC_PER_SEC)

static const char *module_dir;

static RelaisTest *
load_with (const gchar *const *names, const char *config)
{
    RelaisTest *test = relais_test_new (module_dir);
    g_autoptr (GError) error = NULL;

    relais_test_use_clock (test, 20000 * DAY_US);
    relais_test_load (test, names, config, &error);
    g_assert_no_error (error);
    relais_test_set_tracking_url (test, "sender.test", BASE, "good");
    relais_test_set_tenant (test, "t");
    return test;
}

#define ALL "[unsubscribe]\nmode = all\ndomain = in.test\n[domain in.test]\n[tenant t]\n"

static RelaisTest *
load (const char *config)
{
    static const gchar *const names[] = {"unsubscribe", NULL};

    return load_with (names, config);
}

static void
set_message (RelaisTest *test, const char *message)
{
    relais_test_set_message (test, (const guint8 *)message, strlen (message));
    relais_test_set_queue_id (test, ID);
    relais_test_set_sender (test, "a@sender.test");
    relais_test_add_recipient (test, "x@rcpt.test");
}

/* The lines before a message that was accepted; owned. */
static char *
run_out (RelaisTest *test)
{
    g_autoptr (GBytes) sealed = NULL;

    g_assert_cmpuint (relais_test_run (test, RELAIS_HOOK_MESSAGE), ==, RELAIS_VERDICT_CONTINUE);
    g_assert_cmpuint (relais_test_run (test, RELAIS_HOOK_SEAL), ==, RELAIS_VERDICT_CONTINUE);
    sealed = relais_test_get_sealed (test);
    return g_bytes_get_size (sealed) > 0
               ? g_strndup (g_bytes_get_data (sealed, NULL), g_bytes_get_size (sealed))
               : g_strdup ("");
}

static char *
sent (RelaisTest *test, const char *message)
{
    set_message (test, message);
    return run_out (test);
}

static guint64
skipped (RelaisTest *test, const char *reason)
{
    return relais_test_get_count (test, "unsubscribe", "unsubscribe_skipped", reason);
}

static guint64
refused (RelaisTest *test, const char *reason)
{
    return relais_test_get_count (test, "unsubscribe", "unsubscribe_refused", reason);
}

/* --- Mistakes --------------------------------------------------------------------------------- */

/* A link leads somewhere as long as its key is kept and no longer, whatever was promised. */
static void
test_life (void)
{
    static const gchar *const names[] = {"unsubscribe", NULL};
    g_autoptr (RelaisTest) good =
        load_with (names, "[tokens]\nkeep = 500d\n[unsubscribe]\nlife = 500d\n[tenant t]\n");
    g_autoptr (RelaisTest) bad = relais_test_new (module_dir);
    g_autoptr (GError) error = NULL;

    g_assert_false (relais_test_load (
        bad, names, "[tokens]\nkeep = 500d\n[unsubscribe]\nlife = 501d\n", &error));
    g_assert_nonnull (strstr (error->message, ":4: [unsubscribe] life"));
}

/* The field holds the domain as it is given, and is no place for other octets than ASCII. */
static void
test_domain_in_ascii (void)
{
    static const gchar *const names[] = {"unsubscribe", NULL};
    g_autoptr (RelaisTest) test = relais_test_new (module_dir);
    g_autoptr (GError) error = NULL;

    g_assert_false (relais_test_load (test, names,
                                      "[domain b\303\274cher.test]\n[unsubscribe]\n"
                                      "domain = b\303\274cher.test\n",
                                      &error));
    g_assert_nonnull (strstr (error->message, "xn--bcher-kva.example"));
}

/* --- The fields ------------------------------------------------------------------------------- */

static void
assert_matches (const char *text, const char *pattern)
{
    if (!g_regex_match_simple (pattern, text, G_REGEX_DOLLAR_ENDONLY, 0))
        g_error ("%s\ndoes not match %s", text, pattern);
}

#define LINK "<https://track\\.sender\\.test/u/[A-Za-z0-9_-]+>"
#define ADDRESS "<mailto:u-[a-z0-9]{20,60}@in\\.test>"
#define POST "List-Unsubscribe-Post: List-Unsubscribe=One-Click\\r\\n"

static void
test_both (void)
{
    g_autoptr (RelaisTest) test = load (ALL);
    g_autofree char *lines = sent (test, MESSAGE);

    assert_matches (lines, "^List-Unsubscribe: " LINK ",\\r\\n " ADDRESS "\\r\\n" POST "$");
    for (const char *line = lines; line != NULL; line = strstr (line, "\r\n")) {
        line += line[0] == '\r' ? 2 : 0;
        g_assert_cmpuint (strcspn (line, "\r"), <=, 998);
    }
}

/* Each recipient has a link and an address of its own; the same one the same. */
static void
test_one_each (void)
{
    g_autoptr (RelaisTest) test = load (ALL);
    g_autofree char *one = sent (test, MESSAGE);
    g_autofree char *again = sent (test, MESSAGE);
    g_autofree char *other = NULL;

    g_assert_cmpstr (one, ==, again);
    relais_test_set_message (test, (const guint8 *)MESSAGE, strlen (MESSAGE));
    relais_test_set_queue_id (test, ID);
    relais_test_set_sender (test, "a@sender.test");
    relais_test_add_recipient (test, "y@rcpt.test");
    other = run_out (test);
    g_assert_cmpstr (one, !=, other);
}

/* A transaction with several recipients gets none: all would have the first one's. */
static void
test_shared (void)
{
    g_autoptr (RelaisTest) test = load (ALL);
    g_autofree char *lines = NULL;

    set_message (test, MESSAGE);
    relais_test_add_recipient (test, "y@rcpt.test");
    lines = run_out (test);
    g_assert_cmpstr (lines, ==, "");
    g_assert_cmpuint (skipped (test, "shared"), ==, 1);
}

static void
test_link_alone (void)
{
    g_autoptr (RelaisTest) test = load ("[unsubscribe]\nmode = all\n[tenant t]\n");
    g_autofree char *lines = sent (test, MESSAGE);

    assert_matches (lines, "^List-Unsubscribe: " LINK "\\r\\n" POST "$");
    g_assert_cmpuint (skipped (test, "no-domain"), ==, 1);
}

static void
test_address_alone (void)
{
    static const struct {
        const char *url, *state, *reason;
    } table[] = {
        {NULL, NULL, "no-tracking-host"},
        {BASE, "failing", "host-failing"},
        {BASE, "unchecked", "host-unchecked"},
        {"http://track.sender.test", "good", "no-https"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (table); i++) {
        g_autoptr (RelaisTest) test = load (ALL);
        g_autofree char *lines = NULL;

        relais_test_set_tracking_url (test, "sender.test", table[i].url, table[i].state);
        lines = sent (test, MESSAGE);
        assert_matches (lines, "^List-Unsubscribe: " ADDRESS "\\r\\n$");
        g_assert_cmpuint (skipped (test, table[i].reason), ==, 1);
    }
}

static void
test_neither (void)
{
    g_autoptr (RelaisTest) test = load ("[unsubscribe]\nmode = all\n[tenant t]\n");
    g_autofree char *lines = NULL;

    relais_test_set_tracking_url (test, "sender.test", NULL, NULL);
    lines = sent (test, MESSAGE);
    g_assert_cmpstr (lines, ==, "");
}

static void
test_plain_http (void)
{
    g_autoptr (RelaisTest) test =
        load ("[unsubscribe]\nmode = all\nplain_http = yes\n[tenant t]\n");
    g_autofree char *lines = NULL;

    relais_test_set_tracking_url (test, "sender.test", "http://track.sender.test", "good");
    lines = sent (test, MESSAGE);
    assert_matches (lines,
                    "^List-Unsubscribe: <http://track\\.sender\\.test/u/[^>]+>\\r\\n" POST "$");
}

/* Mail that says it itself stays as it is; so does what a part of it says. */
static void
test_own_fields (void)
{
    g_autoptr (RelaisTest) test = load (ALL);
    g_autofree char *one = sent (test, "List-Unsubscribe: <https://x.test/>\r\n" MESSAGE);
    g_autofree char *other =
        sent (test, "list-unsubscribe-post: List-Unsubscribe=One-Click\r\n" MESSAGE);

    g_assert_cmpstr (one, ==, "");
    g_assert_cmpstr (other, ==, "");
    g_assert_cmpuint (skipped (test, "own-fields"), ==, 2);
}

/* An attempt after a first one, and a second function of the chain, find no field twice: what another function added
 * counts as the message's own. */
static void
test_not_twice (void)
{
    g_autoptr (RelaisTest) test = load (ALL);
    g_autofree char *first = sent (test, MESSAGE);
    g_autofree char *whole = g_strconcat (first, MESSAGE, NULL);
    g_autofree char *second = sent (test, whole);

    g_assert_cmpstr (second, ==, "");
}

/* The longest names leave the sender out, then the link. */
static void
test_long (void)
{
    g_autoptr (RelaisTest) test = load (ALL);
    g_autofree char *local = g_strnfill (64, 'l');
    g_autofree char *label = g_strnfill (60, 'd');
    g_autofree char *domain = g_strdup_printf ("%s.%s.%s.test", label, label, label);
    g_autofree char *from = g_strdup_printf ("From: %s@%s\r\n\r\n", local, domain);
    g_autofree char *recipient = g_strdup_printf ("%s@%s", local, domain);
    g_autofree char *campaign = g_strnfill (128, 'c');
    g_autofree char *tenant = g_strnfill (250, 't');
    g_autofree char *base = g_strdup_printf ("https://%s", domain);
    g_autofree char *lines = NULL;
    g_autofree char *other = NULL;

    relais_test_set_tracking_url (test, domain, base, "good");
    relais_test_set_campaign (test, campaign);
    relais_test_set_message (test, (const guint8 *)from, strlen (from));
    relais_test_add_recipient (test, recipient);
    lines = run_out (test);
    g_assert_cmpuint (strcspn (lines, ","), <, 998);
    assert_matches (lines, "^List-Unsubscribe: <https://[^>]+>,\\r\\n " ADDRESS "\\r\\n" POST "$");
    relais_test_set_tenant (test, tenant);
    relais_test_set_message (test, (const guint8 *)from, strlen (from));
    relais_test_add_recipient (test, recipient);
    other = run_out (test);
    assert_matches (other, "^List-Unsubscribe: " ADDRESS "\\r\\n$");
    g_assert_cmpuint (skipped (test, "too-long"), ==, 1);
}

/* --- Which mail ------------------------------------------------------------------------------- */

static bool
is_marked (RelaisTest *test, const char *word)
{
    g_autofree char *lines = NULL;

    set_message (test, MESSAGE);
    if (word != NULL)
        relais_test_set_attribute (test, "x-relais.unsubscribe", word);
    lines = run_out (test);
    return lines[0] != '\0';
}

static void
test_modes (void)
{
    static const struct {
        const char *config, *klass, *word;
        bool marked;
    } table[] = {
        {"", "bulk", NULL, true}, /* the default, once the module is enabled */
        {"", "transactional", NULL, false},
        {"", "transactional", "yes", true},
        {"", "bulk", "no", false},
        {"", "bulk", "NO", false},
        {"", "bulk", "perhaps", true}, /* which says nothing */
        {"[unsubscribe]\nmode = off\n", "bulk", NULL, false},
        {"[unsubscribe]\nmode = off\n", "bulk", "Yes", true},
        {"[unsubscribe]\nmode = all\n", "transactional", NULL, true},
        {"[unsubscribe]\nmode = all\n", "transactional", "no", false},
        {"[unsubscribe]\nmode = off\n[tenant t]\nunsubscribe.mode = all\n", "transactional", NULL,
         true},
        {"[unsubscribe]\nmode = all\n[tenant t]\nunsubscribe.mode = bulk\n", "transactional", NULL,
         false},
        {"[unsubscribe]\nmode = off\n[tenant u]\nunsubscribe.mode = all\n", "bulk", NULL, false},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (table); i++) {
        g_autoptr (RelaisTest) test = load (table[i].config);

        relais_test_set_class (test, table[i].klass);
        if (is_marked (test, table[i].word) != table[i].marked)
            g_error ("row %zu", i);
    }
}

static void
test_no_tenant (void)
{
    g_autoptr (RelaisTest) test = load ("[unsubscribe]\nmode = all\n");

    relais_test_set_tenant (test, NULL);
    g_assert_false (is_marked (test, NULL));
    g_assert_false (is_marked (test, "yes"));
}

static void
test_tenant_domain (void)
{
    g_autoptr (RelaisTest) test =
        load ("[unsubscribe]\nmode = all\ndomain = in.test\n[domain in.test]\n[domain out.test]\n"
              "[tenant t]\nunsubscribe.domain = OUT.test\n");
    g_autofree char *lines = sent (test, MESSAGE);

    g_assert_nonnull (strstr (lines, "@out.test>"));
}

static void
test_config (void)
{
    g_autoptr (RelaisTest) test = load (ALL);
    g_autoptr (GError) error = NULL;

    g_assert_false (relais_test_reload (test, "[unsubscribe]\ndomain = nobody.test\n", &error));
    g_assert_nonnull (strstr (error->message, "[domain nobody.test]"));
    g_clear_error (&error);
    g_assert_false (
        relais_test_reload (test, "[tenant t]\nunsubscribe.domain = nobody.test\n", &error));
    g_assert_nonnull (strstr (error->message, "[domain nobody.test]"));
}

/* --- Mail to the addresses -------------------------------------------------------------------- */

/* The address that a message had in its field. */
static char *
address_of (RelaisTest *test)
{
    g_autofree char *lines = sent (test, MESSAGE);
    const char *from = strstr (lines, "<mailto:") + strlen ("<mailto:");

    return g_strndup (from, strcspn (from, ">"));
}

static void
begin_mail (RelaisTest *test, const char *message)
{
    relais_test_set_tenant (test, NULL);
    relais_test_set_message (test, (const guint8 *)message, strlen (message));
    relais_test_set_sender (test, "x@rcpt.test");
}

static RelaisVerdict
ask_rcpt (RelaisTest *test, const char *address)
{
    relais_test_add_recipient (test, address);
    return relais_test_run (test, RELAIS_HOOK_RCPT);
}

static void
add_delivery (RelaisTest *test)
{
    relais_test_add_delivery (test, ID, 0, "a@sender.test", "x@rcpt.test", "t", "c", NULL,
                              20000 * DAY_US);
}

static char *
take_event (RelaisTest *test)
{
    g_autoptr (GBytes) line = relais_test_take_event (test);

    return line != NULL ? g_strndup (g_bytes_get_data (line, NULL), g_bytes_get_size (line)) : NULL;
}

static RelaisVerdict
mail_to (RelaisTest *test, const char *address, const char *message)
{
    begin_mail (test, message);
    g_assert_cmpuint (ask_rcpt (test, address), ==, RELAIS_VERDICT_CONTINUE);
    g_assert_true (relais_test_get_claimed (test));
    return relais_test_run (test, RELAIS_HOOK_MESSAGE);
}

#define STOP "From: x@rcpt.test\r\nSubject: stop\r\n\r\n"

static void
test_mail (void)
{
    g_autoptr (RelaisTest) test = load (ALL);
    g_autofree char *address = address_of (test);
    g_autofree char *event = NULL;
    g_autofree char *upper = g_ascii_strup (address, -1);
    const RelaisEvidence *evidence;

    add_delivery (test);
    g_assert_cmpuint (mail_to (test, address, STOP), ==, RELAIS_VERDICT_DISCARD);
    evidence = relais_test_take_evidence (test);
    g_assert_nonnull (evidence);
    g_assert_cmpuint (evidence->suppress_class, ==, RELAIS_SUPPRESS_UNSUBSCRIBE);
    g_assert_cmpstr (evidence->address, ==, "x@rcpt.test");
    g_assert_cmpstr (evidence->tenant, ==, "t");
    g_assert_cmpstr (evidence->campaign, ==, "c");
    g_assert_cmpstr (evidence->reason, ==, "mail");
    event = take_event (test);
    assert_matches (event, "\"type\":\"unsubscribe\".*\"module\":\"unsubscribe\","
                           "\"queue_id\":\"" ID "\",\"recipient_number\":0,\"how\":\"mail\","
                           "\"recipient\":\"x@rcpt.test\",\"tenant\":\"t\",\"campaign\":\"c\"");
    g_assert_cmpuint (relais_test_get_count (test, "unsubscribe", "unsubscribed", "mail"), ==, 1);
    /* the same once more, folded to upper case on its way, is no more evidence */
    g_assert_cmpuint (mail_to (test, upper, STOP), ==, RELAIS_VERDICT_DISCARD);
    g_assert_null (relais_test_take_evidence (test));
}

/* Who wishes it again and again is answered each time; three in a minute have an event each, the rest one together. */
static void
test_mail_again (void)
{
    g_autoptr (RelaisTest) test = load (ALL);
    g_autofree char *address = address_of (test);
    g_autofree char *last = NULL;

    add_delivery (test);
    for (guint i = 0; i < 8; i++)
        g_assert_cmpuint (mail_to (test, address, STOP), ==, RELAIS_VERDICT_DISCARD);
    for (guint i = 0; i < 3; i++) {
        g_autofree char *event = take_event (test);

        assert_matches (event, "\"type\":\"unsubscribe\"");
        g_assert_null (strstr (event, "repeats"));
    }
    g_assert_null (take_event (test));
    relais_test_advance (test, 61 * G_USEC_PER_SEC);
    last = take_event (test);
    assert_matches (last, "\"recipient\":\"x@rcpt.test\",.*\"repeats\":5");
    g_assert_null (take_event (test));
    g_assert_cmpuint (relais_test_get_count (test, "unsubscribe", "unsubscribed", "mail"), ==, 8);
    g_assert_cmpuint (mail_to (test, address, STOP), ==, RELAIS_VERDICT_DISCARD);
    g_free (last);
    last = take_event (test);
    g_assert_nonnull (last);
}

/* 250 is for what is on disk. */
static void
test_mail_not_kept (void)
{
    g_autoptr (RelaisTest) test = load (ALL);
    g_autofree char *address = address_of (test);

    add_delivery (test);
    relais_test_set_suppression (test, TRUE, FALSE);
    g_assert_cmpuint (mail_to (test, address, STOP), ==, RELAIS_VERDICT_TEMPFAIL);
    g_assert_cmpuint (relais_test_get_reply_code (test), ==, 451);
    g_assert_null (relais_test_take_evidence (test));
    g_assert_null (relais_test_take_event (test));
    g_assert_cmpuint (relais_test_get_count (test, "unsubscribe", "unsubscribe_failed", "mail"), ==,
                      1);
    relais_test_set_suppression (test, TRUE, TRUE);
    g_assert_cmpuint (mail_to (test, address, STOP), ==, RELAIS_VERDICT_DISCARD);
    g_assert_nonnull (relais_test_take_evidence (test));
}

static void
test_mail_not_found (void)
{
    g_autoptr (RelaisTest) test = load (ALL);
    g_autofree char *address = address_of (test);

    g_assert_cmpuint (mail_to (test, address, STOP), ==, RELAIS_VERDICT_TEMPFAIL); /* under way */
    g_assert_cmpuint (relais_test_get_reply_code (test), ==, 451);
    relais_test_advance (test, DAY_US);
    g_assert_cmpuint (mail_to (test, address, STOP), ==, RELAIS_VERDICT_REJECT);
    g_assert_cmpuint (relais_test_get_reply_code (test), ==, 550);
    g_assert_cmpuint (refused (test, "unknown"), ==, 1);
    add_delivery (test);
    relais_test_fail_deliveries (test, "the disk is gone");
    g_assert_cmpuint (mail_to (test, address, STOP), ==, RELAIS_VERDICT_TEMPFAIL);
    g_assert_cmpuint (relais_test_get_reply_code (test), ==, 451);
    g_assert_null (relais_test_take_evidence (test));
}

static void
test_mail_automatic (void)
{
    static const char *const messages[] = {"Auto-Submitted: auto-replied\r\n\r\n",
                                           "Subject: s\r\nAuto-Submitted: auto-generated\r\n\r\n"};
    g_autoptr (RelaisTest) test = load (ALL);
    g_autofree char *address = address_of (test);

    add_delivery (test);
    for (gsize i = 0; i < G_N_ELEMENTS (messages); i++)
        g_assert_cmpuint (mail_to (test, address, messages[i]), ==, RELAIS_VERDICT_DISCARD);
    begin_mail (test, STOP);
    relais_test_set_sender (test, "");
    g_assert_cmpuint (ask_rcpt (test, address), ==, RELAIS_VERDICT_CONTINUE);
    g_assert_cmpuint (relais_test_run (test, RELAIS_HOOK_MESSAGE), ==, RELAIS_VERDICT_DISCARD);
    g_assert_null (relais_test_take_evidence (test));
    g_assert_null (relais_test_take_event (test));
    g_assert_cmpuint (refused (test, "automatic"), ==, 3);
    g_assert_cmpuint (mail_to (test, address, "Auto-Submitted: no\r\n\r\n"), ==,
                      RELAIS_VERDICT_DISCARD);
    g_assert_nonnull (relais_test_take_evidence (test));
}

static void
assert_refused (RelaisTest *test, const char *address)
{
    begin_mail (test, STOP);
    g_assert_cmpuint (ask_rcpt (test, address), ==, RELAIS_VERDICT_REJECT);
    g_assert_cmpuint (relais_test_get_reply_code (test), ==, 550);
    g_assert_false (relais_test_get_claimed (test));
}

/* Altered at any place, cut, of nobody: none of them is taken. */
static void
test_forged (void)
{
    g_autoptr (RelaisTest) test = load (ALL);
    g_autofree char *address = address_of (test);
    const gsize local = strcspn (address, "@");

    add_delivery (test);
    for (gsize i = 2; i < local; i++) {
        g_autofree char *other = g_strdup (address);

        other[i] = other[i] == 'a' ? 'b' : 'a';
        assert_refused (test, other);
    }
    assert_refused (test, "u-@in.test");
    assert_refused (test, "u-unknown@in.test");
    g_assert_cmpuint (refused (test, "forged"), ==, local);
    g_assert_null (relais_test_take_evidence (test));
}

static void
test_expired (void)
{
    g_autoptr (RelaisTest) test = load ("[unsubscribe]\nmode = all\ndomain = in.test\nmail_life = "
                                        "1d\n[domain in.test]\n[tenant t]\n");
    g_autofree char *address = address_of (test);

    relais_test_advance (test, 3 * DAY_US);
    assert_refused (test, address);
    g_assert_cmpuint (refused (test, "expired"), ==, 1);
}

/* What is not ours is nobody's business here. */
static void
test_others (void)
{
    static const char *const addresses[] = {"u@in.test", "x-1@in.test", "u-abc@other.test",
                                            "postmaster@in.test"};
    g_autoptr (RelaisTest) test = load (ALL);

    for (gsize i = 0; i < G_N_ELEMENTS (addresses); i++) {
        begin_mail (test, STOP);
        g_assert_cmpuint (ask_rcpt (test, addresses[i]), ==, RELAIS_VERDICT_CONTINUE);
        g_assert_false (relais_test_get_claimed (test));
        g_assert_cmpuint (relais_test_run (test, RELAIS_HOOK_MESSAGE), ==, RELAIS_VERDICT_CONTINUE);
    }
}

/* The mail is dropped, so nobody else may be waiting for it. */
static void
test_alone (void)
{
    g_autoptr (RelaisTest) test = load (ALL);
    g_autofree char *address = address_of (test);

    begin_mail (test, STOP);
    g_assert_cmpuint (ask_rcpt (test, address), ==, RELAIS_VERDICT_CONTINUE);
    g_assert_cmpuint (ask_rcpt (test, "postmaster@in.test"), ==, RELAIS_VERDICT_TEMPFAIL);
    g_assert_cmpuint (relais_test_get_reply_code (test), ==, 452);
    g_assert_cmpuint (ask_rcpt (test, address), ==, RELAIS_VERDICT_TEMPFAIL);
    begin_mail (test, STOP);
    g_assert_cmpuint (ask_rcpt (test, "postmaster@in.test"), ==, RELAIS_VERDICT_CONTINUE);
    g_assert_cmpuint (ask_rcpt (test, address), ==, RELAIS_VERDICT_TEMPFAIL);
    g_assert_cmpuint (relais_test_get_reply_code (test), ==, 452);
}

int
main (int argc, char **argv)
{
    g_autofree char *dir =
        g_build_filename (g_getenv ("RELAIS_BUILDDIR"), "modules", "unsubscribe", ".libs", NULL);

    g_test_init (&argc, &argv, NULL);
    module_dir = dir;
    g_test_add_func ("/unsubscribe/life", test_life);
    g_test_add_func ("/unsubscribe/domain-in-ascii", test_domain_in_ascii);
    g_test_add_func ("/unsubscribe/fields/both", test_both);
    g_test_add_func ("/unsubscribe/fields/one-each", test_one_each);
    g_test_add_func ("/unsubscribe/fields/shared", test_shared);
    g_test_add_func ("/unsubscribe/fields/link-alone", test_link_alone);
    g_test_add_func ("/unsubscribe/fields/address-alone", test_address_alone);
    g_test_add_func ("/unsubscribe/fields/neither", test_neither);
    g_test_add_func ("/unsubscribe/fields/plain-http", test_plain_http);
    g_test_add_func ("/unsubscribe/fields/own", test_own_fields);
    g_test_add_func ("/unsubscribe/fields/not-twice", test_not_twice);
    g_test_add_func ("/unsubscribe/fields/long", test_long);
    g_test_add_func ("/unsubscribe/mode/table", test_modes);
    g_test_add_func ("/unsubscribe/mode/no-tenant", test_no_tenant);
    g_test_add_func ("/unsubscribe/mode/tenant-domain", test_tenant_domain);
    g_test_add_func ("/unsubscribe/mode/config", test_config);
    g_test_add_func ("/unsubscribe/mail/taken", test_mail);
    g_test_add_func ("/unsubscribe/mail/again", test_mail_again);
    g_test_add_func ("/unsubscribe/mail/not-kept", test_mail_not_kept);
    g_test_add_func ("/unsubscribe/mail/not-found", test_mail_not_found);
    g_test_add_func ("/unsubscribe/mail/automatic", test_mail_automatic);
    g_test_add_func ("/unsubscribe/mail/forged", test_forged);
    g_test_add_func ("/unsubscribe/mail/expired", test_expired);
    g_test_add_func ("/unsubscribe/mail/others", test_others);
    g_test_add_func ("/unsubscribe/mail/alone", test_alone);
    return g_test_run ();
}
