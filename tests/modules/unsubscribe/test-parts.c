/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is pure in unsubscribe: what a token says, the fields, the form, the page in English and in another language.
 */
#include "unsubscribe.h"

#include "catalogue.h"

#include <relais/test.h>
#include <relais/translate.h>

#include <glib/gstdio.h>

/* --- Tokens ----------------------------------------------------------------------------------- */

static void
assert_same (const UnsubscribeIdentity *identity)
{
    g_autoptr (GByteArray) bytes = unsubscribe_identity_encode (identity);
    UnsubscribeIdentity again;

    g_assert_nonnull (bytes);
    g_assert_true (unsubscribe_identity_decode (&again, bytes->data, bytes->len));
    g_assert_cmpint (again.probe, ==, identity->probe);
    g_assert_cmpstr (again.queue_id, ==, identity->queue_id);
    g_assert_cmpuint (again.recipient, ==, identity->recipient);
    g_assert_cmpstr (again.address, ==, identity->address != NULL ? identity->address : "");
    g_assert_cmpstr (again.sender, ==, identity->sender);
    g_assert_cmpstr (again.tenant, ==, identity->tenant);
    g_assert_cmpstr (again.campaign, ==, identity->campaign);
    unsubscribe_identity_clear (&again);
}

static void
test_identity (void)
{
    g_autofree char *name = g_strnfill (UNSUBSCRIBE_NAME_BYTES, 'n');
    g_autofree char *address = g_strnfill (UNSUBSCRIBE_ADDRESS_BYTES, 'a');

    assert_same (&(UnsubscribeIdentity){.probe = true});
    assert_same (&(UnsubscribeIdentity){.address = "x@rcpt.test"});
    assert_same (&(UnsubscribeIdentity){.queue_id = "0ab1cd2ef3gh4",
                                        .recipient = 0xfffefdfc,
                                        .address = "x@rcpt.test",
                                        .sender = "",
                                        .tenant = "t",
                                        .campaign = "c"});
    assert_same (&(UnsubscribeIdentity){
        .address = address, .sender = name, .tenant = name, .campaign = name});
}

static void
test_identity_limits (void)
{
    g_autofree char *name = g_strnfill (UNSUBSCRIBE_NAME_BYTES + 1, 'n');
    g_autofree char *address = g_strnfill (UNSUBSCRIBE_ADDRESS_BYTES + 1, 'a');

    g_assert_null (unsubscribe_identity_encode (&(UnsubscribeIdentity){.address = address}));
    g_assert_null (
        unsubscribe_identity_encode (&(UnsubscribeIdentity){.address = "a", .sender = name}));
    g_assert_null (
        unsubscribe_identity_encode (&(UnsubscribeIdentity){.address = "a", .tenant = name}));
    g_assert_null (
        unsubscribe_identity_encode (&(UnsubscribeIdentity){.address = "a", .campaign = name}));
    g_assert_null (
        unsubscribe_identity_encode (&(UnsubscribeIdentity){.queue_id = "short", .address = "a"}));
}

static void
test_identity_broken (void)
{
    const UnsubscribeIdentity identity = {
        .queue_id = "0ab1cd2ef3gh4", .address = "", .sender = "s", .tenant = "t", .campaign = "c"};
    g_autoptr (GByteArray) bytes = unsubscribe_identity_encode (&identity);
    UnsubscribeIdentity again;

    for (guint size = 0; size < bytes->len; size++) {
        g_autofree guint8 *cut = g_memdup2 (bytes->data, size);

        g_assert_false (unsubscribe_identity_decode (&again, cut, size));
    }
    bytes->data[0] = 2; /* of a later version */
    g_assert_false (unsubscribe_identity_decode (&again, bytes->data, bytes->len));
    bytes->data[0] = 1;
    bytes->data[1] |= 64; /* says what we do not know */
    g_assert_false (unsubscribe_identity_decode (&again, bytes->data, bytes->len));
    bytes->data[1] &= 31;
    bytes->data[bytes->len - 1] = '\0'; /* a NUL in a name */
    g_assert_false (unsubscribe_identity_decode (&again, bytes->data, bytes->len));
    bytes->data[bytes->len - 1] = 's';
    bytes->data[3] = '/'; /* no queue id */
    g_assert_false (unsubscribe_identity_decode (&again, bytes->data, bytes->len));
    bytes->data[3] = '0';
    g_assert_true (unsubscribe_identity_decode (&again, bytes->data, bytes->len));
    unsubscribe_identity_clear (&again);
}

