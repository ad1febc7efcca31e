/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Links of modules/click-redirector: what a browser makes of them, at every boundary and of generated ones;
 * which are tracked; where they stand in plain text.
 */
#include "links.h"
#include "plain.h"
#include "url-table.h"
#include "url.h"

#include <string.h>

/* --- click_url_serialize () ------------------------------------------------------------------------ */

static char *
serialize (const char *href)
{
    return click_url_serialize (href, strlen (href), true);
}

/* What holds of every result. */
static void
assert_serial (const char *url)
{
    g_autofree char *again = serialize (url);

    g_assert_cmpstr (again, ==, url);
    g_assert_true (g_str_has_prefix (url, "http://") || g_str_has_prefix (url, "https://"));
    g_assert_cmpuint (strlen (url), <=, CLICK_URL_BYTES);
    for (const char *p = url; *p != '\0'; p++)
        g_assert_true (*p > ' ' && *p < 0x7f && strchr ("\"<>", *p) == NULL);
}

static void
test_table (void)
{
    for (guint i = 0; i < G_N_ELEMENTS (url_rows); i++) {
        const char *href = url_rows[i].href;
        g_autofree char *url = serialize (href);
        bool ascii = true;

        g_test_message ("%s", href);
        g_assert_cmpstr (url, ==, url_rows[i].url);
        if (url == NULL)
            continue;
        assert_serial (url);
        g_assert_true (click_url_is_web (href, strlen (href)));
        for (const char *p = href; *p != '\0'; p++)
            ascii &= (guchar)*p < 0x80;
        g_free (url);
        url = click_url_serialize (href, strlen (href), false);
        g_assert_cmpstr (url, ==, ascii ? url_rows[i].url : NULL);
    }
}

/* Nothing is read behind `size`, and a NUL never counts as an end. */
static void
test_size (void)
{
    static const char href[] = "http://h.test/a\0b";
    static const gsize whole = sizeof href - 1;

    for (gsize size = 0; size <= whole; size++) {
        g_autofree char *copy = g_memdup2 (href, size);
        g_autofree char *url = click_url_serialize (copy, size, true);

        g_assert_true ((url != NULL) == (size > strlen ("http://") && size <= strlen (href)));
        if (url != NULL)
            assert_serial (url);
    }
}

static void
assert_length (const char *head, char fill, gsize n, const char *tail, bool good)
{
    g_autoptr (GString) href = g_string_new (head);
    g_autofree char *url = NULL;

    for (gsize i = 0; i < n; i++)
        g_string_append_c (href, fill);
    g_string_append (href, tail);
    url = serialize (href->str);
    g_assert_true ((url != NULL) == good);
    if (url != NULL)
        assert_serial (url);
}

static void
test_boundaries (void)
{
    const gsize head = strlen ("http://h.test/");

    assert_length ("http://h.test/", 'a', CLICK_URL_BYTES - head, "", true);
    assert_length ("http://h.test/", 'a', CLICK_URL_BYTES - head + 1, "", false);
    assert_length ("http://h.test/", '"', (CLICK_URL_BYTES - head) / 3, "", true);
    assert_length ("http://h.test/", '"', (CLICK_URL_BYTES - head) / 3 + 1, "", false);
    assert_length ("http://h.test/", '\n', 1000000, "a", true); /* are none of it */
    assert_length ("http://", 'a', 63, ".test/", true);
    assert_length ("http://", 'a', 64, ".test/", false);
    assert_length ("http://h.test:", '0', 5000, "80/", true);
    for (gsize size = 252; size <= 255; size++) {
        g_autoptr (GString) name = g_string_new ("http://");

        while (name->len < 7 + size)
            g_string_append (name, name->len % 2 == 1 ? "a" : ".");
        if (name->str[name->len - 1] == '.')
            name->str[name->len - 1] = name->str[name->len - 2] = 'a';
        assert_length (name->str, '.', 0, "/", size <= 254);
    }
}

/* --- Generated links ------------------------------------------------------------------------------- */

