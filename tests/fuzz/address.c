/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Mailboxes, domains and lists of mailboxes (core/message/address.c, mailbox.c). Properties: what is
 * parsed is printed as it is parsed again, within the limits, without controls, in ASCII unless
 * UTF-8 was asked for, its domain normalised already; normalising is done once; the author of a
 * header is the one mailbox that its list holds.
 *
 * Parsers: core/message/address.c, core/message/mailbox.c.
 */
#include "config.h"

#include "fuzz.h"
#include "message/address-private.h"
#include "message/header-private.h"

static const char *const words[] = {"a@x.test",
                                    "\"a b\"@",
                                    "@[192.0.2.1]",
                                    "@[IPv6:2001:db8::1]",
                                    "<",
                                    ">",
                                    "xn--mnchen-3ya.test",
                                    "m\xc3\xbcnchen.test",
                                    "\\\"",
                                    "(c)",
                                    "group: ",
                                    "; ",
                                    ", ",
                                    "\r\n ",
                                    "@@",
                                    "a.b",
                                    ".test",
                                    "\xef\xbc\x8e",
                                    "\xc3\x9f",
                                    "xn--",
                                    NULL};
const FuzzTarget fuzz_target = {50000, words};

static void
check_domain (const char *domain)
{
    g_autofree char *again = NULL;

    if (relais_domain_is_literal (domain))
        return;
    again = relais_domain_normalise (domain, strlen (domain));
    g_assert_cmpstr (again, ==, domain);
    g_assert_true (relais_domain_matches (domain, domain) && relais_domain_matches ("*", domain));
}

/* `address` came out of the parser. */
static void
check_printed (const char *address, bool utf8)
{
    g_autofree char *again = NULL;
    const gsize size = strlen (address);
    const char *domain = relais_address_domain (address);

    g_assert_cmpuint (size, <=, RELAIS_PATH_BYTES);
    g_assert_true (g_utf8_validate (address, -1, NULL));
    for (gsize i = 0; i < size; i++)
        g_assert_true ((guint8)address[i] >= 0x20 && address[i] != 0x7f &&
                       (utf8 || (guint8)address[i] < 0x80));
    g_assert_true (domain > address && *domain != '\0');
    check_domain (domain);
    g_assert_cmpint (relais_address_parse (address, size, utf8, &again, NULL), ==,
                     RELAIS_ADDRESS_OK);
    g_assert_cmpstr (again, ==, address);
}

static void
check_mailbox (const char *text, gsize size, bool utf8)
{
    g_autofree char *address = NULL, *whole = NULL, *shorter = NULL;
    gsize used = 0;

    if (relais_address_parse (text, size, utf8, &address, &used) != RELAIS_ADDRESS_OK) {
        g_assert_null (address);
        return;
    }
    g_assert_true (used > 0 && used <= size);
    check_printed (address, utf8);
    g_assert_cmpint (relais_address_parse (text, used, utf8, &shorter, NULL), ==,
                     RELAIS_ADDRESS_OK);
    g_assert_cmpstr (shorter, ==, address);
    if (relais_address_parse (text, size, utf8, &whole, NULL) == RELAIS_ADDRESS_OK)
        g_assert_cmpuint (used, ==, size);
}

static void
check_list (const char *text, gsize size)
{
    enum { LIMIT = 5 };
    g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func (g_free);
    g_autofree char *author = NULL;
    const bool good = relais_header_parse_mailboxes (text, size, LIMIT, found);

    g_assert_cmpuint (found->len, <=, LIMIT);
    for (guint i = 0; i < found->len; i++)
        check_printed (g_ptr_array_index (found, i), true);
    if (!relais_header_parse_author (text, size, &author))
        return;
    g_assert_true (good && found->len == 1);
    g_assert_cmpstr (author, ==, g_ptr_array_index (found, 0));
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    const char *text = (const char *)bytes;
    g_autofree char *domain = relais_domain_normalise (text, size);

    if (domain != NULL)
        check_domain (domain);
    check_mailbox (text, size, false);
    check_mailbox (text, size, true);
    check_list (text, size);
    return 0;
}