/* --- Fields ----------------------------------------------------------------------------------- */

static void
assert_fields (const char *link, const char *address, const char *wanted)
{
    g_autofree char *fields = unsubscribe_fields (link, address);

    g_assert_cmpstr (fields, ==, wanted);
}

static void
test_fields (void)
{
    assert_fields ("https://t.test/u/1", "u-2@d.test",
                   "List-Unsubscribe: <https://t.test/u/1>,\r\n <mailto:u-2@d.test>\r\n"
                   "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n");
    assert_fields ("https://t.test/u/1", NULL,
                   "List-Unsubscribe: <https://t.test/u/1>\r\n"
                   "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n");
    assert_fields (NULL, "u-2@d.test", "List-Unsubscribe: <mailto:u-2@d.test>\r\n");
    assert_fields (NULL, NULL, NULL);
}

/* The longest link makes a line of 998 octets; one more and there is none, and no Post without it. */
static void
test_field_lines (void)
{
    g_autofree char *link =
        g_strnfill (UNSUBSCRIBE_LINE_BYTES - strlen ("List-Unsubscribe: <>,"), 'x');
    g_autofree char *longer = g_strconcat (link, "x", NULL);
    g_autofree char *fields = unsubscribe_fields (link, "u-2@d.test");
    g_auto (GStrv) lines = g_strsplit (fields, "\r\n", -1);

    g_assert_cmpuint (strlen (lines[0]), ==, UNSUBSCRIBE_LINE_BYTES);
    g_assert_cmpstr (lines[1], ==, " <mailto:u-2@d.test>");
    g_assert_true (unsubscribe_link_fits (link));
    g_assert_false (unsubscribe_link_fits (longer));
    assert_fields (longer, "u-2@d.test", "List-Unsubscribe: <mailto:u-2@d.test>\r\n");
    assert_fields (longer, NULL, NULL);
}