static const char *const pieces[] = {"http://",
                                     "https://",
                                     "HTTP:",
                                     "//",
                                     "/",
                                     "\\",
                                     "..",
                                     ".",
                                     "%2e",
                                     "%2E",
                                     "%",
                                     "%41",
                                     "%zz",
                                     "?",
                                     "#",
                                     "@",
                                     ":",
                                     ":80",
                                     ":443",
                                     "h",
                                     "h.test",
                                     "1",
                                     "1.2.3.4",
                                     "0x1",
                                     "xn--",
                                     "xn--grn-ioa",
                                     "\xc3\xbc",
                                     "\xd7\x90",
                                     "\xe3\x80\x82",
                                     "\xff",
                                     " ",
                                     "\n",
                                     "\t",
                                     "\"",
                                     "'",
                                     "<",
                                     ">",
                                     "{",
                                     "}",
                                     "|",
                                     "^",
                                     "`",
                                     "[",
                                     "]",
                                     "\x01",
                                     "\x7f",
                                     "a",
                                     "Z",
                                     "-",
                                     "_",
                                     "~",
                                     "&amp;",
                                     "=",
                                     ";",
                                     "\xe2\x80\x8d",
                                     "\xf0\x9f\x98\x80"};

static void
test_generated (void)
{
    g_autoptr (GRand) random = g_rand_new_with_seed (4);
    guint made = 0;

    for (guint i = 0; i < 100000; i++) {
        g_autoptr (GString) href = g_string_new (i % 2 == 0 ? "http://h.test/" : "https://");
        const gint n = g_rand_int_range (random, 0, 12);
        g_autofree char *url = NULL;

        for (gint k = 0; k < n; k++)
            g_string_append (href, pieces[g_rand_int_range (random, 0, G_N_ELEMENTS (pieces))]);
        url = serialize (href->str);
        if (url == NULL)
            continue;
        made++;
        assert_serial (url);
    }
    g_assert_cmpuint (made, >, 10000);
}

/* --- click_choose () ------------------------------------------------------------------------------- */

static const char list_header[] =
    " <mailto:out@s.test?subject=out>, (one (click)) <https://S.test:443/\r\n"
    " bye?id=%2e 1>,\r\n\t<http://s.test/b y>, <ftp://s.test/>, <https://s.test/end";

static void
test_list_unsubscribe (void)
{
    g_autoptr (GPtrArray) urls = click_list_unsubscribe (list_header, strlen (list_header));
    g_autoptr (GString) many = g_string_new (NULL);
    g_autoptr (GPtrArray) few = NULL, none = click_list_unsubscribe ("", 0);

    g_assert_cmpuint (urls->len, ==, 2);
    g_assert_cmpstr (urls->pdata[0], ==, "https://s.test/bye?id=%2e1");
    g_assert_cmpstr (urls->pdata[1], ==, "http://s.test/by");
    g_assert_cmpuint (none->len, ==, 0);
    for (guint i = 0; i < CLICK_UNSUBSCRIBE_URLS; i++)
        g_string_append (many, "<x><<http://s.test/><http://s.test/>");
    few = click_list_unsubscribe (many->str, many->len);
    g_assert_cmpuint (few->len, ==, CLICK_UNSUBSCRIBE_URLS);
}

static void
assert_choice (const char *href, ClickChoice wanted)
{
    g_autoptr (GPtrArray) urls = click_list_unsubscribe (list_header, strlen (list_header));
    const ClickPage page = {urls, "https://track.s.test:8443/"};
    g_autofree char *url = NULL, *serial = serialize (href);
    ClickChoice choice;

    g_test_message ("%s", href);
    choice = click_choose (href, strlen (href), true, &page, &url);
    g_assert_cmpstr (click_choice_reason (choice), ==, click_choice_reason (wanted));
    g_assert_cmpstr (url, ==, wanted == CLICK_TRACK ? serial : NULL);
}

static void
assert_choices (const char *const *hrefs, ClickChoice wanted)
{
    for (; *hrefs != NULL; hrefs++)
        assert_choice (*hrefs, wanted);
}

static void
test_tracked (void)
{
    static const char *const hrefs[] = {"http://h.test/",
                                        " HTTPS://h.test/a b ",
                                        "http://h.test/?f[a]=1&f[b]=2",
                                        "http://h.test/%20foo%20bar%20",
                                        "http://h.test/%e9t%c3%a9",
                                        "http://h.test/?a=100%25&b=5%&c=5%",
                                        "http://h.test/#a##b",
                                        "http://h.test/%7Bx%7D",
                                        "http://h.test/{3f2504e0-4f89-11d3}{}",
                                        "http://h.test/~user/$a?x=~~b||c",
                                        "http://h.test/subscribe?free-cancellation",
                                        "http://track.s.test/",
                                        "https://track.s.test.i.test:8443/",
                                        "https://s.test/bye?id=.1",
                                        NULL};

    assert_choices (hrefs, CLICK_TRACK);
}

