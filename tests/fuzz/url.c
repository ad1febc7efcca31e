/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Links of modules/click-redirector (url.c, links.c, plain.c). Properties: an URL is printable ASCII without
 * blanks, quotes and angle brackets, bounded, and gives itself again; it is there exactly for links that are
 * tracked; URLs in plain text lie in it, one behind the other, each in one line.
 *
 * Parsers: modules/click-redirector/links.c, modules/click-redirector/plain.c,
 * modules/click-redirector/url.c.
 */
#include "config.h"

#include "fuzz.h"
#include "links.h"
#include "plain.h"
#include "url.h"

static const char *const words[] = {"http://",
                                    "https://",
                                    "http://h.test/",
                                    "//",
                                    "/../",
                                    "/%2e%2E/",
                                    "\\",
                                    "?",
                                    "#",
                                    "@",
                                    ":80",
                                    ":443",
                                    ":0065535",
                                    "[::1]",
                                    "1.2.3.4",
                                    "0x7f",
                                    "xn--",
                                    "xn--grn-ioa",
                                    "gr\xc3\xbcn",
                                    "\xd7\x90\xd7\x91",
                                    "\xe3\x80\x82",
                                    "\xe1\xba\x9e",
                                    "%zz",
                                    "{{",
                                    "*|",
                                    "%%a%%",
                                    "{a}",
                                    "unsubscribe",
                                    "https://track.test",
                                    "<http://",
                                    ">,",
                                    "(http://",
                                    ")",
                                    "](",
                                    NULL};
const FuzzTarget fuzz_target = {50000, words};

static void
check_url (const char *url)
{
    const gsize size = strlen (url);
    g_autofree char *again = click_url_serialize (url, size, false);

    g_assert_cmpstr (again, ==, url);
    g_assert_cmpuint (size, <=, CLICK_URL_BYTES);
    g_assert_true (g_str_has_prefix (url, "http://") || g_str_has_prefix (url, "https://"));
    for (gsize i = 0; i < size; i++)
        g_assert_true (url[i] > ' ' && url[i] < 0x7f && strchr ("\"<>", url[i]) == NULL);
}

static void
check_href (const char *href, gsize size, bool utf8, const ClickPage *page)
{
    g_autofree char *url = click_url_serialize (href, size, utf8), *tracked = NULL;
    const ClickChoice choice = click_choose (href, size, utf8, page, &tracked);

    g_assert_true ((choice == CLICK_TRACK) == (tracked != NULL));
    g_assert_true (g_str_equal (click_choice_reason (choice), "tracked") == (tracked != NULL));
    g_assert_true (tracked == NULL || g_strcmp0 (tracked, url) == 0);
    g_assert_true (choice != CLICK_URL || url == NULL);
    g_assert_true (url == NULL || click_url_is_web (href, size));
    if (url != NULL)
        check_url (url);
}

static void
check_plain (const guint8 *text, gsize size)
{
    gsize position = 0, offset = 0, length = 0, last = 0;

    while (click_plain_next (text, size, &position, &offset, &length)) {
        g_assert_true (offset >= last && length > 0 && length <= size - offset);
        g_assert_cmpuint (position, ==, offset + length);
        for (gsize i = offset; i < position; i++)
            g_assert_true (text[i] > ' ' && text[i] < 0x7f);
        last = position;
    }
    g_assert_cmpuint (position, ==, size);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    guint8 *copy = fuzz_exact (bytes, size);
    g_autoptr (GPtrArray) listed = click_list_unsubscribe ((const char *)copy, size);
    const ClickPage page = {listed, "https://track.test/"};

    g_assert_cmpuint (listed->len, <=, CLICK_UNSUBSCRIBE_URLS);
    for (guint i = 0; i < listed->len; i++) {
        g_autofree char *tracked = NULL;

        check_url (listed->pdata[i]);
        g_assert_cmpint (
            click_choose (listed->pdata[i], strlen (listed->pdata[i]), true, &page, &tracked), !=,
            CLICK_TRACK);
    }
    check_href ((const char *)copy, size, true, &page);
    check_href ((const char *)copy, size, false, &page);
    check_plain (copy, size);
    free (copy);
    return 0;
}