static void
test_has_fields (void)
{
    static const struct {
        const char *header;
        bool has;
    } table[] = {
        {"From: a@b\r\n\r\n", false},
        {"List-Unsubscribe: <https://x>\r\n\r\n", true},
        {"From: a@b\r\nlist-unsubscribe:\r\n <https://x>\r\n\r\n", true},
        {"List-Unsubscribe-Post: x\r\n\r\n", true},
        {"X: List-Unsubscribe: x\r\n\r\n", false},
        {"List-Unsubscribe-X: x\r\n\r\n", false},
        {"From: a@b\r\n\r\nList-Unsubscribe: x\r\n", false},
        {"", false},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
        g_assert_cmpint (
            unsubscribe_has_fields ((const guint8 *)table[i].header, strlen (table[i].header)), ==,
            table[i].has);
}

static void
test_automatic (void)
{
    static const struct {
        const char *header;
        bool automatic;
    } table[] = {
        {"Subject: stop\r\n\r\n", false},
        {"Auto-Submitted: no\r\n\r\n", false},
        {"auto-submitted:\r\n NO (really)\r\n\r\n", false},
        {"Auto-Submitted: auto-replied\r\n\r\n", true},
        {"Auto-Submitted: auto-generated; type=x\r\n\r\n", true},
        {"Auto-Submitted: none\r\n\r\n", true},
        {"Auto-Submitted: no-one\r\n\r\n", true},
        {"Auto-Submitted:\r\n\r\n", true},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
        g_assert_cmpint (
            unsubscribe_is_automatic ((const guint8 *)table[i].header, strlen (table[i].header)),
            ==, table[i].automatic);
}

/* --- Forms ------------------------------------------------------------------------------------ */

#define URLENCODED "application/x-www-form-urlencoded"
#define MULTIPART "multipart/form-data; boundary="
#define PART(name) "Content-Disposition: form-data; name=" name "\r\n\r\n"

static void
test_forms (void)
{
    static const struct {
        const char *type, *body;
        bool one_click, page;
    } table[] = {
        {URLENCODED, "List-Unsubscribe=One-Click", true, false},
        {URLENCODED "; charset=utf-8", "List-Unsubscribe=One-Click\r\n", true, false},
        {NULL, "List-Unsubscribe=One-Click", true, false},
        {"text/plain", "List-Unsubscribe=One-Click", true, false},
        {URLENCODED, "List-Unsubscribe=One-Click&how=page", true, true},
        {URLENCODED, "how=page&List-Unsubscribe=One-Click", true, true},
        {URLENCODED, "a=b&&=&list%2Dunsubscribe=one%2dclick", true, false},
        {URLENCODED, "", false, false},
        {URLENCODED, "List-Unsubscribe", false, false},
        {URLENCODED, "List-Unsubscribe=", false, false},
        {URLENCODED, "List-Unsubscribe=One-Click+", false, false},
        {URLENCODED, "List-Unsubscribe=One%-Click", false, false},
        {URLENCODED, "List-Unsubscribe=One-Clic%6", false, false},
        {URLENCODED, "List-Unsubscribe=No", false, false},
        {URLENCODED, "XList-Unsubscribe=One-Click", false, false},
        {URLENCODED, "how=page", false, true},
        {MULTIPART "b", "--b\r\n" PART ("\"List-Unsubscribe\"") "One-Click\r\n--b--\r\n", true,
         false},
        {"Multipart/Form-Data;x=y; Boundary=\"b c\"",
         "preamble\r\n--b c  \r\n" PART ("List-Unsubscribe") "One-Click\r\n--b c--", true, false},
        {MULTIPART "----WebKit/1",
         "------WebKit/1\r\nContent-Type: text/plain\r\n" PART (
             "\"List-Unsubscribe\"") "One-Click\r\n"
                                     "------WebKit/1\r\n" PART ("\"how\"") "page\r\n"
                                                                           "------WebKit/1--\r\n",
         true, true},
        {MULTIPART "b", "--b\r\n" PART ("\"List-\\Unsubscribe\"") "One-Click\r\n--b--\r\n", true,
         false},
        {MULTIPART "b",
         "--b\r\nContent-Disposition: form-data; filename=\"; name=x\";"
         " name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n",
         true, false},
        /* no delimiter at its end: cut off */
        {MULTIPART "b", "--b\r\n" PART ("\"List-Unsubscribe\"") "One-Click", false, false},
        {MULTIPART "b", "--b\r\n" PART ("\"List-Unsubscribe\"") "One-Click\r\n\r\n--b--\r\n", false,
         false},
        {MULTIPART "b", "--b--\r\n--b\r\n" PART ("\"List-Unsubscribe\"") "One-Click\r\n--b--\r\n",
         false, false},
        {MULTIPART "b", "--b\r\nX: y\r\n\r\nOne-Click\r\n--b--\r\n", false, false},
        {MULTIPART "c", "--b\r\n" PART ("\"List-Unsubscribe\"") "One-Click\r\n--b--\r\n", false,
         false},
        {"multipart/form-data", "List-Unsubscribe=One-Click", false, false},
        {MULTIPART, "--\r\n" PART ("\"List-Unsubscribe\"") "One-Click\r\n----\r\n", false, false},
        {MULTIPART "\"b", "--b\r\n" PART ("\"List-Unsubscribe\"") "One-Click\r\n--b--\r\n", false,
         false},
        {MULTIPART "b", "List-Unsubscribe=One-Click", false, false},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (table); i++) {
        const UnsubscribeForm form = unsubscribe_form_parse (
            table[i].type, (const guint8 *)table[i].body, strlen (table[i].body));

        if (form.one_click != table[i].one_click || form.page != table[i].page)
            g_test_message ("row %zu: %s", i, table[i].body);
        g_assert_cmpint (form.one_click, ==, table[i].one_click);
        g_assert_cmpint (form.page, ==, table[i].page);
    }
}

static bool
is_found_behind (guint n_fields, gsize n_octets)
{
    g_autoptr (GString) body = g_string_new (NULL);
    UnsubscribeForm form;

    for (guint i = 0; i < n_fields; i++)
        g_string_append (body, "a=b&");
    while (body->len < n_octets)
        g_string_insert (body, 0, "x");
    g_string_append (body, "List-Unsubscribe=One-Click");
    form = unsubscribe_form_parse (NULL, (const guint8 *)body->str, body->len);
    return form.one_click;
}

/* Fields and octets at their limits. */
static void
test_form_limits (void)
{
    const gsize most = UNSUBSCRIBE_FORM_BYTES - strlen ("List-Unsubscribe=One-Click");

    g_assert_true (is_found_behind (UNSUBSCRIBE_FORM_FIELDS - 1, 0));
    g_assert_false (is_found_behind (UNSUBSCRIBE_FORM_FIELDS, 0));
    g_assert_true (is_found_behind (1, most));
    g_assert_false (is_found_behind (1, most + 1));
}

/* --- The page --------------------------------------------------------------------------------- */

static guint
count (const char *text, const char *needle)
{
    guint n = 0;

    for (const char *p = strstr (text, needle); p != NULL; p = strstr (p + 1, needle))
        n++;
    return n;
}

static void
test_mask (void)
{
    static const char *const table[][2] = {
        {"john.doe@example.com", "j\xe2\x80\xa6@example.com"},
        {"\xc3\xa9ric@example.com", "\xc3\xa9\xe2\x80\xa6@example.com"},
        {"\"a b\"@example.com", "a\xe2\x80\xa6@example.com"},
        {"a@b@example.com", "a\xe2\x80\xa6@example.com"},
        {"@example.com", "\xe2\x80\xa6"},
        {"", "\xe2\x80\xa6"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (table); i++) {
        g_autofree char *masked = unsubscribe_mask (table[i][0]);

        g_assert_cmpstr (masked, ==, table[i][1]);
    }
}

static void
test_page (void)
{
    const UnsubscribeIdentity identity = {.address = "x<y>@rcpt.test",
                                          .sender = "<b>&\"{address}@news.test"};
    g_autofree char *ask = unsubscribe_page (UNSUBSCRIBE_PAGE_ASK, NULL, &identity);
    g_autofree char *done = unsubscribe_page (UNSUBSCRIBE_PAGE_DONE, NULL, &identity);
    g_autofree char *unknown = unsubscribe_page (UNSUBSCRIBE_PAGE_UNKNOWN, NULL, NULL);

    g_assert_nonnull (strstr (ask, "<html lang=\"en\">"));
    g_assert_nonnull (strstr (ask, "<bdi>x\xe2\x80\xa6@rcpt.test</bdi>"));
    g_assert_null (strstr (ask, "x<y>"));
    g_assert_nonnull (strstr (ask, "<bdi>&lt;b&gt;&amp;&quot;{address}@news.test</bdi>"));
    g_assert_null (strstr (ask, "<b>"));
    for (UnsubscribePage page = UNSUBSCRIBE_PAGE_ASK; page <= UNSUBSCRIBE_PAGE_UNKNOWN; page++) {
        g_autofree char *text =
            unsubscribe_page (page, NULL, page <= UNSUBSCRIBE_PAGE_BAD ? &identity : NULL);

        g_assert_cmpuint (count (text, "<title>"), ==, 1);
        g_assert_cmpuint (count (text, "<h1>"), ==, 1);
        g_assert_cmpuint (count (text, "<main>"), ==, 1);
        g_assert_cmpuint (count (text, "script"), ==, 0);
        g_assert_cmpuint (count (text, "http"), ==, 0);
        g_assert_cmpuint (count (text, "{sender}"), ==, 0);
        g_assert_cmpuint (count (text, "noindex"), ==, 1);
    }
    g_assert_cmpuint (count (ask, "<button"), ==, 1);
    g_assert_cmpuint (count (ask, "<form method=\"post\">"), ==, 1);
    g_assert_cmpuint (count (done, "<form"), ==, 0);
    g_assert_cmpuint (count (unknown, "<form"), ==, 0);
}

/* A page whose sender is not known says nothing of one. */
static void
test_page_without_sender (void)
{
    const UnsubscribeIdentity identity = {.address = "x@rcpt.test"};
    g_autofree char *ask = unsubscribe_page (UNSUBSCRIBE_PAGE_ASK, NULL, &identity);

    g_assert_nonnull (strstr (ask, "<p>This mail is sent to <bdi>x\xe2\x80\xa6@rcpt.test</bdi>."));
}

/* The policy allows the style of the page, which is hashed as it stands between its tags. */
static void
test_policy (void)
{
    g_autofree char *policy = unsubscribe_page_policy ();
    g_autofree char *page = unsubscribe_page (UNSUBSCRIBE_PAGE_UNKNOWN, NULL, NULL);
    const char *style = strstr (page, "<style>") + strlen ("<style>");
    g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
    guint8 digest[32];
    gsize size = sizeof digest;
    g_autofree char *hash = NULL;
    g_autofree char *source = NULL;

    g_checksum_update (checksum, (const guchar *)style, strstr (style, "</style>") - style);
    g_checksum_get_digest (checksum, digest, &size);
    hash = g_base64_encode (digest, size);
    source = g_strdup_printf ("style-src 'sha256-%s';", hash);
    g_assert_nonnull (strstr (policy, source));
    g_assert_nonnull (strstr (policy, "default-src 'none';"));
}

/* --- In another language ---------------------------------------------------------------------- */

static const char *const catalogue[] = {"",
                                        CATALOGUE_HEAD,
                                        "This mail is sent to {address}. Should it stop?",
                                        "{address} re\xc3\xa7oit <ceci>",
                                        "Unsubscribe",
                                        "Se d\xc3\xa9sabonner",
                                        "Unsubscribe?",
                                        "Se d\xc3\xa9sabonner ?",
                                        NULL};

/* The harness loads the module, and with it the catalogue of its domain. */
static void
load_catalogue (void)
{
    static const gchar *const names[] = {"unsubscribe", NULL};
    g_autofree char *top = g_dir_make_tmp ("relais-test-XXXXXX", NULL);
    g_autofree char *modules =
        g_build_filename (g_getenv ("RELAIS_BUILDDIR"), "modules/unsubscribe/.libs", NULL);
    g_autoptr (GByteArray) bytes = catalogue_build (catalogue, false);
    g_autoptr (RelaisTest) test = relais_test_new (modules);
    g_autoptr (GError) error = NULL;
    static const char *const made[] = {"fr/LC_MESSAGES/relais.mo", "fr/LC_MESSAGES", "fr", ""};

    catalogue_write (top, "fr", "relais", bytes);
    relais_test_use_locale_dir (test, top);
    relais_test_load (test, names, "", &error);
    g_assert_no_error (error);
    for (gsize i = 0; i < G_N_ELEMENTS (made); i++) {
        g_autofree char *path = g_build_filename (top, made[i], NULL);

        g_assert_cmpint (g_remove (path), ==, 0);
    }
}

static void
test_page_in_french (void)
{
    const UnsubscribeIdentity identity = {.address = "x@rcpt.test"};
    g_autofree char *french = NULL;
    g_autofree char *english = NULL;

    load_catalogue ();
    french = unsubscribe_page (UNSUBSCRIBE_PAGE_ASK, "fr-CA, en;q=0.5", &identity);
    english = unsubscribe_page (UNSUBSCRIBE_PAGE_ASK, "en-CA, fr;q=0.5", &identity);
    g_assert_nonnull (strstr (french, "<html lang=\"fr\">"));
    g_assert_nonnull (strstr (french, "<title>Se d\xc3\xa9sabonner ?</title>"));
    g_assert_nonnull (strstr (french, "<h1>Se d\xc3\xa9sabonner ?</h1>"));
    g_assert_nonnull (
        strstr (french, "<bdi>x\xe2\x80\xa6@rcpt.test</bdi> re\xc3\xa7oit &lt;ceci&gt;"));
    g_assert_nonnull (strstr (french, "Se d\xc3\xa9sabonner</button>"));
    g_assert_nonnull (strstr (english, "<html lang=\"en\">"));
    g_assert_nonnull (strstr (english, ">Unsubscribe</button>"));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/unsubscribe/identity/same", test_identity);
    g_test_add_func ("/unsubscribe/identity/limits", test_identity_limits);
    g_test_add_func ("/unsubscribe/identity/broken", test_identity_broken);
    g_test_add_func ("/unsubscribe/fields/lines", test_fields);
    g_test_add_func ("/unsubscribe/fields/limit", test_field_lines);
    g_test_add_func ("/unsubscribe/fields/own", test_has_fields);
    g_test_add_func ("/unsubscribe/fields/automatic", test_automatic);
    g_test_add_func ("/unsubscribe/form/table", test_forms);
    g_test_add_func ("/unsubscribe/form/limits", test_form_limits);
    g_test_add_func ("/unsubscribe/page/mask", test_mask);
    g_test_add_func ("/unsubscribe/page/texts", test_page);
    g_test_add_func ("/unsubscribe/page/without-sender", test_page_without_sender);
    g_test_add_func ("/unsubscribe/page/policy", test_policy);
    g_test_add_func ("/unsubscribe/page/french", test_page_in_french);
    return g_test_run ();
}