static void
test_left_alone (void)
{
    static const char *const scheme[] = {"",
                                         "#",
                                         "#a",
                                         "a.html",
                                         "/a",
                                         "//h.test/",
                                         "?a",
                                         "mailto:a",
                                         "tel:1",
                                         "sms:1",
                                         "cid:a@b",
                                         "data:,a",
                                         "javascript:1",
                                         "ftp://h.test/",
                                         "http",
                                         "https//h.test",
                                         "httpss://h.test",
                                         "xhttp://h.test",
                                         "ht tp://h.test",
                                         "h\x01ttp://h.test",
                                         NULL};
    static const char *const url[] = {
        "http:h.test",        "h\nttps:\t",    "http://", "http://u@h.test/",
        "http://h.test/\xff", "http://1.2.3/", NULL};
    static const char *const own[] = {"https://track.s.test:8443", "http://TRACK.s.test:8443/c/a",
                                      "https://track.s.test:8443?a", NULL};
    static const char *const leaving[] = {"https://s.test/bye?id=%2e1",
                                          "HTTPS://S.TEST:443/a/../bye?id=%2e1",
                                          "http://s.test/by",
                                          "http://s.test/Unsubscribe/1",
                                          "http://s.test/?a=UNSUB",
                                          "http://s.test/opt-out",
                                          "http://s.test/?opt_out=1",
                                          "http://s.test/OptOut",
                                          "http://s.test/se-d\xc3\xa9sabonner",
                                          "http://s.test/desabonnement",
                                          "http://s.test/d%C3%A9sinscription",
                                          "http://s.test/desinscription",
                                          "http://s.test/abmelden",
                                          "http://s.test/newsletter-abbestellen",
                                          "http://s.test/darse-de-baja",
                                          "http://s.test/cancella-iscrizione",
                                          "http://s.test/uitschrijven",
                                          "http://s.test/manage/preferences",
                                          "http://s.test/email_preferences?a",
                                          "http://s.test/manage-subscriptions",
                                          NULL};

    assert_choices (scheme, CLICK_SCHEME);
    assert_choices (url, CLICK_URL);
    assert_choices (own, CLICK_OWN);
    assert_choices (leaving, CLICK_UNSUBSCRIBE);
}

static void
test_templates (void)
{
    static const char *const hrefs[] = {"{{url}}",
                                        "http://h.test/{{ name }}",
                                        "http://h.test/{{{name}}}",
                                        "http://h.test/?a={% if a %}",
                                        "*|UNSUB|*",
                                        "http://h.test/?e=*|EMAIL|*",
                                        "http://h.test/%%email%%",
                                        "%%view_email_url%%",
                                        "http://h.test/?e=[[email]]",
                                        "http://h.test/${user.id}",
                                        "http://h.test/#{id}",
                                        "http://h.test/<%= @id %>",
                                        "http://h.test/@@name@@",
                                        "http://h.test/<<name>>",
                                        "http://h.test/\xc2\xabname\xc2\xbb",
                                        "http://h.test/%7B%7Bname%7D%7D",
                                        "http://h.test/*%7CNAME%7C*",
                                        "http://h.test/%recipient.name%",
                                        "http://h.test/%EMAIL%",
                                        "http://h.test/{name}",
                                        "http://h.test/##name##",
                                        "http://h.test/~~name~~",
                                        "http://h.test/{!Contact.Id}",
                                        "mailto:{{email}}",
                                        NULL};

    assert_choices (hrefs, CLICK_TEMPLATE);
}

/* A page without anything, and octets that are no text. */
static void
test_bare_page (void)
{
    const ClickPage page = {NULL, NULL};
    char *url = NULL;

    g_assert_cmpint (click_choose ("http://h.test/", 14, false, &page, &url), ==, CLICK_TRACK);
    g_assert_cmpstr (url, ==, "http://h.test/");
    g_clear_pointer (&url, g_free);
    g_assert_cmpint (click_choose ("http://h.test/\xfc", 15, false, &page, &url), ==, CLICK_URL);
    g_assert_null (url);
    g_assert_cmpint (click_choose ("http://h.test/\0{{", 17, true, &page, &url), ==, CLICK_URL);
    g_assert_null (url);
    g_assert_cmpstr (click_choice_reason (CLICK_NO_TRACK), ==, "no-track");
}

