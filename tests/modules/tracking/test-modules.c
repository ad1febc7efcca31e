/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * open-tracker and click-redirector in the harness: which mail is tracked and how, what is left alone and
 * counted, and what a message looks like afterwards. What becomes of hits is tests/e2e/quick-hits.py's.
 */
#include <relais/test.h>

#include <glib/gstdio.h>
#include <stdbool.h>
#include <string.h>

#define BASE "https://track.sender.test"
#define HEAD                                                                                       \
    "From: a@sender.test\r\nSubject: s\r\nMIME-Version: 1.0\r\n"                                   \
    "Content-Type: text/html; charset=utf-8\r\n"
#define LINK "<p><a href=\"https://example.com/?a=1&amp;b=2\">x</a></p>"

static char *module_dir;
static const char *const files[] = {"open-tracker", "click-redirector"};

static RelaisTest *
load (const char *tenant)
{
    static const gchar *const names[] = {"open-tracker", "click-redirector", NULL};
    RelaisTest *test = relais_test_new (module_dir);
    g_autofree char *rules =
        g_build_filename (g_getenv ("RELAIS_SRCDIR"), "modules/tracking/tracking-rules", NULL);
    g_autofree char *text = g_strdup_printf ("[open-tracker]\nrules = %s\n"
                                             "[click-redirector]\nrules = %s\n"
                                             "[tenant t]\n%s\n",
                                             rules, rules, tenant);
    g_autoptr (GError) error = NULL;

    relais_test_use_memory_store (test);
    relais_test_load (test, names, text, &error);
    g_assert_no_error (error);
    relais_test_set_tracking_url (test, "sender.test", BASE, "good");
    relais_test_set_tenant (test, "t");
    return test;
}

#define INDIVIDUAL                                                                                 \
    "open-tracker.mode = individual\nopen-tracker.consent = yes\n"                                 \
    "click-redirector.mode = individual\nclick-redirector.consent = yes"

/* What goes out of a message that was accepted and is sent to one recipient. */
static char *
sent_with (RelaisTest *test, const char *message, const char *field, const char *value)
{
    g_autoptr (GBytes) bytes = NULL;

    relais_test_set_message (test, (const guint8 *)message, strlen (message));
    if (field != NULL)
        relais_test_set_attribute (test, field, value);
    relais_test_set_sender (test, "a@sender.test");
    relais_test_add_recipient (test, "x@rcpt.test");
    g_assert_cmpuint (relais_test_run (test, RELAIS_HOOK_MESSAGE), ==, RELAIS_VERDICT_CONTINUE);
    g_assert_cmpuint (relais_test_run (test, RELAIS_HOOK_REWRITE), ==, RELAIS_VERDICT_CONTINUE);
    bytes = relais_test_get_rewritten (test);
    return g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
}

static char *
sent (RelaisTest *test, const char *message)
{
    return sent_with (test, message, NULL, NULL);
}

static guint
count (const char *text, const char *needle)
{
    guint n = 0;

    for (const char *p = strstr (text, needle); p != NULL; p = strstr (p + 1, needle))
        n++;
    return n;
}

static void
check_unchanged (RelaisTest *test, const char *message)
{
    g_autofree char *out = sent (test, message);

    g_assert_cmpstr (out, ==, message);
}

/* --- Modes ------------------------------------------------------------------------------------ */

static void
test_off (void)
{
    g_autoptr (RelaisTest) test = load ("");

    check_unchanged (test, HEAD "\r\n" LINK);
}

static void
test_individual (void)
{
    g_autoptr (RelaisTest) test = load (INDIVIDUAL);
    g_autofree char *out = sent (test, HEAD "\r\n<body>" LINK "</body>");

    g_assert_cmpuint (count (out, BASE "/c/"), ==, 1);
    g_assert_cmpuint (count (out, BASE "/o/"), ==, 1);
    g_assert_null (strstr (out, "example.com"));
    g_assert_nonnull (strstr (out, "aria-hidden=\"true\""));
    g_assert_nonnull (strstr (out, "></body>"));
}