/* --- click_plain_next () --------------------------------------------------------------------------- */

/* The URLs of a text, with a blank behind each. */
static char *
find_all (const char *text)
{
    GString *found = g_string_new (NULL);
    const gsize size = strlen (text);
    g_autofree guint8 *copy = g_memdup2 (text, size);
    gsize position = 0, offset = 0, length = 0, last = 0;

    while (click_plain_next (copy, size, &position, &offset, &length)) {
        g_assert_cmpuint (offset, >=, last);
        g_assert_cmpuint (position, ==, offset + length);
        g_assert_cmpuint (position, <=, size);
        last = position;
        g_string_append_len (found, text + offset, (gssize)length);
        g_string_append_c (found, ' ');
    }
    g_assert_cmpuint (position, ==, size);
    return g_string_free (found, FALSE);
}

static void
test_plain (void)
{
    static const struct {
        const char *text, *found;
    } rows[] = {
        {"", ""},
        {"http://h.test/", "http://h.test/ "},
        {"See HTTPS://h.test/a?b=c&d#e, or\r\nhttp://i.test.\r\n",
         "HTTPS://h.test/a?b=c&d#e http://i.test "},
        {"http://h.test/a\nb", "http://h.test/a "},
        {"(see http://h.test/a_(b))", "http://h.test/a_(b) "},
        {"(http://h.test/a).", "http://h.test/a "},
        {"[http://h.test/a]; {http://h.test/b}!", "http://h.test/a http://h.test/b "},
        {"[text](http://h.test/a)", "http://h.test/a "},
        {"[http://h.test/a](http://h.test/b)", "http://h.test/b "},
        {"\"http://h.test/a\",'http://h.test/b'", "http://h.test/a http://h.test/b "},
        {"<http://h.test/a.> <URL:http://h.test/b>", "http://h.test/a. http://h.test/b "},
        {"<http://h.test/a\n b>", ""},
        {"<http://h.test/a b>", ""},
        {"> http://h.test/a\r\n>http://h.test/b", "http://h.test/a http://h.test/b "},
        {"http://h.test/a?!...", "http://h.test/a "},
        {"http://h.test/it's http://h.test/a-", "http://h.test/it's http://h.test/a- "},
        {"http://h.test/?f[a]=(1)", "http://h.test/?f[a]=(1) "},
        {"http://h.test/a( http://h.test/[b", ""},
        {"http://h.test/a<br>", "http://h.test/a "},
        {"http://h.test/http://i.test/", "http://h.test/http://i.test/ "},
        {"http://h.test/,http://i.test/", ""},
        {"xhttp://h.test/ /http://h.test/ *http://h.test/*", ""},
        {"http://h.test/gr\xc3\xbcn \xc3\xbchttp://h.test/", ""},
        {"http://h.test/{{a}} http://h.test/a|b http://h.test/a}b http://h.test/a\\b", ""},
        {"http:// https://) http://. http:/h.test http:h.test", ""},
        {"http://[::1]/ ftp://h.test/ www.h.test", ""},
        {"http://h.test/a\x01 http", "http://h.test/a "},
    };

    for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
        g_autofree char *found = find_all (rows[i].text);

        g_test_message ("%s", rows[i].text);
        g_assert_cmpstr (found, ==, rows[i].found);
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/click-redirector/url/table", test_table);
    g_test_add_func ("/click-redirector/url/size", test_size);
    g_test_add_func ("/click-redirector/url/boundaries", test_boundaries);
    g_test_add_func ("/click-redirector/url/generated", test_generated);
    g_test_add_func ("/click-redirector/list-unsubscribe", test_list_unsubscribe);
    g_test_add_func ("/click-redirector/tracked", test_tracked);
    g_test_add_func ("/click-redirector/left-alone", test_left_alone);
    g_test_add_func ("/click-redirector/templates", test_templates);
    g_test_add_func ("/click-redirector/bare-page", test_bare_page);
    g_test_add_func ("/click-redirector/plain", test_plain);
    return g_test_run ();
}