/* Of a recipient that did not agree no token tells anything: every one gets the same. */
static void
test_aggregate_is_the_same (void)
{
    static const char *const tenants[] = {
        "open-tracker.mode = aggregate\nclick-redirector.mode = aggregate",
        "open-tracker.mode = individual\nclick-redirector.mode = individual"};

    for (gsize i = 0; i < G_N_ELEMENTS (tenants); i++) {
        g_autoptr (RelaisTest) test = load (tenants[i]);
        g_autofree char *one = sent (test, HEAD "\r\n" LINK);
        g_autofree char *other = NULL;

        relais_test_add_recipient (test, "y@rcpt.test");
        other = sent (test, HEAD "\r\n" LINK);
        g_assert_cmpstr (one, ==, other);
        g_assert_cmpuint (count (one, BASE "/c/"), ==, 1);
    }
}

/* A field that says nothing, as a template leaves it whose variable was not set, is no yes of the tenant's. */
static void
test_empty_fields (void)
{
    g_autoptr (RelaisTest) test = load (INDIVIDUAL);
    g_autofree char *one = sent_with (test, HEAD "\r\n" LINK, "x-relais.consent", "no");
    g_autofree char *other = sent_with (test, HEAD "\r\n" LINK, "x-relais.consent", "");
    g_autofree char *individual = sent_with (test, HEAD "\r\n" LINK, "x-relais.consent", "yes");
    g_autofree char *untracked = sent_with (test, HEAD "\r\n" LINK, "x-relais.track", "");

    g_assert_cmpstr (one, !=, individual);
    g_assert_cmpstr (one, ==, other);
    g_assert_cmpstr (untracked, ==, HEAD "\r\n" LINK);
}

/* --- Mistakes --------------------------------------------------------------------------------- */

/* What was sent leads somewhere as long as its key is kept and no longer, whatever was promised. */
static void
test_life (void)
{
    static const struct {
        const char *life;
        bool good;
    } cases[] = {{"500d", true}, {"501d", false}};

    for (gsize m = 0; m < G_N_ELEMENTS (files); m++)
        for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
            const gchar *const names[] = {files[m], NULL};
            g_autoptr (RelaisTest) test = relais_test_new (module_dir);
            g_autofree char *text =
                g_strdup_printf ("[tokens]\nkeep = 500d\n[%s]\nlife = %s\n"
                                 "rules = %s/modules/tracking/tracking-rules\n",
                                 files[m], cases[i].life, g_getenv ("RELAIS_SRCDIR"));
            g_autoptr (GError) error = NULL;

            relais_test_use_memory_store (test);
            g_assert_true (relais_test_load (test, names, text, &error) == cases[i].good);
            g_assert_true (cases[i].good || strstr (error->message, ":4: [") != NULL);
        }
}

/* --- Whose mail ------------------------------------------------------------------------------- */

static void
test_no_tenant (void)
{
    g_autoptr (RelaisTest) test = load (INDIVIDUAL);

    relais_test_set_tenant (test, NULL);
    check_unchanged (test, HEAD "\r\n" LINK);
}

static void
test_no_host (void)
{
    g_autoptr (RelaisTest) test = load (INDIVIDUAL);

    relais_test_set_tracking_url (test, "sender.test", BASE, "failing");
    check_unchanged (test, HEAD "\r\n" LINK);
    g_assert_cmpuint (
        relais_test_get_count (test, "open-tracker", "tracking_skipped", "host-failing"), ==, 1);
    g_assert_cmpuint (
        relais_test_get_count (test, "click-redirector", "tracking_skipped", "host-failing"), ==,
        1);
}

/* --- What is left alone ----------------------------------------------------------------------- */

typedef struct {
    const char *html;
    const char *reason; /* of click-redirector */
} Left;

static void
test_links_left_alone (void)
{
    static const Left cases[] = {
        {"<a href=mailto:a@b.c>x</a>", "scheme"},
        {"<a href='javascript:void(0)'>x</a>", "scheme"},
        {"<a href=\"tel:+33\">x</a>", "scheme"},
        {"<a href=\"/relative\">x</a>", "scheme"},
        {"<a href=\"#top\">x</a>", "scheme"},
        {"<a href=\"https://example.com/{{name}}\">x</a>", "template"},
        {"<a href=\"https://example.com/unsubscribe?u=1\">x</a>", "unsubscribe"},
        {"<a href=\"https://list.example/leave/7\">x</a>", "unsubscribe"},
        {"<a data-no-track href=\"https://example.com/\">x</a>", "no-track"},
        {"<a href=\"" BASE "/c/abc\">x</a>", "own"},
        {"<a href=\"https://user@example.com/\">x</a>", "url"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autoptr (RelaisTest) test =
            load ("click-redirector.mode = individual\nclick-redirector.consent = yes");
        g_autofree char *message = g_strconcat (
            HEAD "List-Unsubscribe: <https://list.example/leave/7>\r\n\r\n", cases[i].html, NULL);

        check_unchanged (test, message);
        g_assert_cmpuint (
            relais_test_get_count (test, "click-redirector", "tracking_skipped", cases[i].reason),
            ==, 1);
    }
}

/* A message whose one link has `n` octets of path, in quoted-printable, whose lines are short. Owned. */
static char *
long_message (guint n)
{
    GString *text = g_string_new ("From: a@sender.test\r\nMIME-Version: 1.0\r\n"
                                  "Content-Type: text/html; charset=utf-8\r\n"
                                  "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                                  "<a href=3D\"https://example.com/=\r\n");

    for (guint i = 0; i < n; i++)
        g_string_append (text, i % 60 == 59 ? "a=\r\n" : "a");
    g_string_append (text, "\">x</a>\r\n");
    return g_string_free (text, FALSE);
}

/* The link of such a message, as a browser reads it: behind both encodings, of which HTML's writes two hyphens in a row
 * with a reference. Owned. */
static char *
long_link (const char *message)
{
    const char *from = strstr (message, "href=3D\"");
    GString *link = g_string_new (NULL);

    g_assert_nonnull (from);
    for (from += strlen ("href=3D\""); *from != '"' && *from != '\0';) {
        if (from[0] == '=' && g_ascii_isxdigit (from[1])) {
            g_string_append_c (
                link, (char)(g_ascii_xdigit_value (from[1]) * 16 + g_ascii_xdigit_value (from[2])));
            from += 3;
        } else if (from[0] == '=') {
            from += strlen ("=\r\n");
        } else {
            g_string_append_c (link, *from++);
        }
    }
    g_string_replace (link, "&#45;", "-", 0);
    return g_string_free (link, FALSE);
}

/* What Windows would cut off is left as it is: the longest link that is made, and the first that is not. */
static void
test_long_link (void)
{
    g_autoptr (RelaisTest) test =
        load ("click-redirector.mode = individual\nclick-redirector.consent = yes");
    gsize longest = 0;
    guint n = 1450;

    for (;; n++) {
        g_autofree char *message = long_message (n);
        g_autofree char *out = sent (test, message);
        g_autofree char *link = long_link (out);

        if (!g_str_has_prefix (link, BASE "/c/")) {
            g_assert_cmpstr (out, ==, message);
            break;
        }
        longest = strlen (link);
        g_assert_cmpuint (longest, <=, 2083);
    }
    /* an octet more makes one or two characters more */
    g_assert_cmpuint (longest, >=, 2082);
    g_assert_cmpuint (
        relais_test_get_count (test, "click-redirector", "tracking_skipped", "too-long"), ==, 1);
}

static void
test_parts_left_alone (void)
{
    static const struct {
        const char *type, *reason;
    } cases[] = {{"text/html; charset=utf-16", "charset"},
                 {"text/html; charset=iso-2022-jp", "charset"},
                 {"text/x-amp-html; charset=utf-8", NULL},
                 {"text/plain; charset=utf-8", NULL}};

    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autoptr (RelaisTest) test = load (INDIVIDUAL);
        g_autofree char *message = g_strdup_printf (
            "From: a@sender.test\r\nMIME-Version: 1.0\r\nContent-Type: %s\r\n\r\n%s", cases[i].type,
            LINK);

        check_unchanged (test, message);
        g_assert_cmpuint (
            relais_test_get_count (test, "open-tracker", "tracking_skipped",
                                   cases[i].reason != NULL ? cases[i].reason : "no-html"),
            ==, 1);
    }
}

/* Octets whose meaning is the charset's are not guessed at. */
static void
test_charset_of_links (void)
{
    g_autoptr (RelaisTest) test =
        load ("click-redirector.mode = individual\nclick-redirector.consent = yes");

    check_unchanged (test, "From: a@sender.test\r\nMIME-Version: 1.0\r\n"
                           "Content-Type: text/html; charset=iso-8859-1\r\n\r\n"
                           "<a href=\"https://example.com/?q=gr\xfcn\">x</a>");
    g_assert_cmpuint (relais_test_get_count (test, "click-redirector", "tracking_skipped", "url"),
                      ==, 1);
}

static void
test_trap_and_text (void)
{
    g_autoptr (RelaisTest) test = relais_test_new (module_dir);
    static const gchar *const names[] = {"click-redirector", NULL};
    g_autofree char *text =
        g_strdup_printf ("[click-redirector]\nmode = aggregate\ntrap = yes\ntext_links = yes\n"
                         "rules = %s/modules/tracking/tracking-rules\n",
                         g_getenv ("RELAIS_SRCDIR"));
    g_autoptr (GError) error = NULL;
    g_autofree char *html = NULL;
    g_autofree char *plain = NULL;

    relais_test_use_memory_store (test);
    relais_test_load (test, names, text, &error);
    g_assert_no_error (error);
    relais_test_set_tracking_url (test, "sender.test", BASE, "good");
    relais_test_set_tenant (test, "t");
    html = sent (test, HEAD "\r\n<body>" LINK "</body>");
    g_assert_cmpuint (count (html, BASE "/c/"), ==, 2);
    g_assert_nonnull (strstr (html, "display:none!important\"></a></body>"));
    plain = sent (test, "From: a@sender.test\r\n\r\nsee https://example.com/x, and\r\n");
    g_assert_cmpuint (count (plain, BASE "/c/"), ==, 1);
    g_assert_nonnull (strstr (plain, ", and\r\n"));
}

/* --- The modules, in one directory ------------------------------------------------------------ */

static char *
module_path (const char *name)
{
    g_autofree char *file = g_strconcat (name, ".so", NULL);

    return g_build_filename (module_dir, file, NULL);
}

static void
gather (void)
{
    module_dir = g_dir_make_tmp ("relais-modules-XXXXXX", NULL);
    for (gsize i = 0; i < G_N_ELEMENTS (files); i++) {
        g_autofree char *built = g_strdup_printf ("%s/modules/%s/.libs/%s.so",
                                                  g_getenv ("RELAIS_BUILDDIR"), files[i], files[i]);
        g_autofree char *path = module_path (files[i]);
        g_autofree char *bytes = NULL;
        gsize size;

        g_assert_true (g_file_get_contents (built, &bytes, &size, NULL));
        g_assert_true (g_file_set_contents (path, bytes, (gssize)size, NULL));
    }
}

static void
scatter (void)
{
    for (gsize i = 0; i < G_N_ELEMENTS (files); i++) {
        g_autofree char *path = module_path (files[i]);

        g_unlink (path);
    }
    g_rmdir (module_dir);
    g_free (module_dir);
}

int
main (int argc, char **argv)
{
    int status;

    g_test_init (&argc, &argv, NULL);
    gather ();
    g_test_add_func ("/tracking/off", test_off);
    g_test_add_func ("/tracking/individual", test_individual);
    g_test_add_func ("/tracking/aggregate", test_aggregate_is_the_same);
    g_test_add_func ("/tracking/empty-fields", test_empty_fields);
    g_test_add_func ("/tracking/life", test_life);
    g_test_add_func ("/tracking/no-tenant", test_no_tenant);
    g_test_add_func ("/tracking/no-host", test_no_host);
    g_test_add_func ("/tracking/links-left-alone", test_links_left_alone);
    g_test_add_func ("/tracking/long-link", test_long_link);
    g_test_add_func ("/tracking/parts-left-alone", test_parts_left_alone);
    g_test_add_func ("/tracking/charset-of-links", test_charset_of_links);
    g_test_add_func ("/tracking/trap-and-text", test_trap_and_text);
    status = g_test_run ();
    scatter ();
    return status;
}
