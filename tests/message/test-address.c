/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Addresses and domains: forms, limits at their boundaries, and that what comes out parses to itself.
 */
#include "config.h"

#include "message/address-private.h"

#include <string.h>

typedef struct {
    const char *text;
    bool utf8;
    RelaisAddressStatus status;
    const char *address; /* when OK */
    const char *rest;    /* what follows the mailbox, when OK */
} AddressCase;

#define OK RELAIS_ADDRESS_OK
#define SYNTAX RELAIS_ADDRESS_SYNTAX
#define TOO_LONG RELAIS_ADDRESS_TOO_LONG
#define NEEDS_UTF8 RELAIS_ADDRESS_NEEDS_UTF8

static const AddressCase cases[] = {
    {"user@example.org", false, OK, "user@example.org", ""},
    {"User.Name@EXAMPLE.Org> SIZE=1", false, OK, "User.Name@example.org", "> SIZE=1"},
    {"u@host", false, OK, "u@host", ""},
    {"a!b#c$d%e&f'g*h+i-j/k=l?m^n_o`p{q|r}s~t@x.y", false, OK,
     "a!b#c$d%e&f'g*h+i-j/k=l?m^n_o`p{q|r}s~t@x.y", ""},
    {"a%b@c", false, OK, "a%b@c", ""},
    {"\"simple\"@x.y", false, OK, "simple@x.y", ""},
    {"\"a.b\"@x.y", false, OK, "a.b@x.y", ""},
    {"\"a..b\"@x.y", false, OK, "\"a..b\"@x.y", ""},
    {"\"\\s\\p\\ a\"@x.y", false, OK, "\"sp a\"@x.y", ""},
    {"\"a\\\"b\\\\c\"@x.y", false, OK, "\"a\\\"b\\\\c\"@x.y", ""},
    {"\"a@b\"@x.y", false, OK, "\"a@b\"@x.y", ""},
    {"\"\"@x.y", false, OK, "\"\"@x.y", ""},
    {"\";rm -rf $HOME|`id`\"@x.y", false, OK, "\";rm -rf $HOME|`id`\"@x.y", ""},
    {"u@[192.0.2.1]>", false, OK, "u@[192.0.2.1]", ">"},
    {"u@[ipv6:2001:DB8:0:0::1]", false, OK, "u@[IPv6:2001:db8::1]", ""},
    {"u@[IPv6:::ffff:192.0.2.1]", false, OK, "u@[IPv6:::ffff:192.0.2.1]", ""},
    {"u@192.0.2.1", false, OK, "u@192.0.2.1", ""},
    {"u@a_b.c", false, OK, "u@a", "_b.c"}, /* the caller refuses what follows */
    {"u@x@y", false, OK, "u@x", "@y"},
    {"u@x y", false, OK, "u@x", " y"},
    {"u@xn--bcher-kva.example", false, OK, "u@xn--bcher-kva.example", ""},
    {"u@B\xc3\xbc"
     "cher.example",
     true, OK, "u@xn--bcher-kva.example", ""},
    {"u@b\xc3\xbc"
     "cher.example",
     false, NEEDS_UTF8, NULL, NULL},
    {"\xc3\xbc@example.org", true, OK, "\xc3\xbc@example.org", ""},
    {"\xc3\xbc@example.org", false, NEEDS_UTF8, NULL, NULL},
    {"\"\xc3\xbc x\"@example.org", true, OK, "\"\xc3\xbc x\"@example.org", ""},
    {"\xff@example.org", true, SYNTAX, NULL, NULL},
    {"\xc3\xbc\xc2\x85@example.org", true, SYNTAX, NULL, NULL},
    {"a\xe2\x80\xa8@example.org", true, SYNTAX, NULL, NULL},
    {"u@\xe3\x80\x82x", true, SYNTAX, NULL, NULL},
    {"u@x\xe2\x80\xae.y", true, SYNTAX, NULL, NULL},
    {"", false, SYNTAX, NULL, NULL},
    {"@x.y", false, SYNTAX, NULL, NULL},
    {"user", false, SYNTAX, NULL, NULL},
    {"user@", false, SYNTAX, NULL, NULL},
    {"user @x", false, SYNTAX, NULL, NULL},
    {".a@x", false, SYNTAX, NULL, NULL},
    {"a.@x", false, SYNTAX, NULL, NULL},
    {"a..b@x", false, SYNTAX, NULL, NULL},
    {"a@x.", false, SYNTAX, NULL, NULL},
    {"a@.x", false, SYNTAX, NULL, NULL},
    {"a@x..y", false, SYNTAX, NULL, NULL},
    {"a@-x", false, SYNTAX, NULL, NULL},
    {"a@x-.y", false, SYNTAX, NULL, NULL},
    {"@a,@b:u@c", false, SYNTAX, NULL, NULL},
    {"a\r\n@x", false, SYNTAX, NULL, NULL},
    {"\"a\r\nb\"@x", false, SYNTAX, NULL, NULL},
    {"\"a\\\nb\"@x", false, SYNTAX, NULL, NULL},
    {"\"a\tb\"@x", false, SYNTAX, NULL, NULL},
    {"\"ab@x", false, SYNTAX, NULL, NULL},
    {"\"ab\\", false, SYNTAX, NULL, NULL},
    {"\"ab\"c@x", false, SYNTAX, NULL, NULL},
    {"a\"b\"@x", false, SYNTAX, NULL, NULL},
    {"u@[192.0.2]", false, SYNTAX, NULL, NULL},
    {"u@[192.0.2.01]", false, SYNTAX, NULL, NULL},
    {"u@[192.0.2.256]", false, SYNTAX, NULL, NULL},
    {"u@[2001:db8::1]", false, SYNTAX, NULL, NULL},
    {"u@[IPv6:192.0.2.1]", false, SYNTAX, NULL, NULL},
    {"u@[X400:c=de]", false, SYNTAX, NULL, NULL},
    {"u@[]", false, SYNTAX, NULL, NULL},
    {"u@[192.0.2.1", false, SYNTAX, NULL, NULL},
};

/* From a copy of exactly the size, so that a sanitizer sees a read beyond it. */
static RelaisAddressStatus
parse_copy (const char *text, gsize size, bool utf8, char **address, gsize *used)
{
    g_autofree char *copy = g_memdup2 (text, size);

    return relais_address_parse (copy, size, utf8, address, used);
}

static void
test_addresses (void)
{
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        const AddressCase *one = &cases[i];
        g_autofree char *address = NULL, *again = NULL;
        gsize used = 0;

        g_test_message ("case %u", i);
        g_assert_cmpint (parse_copy (one->text, strlen (one->text), one->utf8, &address, &used), ==,
                         one->status);
        g_assert_cmpstr (address, ==, one->address);
        if (one->status != OK)
            continue;
        g_assert_cmpstr (one->text + used, ==, one->rest);
        g_assert_cmpint (parse_copy (address, strlen (address), one->utf8, &again, NULL), ==, OK);
        g_assert_cmpstr (again, ==, address);
    }
}

static void
test_nul (void)
{
    char *address = NULL;
    gsize used;

    g_assert_cmpint (parse_copy ("a\0b@x", 5, false, &address, &used), ==, SYNTAX);
    g_assert_cmpint (parse_copy ("\"a\0b\"@x", 7, false, &address, &used), ==, SYNTAX);
    g_assert_cmpint (parse_copy ("u@[192.0.2.1\0]", 14, false, &address, &used), ==, SYNTAX);
    g_assert_cmpint (parse_copy ("u@x\0y", 5, false, &address, NULL), ==, SYNTAX);
    g_assert_null (address);
    g_assert_null (relais_domain_normalise ("a\0b", 3));
}

/* "l...l@d...d" with labels of at most 63. */
static char *
long_address (gsize local, gsize domain)
{
    GString *text = g_string_new (NULL);

    for (gsize i = 0; i < local; i++)
        g_string_append_c (text, 'l');
    g_string_append_c (text, '@');
    for (gsize i = 0; i < domain; i++)
        g_string_append_c (text, i % 64 == 63 && i + 1 < domain ? '.' : 'd');
    return g_string_free (text, FALSE);
}

static void
check_long (gsize local, gsize domain, RelaisAddressStatus wanted)
{
    g_autofree char *text = long_address (local, domain);
    g_autofree char *address = NULL;

    g_assert_cmpint (relais_address_parse (text, strlen (text), false, &address, NULL), ==, wanted);
}

static void
test_limits (void)
{
    g_autofree char *label = g_strnfill (64, 'd'), *quoted = NULL, *address = NULL;
    g_autofree char *name = long_address (0, 253), *longer = long_address (0, 254);
    g_autofree char *good = relais_domain_normalise (name + 1, 253);

    check_long (63, 10, OK);
    check_long (64, 10, OK);
    check_long (65, 10, TOO_LONG);
    check_long (1, 252, OK); /* 254 in all */
    check_long (2, 252, TOO_LONG);
    check_long (1, 253, TOO_LONG);
    check_long (1, 255, TOO_LONG);
    check_long (1, 100000, TOO_LONG);
    check_long (100000, 10, TOO_LONG);
    check_long (64, 189, OK);
    check_long (64, 190, TOO_LONG);
    g_assert_nonnull (good);
    g_assert_null (relais_domain_normalise (longer + 1, 254));
    g_assert_null (relais_domain_normalise (label, 64));
    label[63] = '\0';
    g_clear_pointer (&good, g_free);
    good = relais_domain_normalise (label, 63);
    g_assert_cmpstr (good, ==, label);
    quoted = g_strdup_printf ("\"%s \"@x", label); /* 63 + a blank + two quotes */
    g_assert_cmpint (relais_address_parse (quoted, strlen (quoted), false, &address, NULL), ==,
                     TOO_LONG);
}

static void
test_domains (void)
{
    static const struct {
        const char *text, *name;
    } names[] = {
        {"Example.ORG", "example.org"},
        {"example.org.", "example.org"},
        {"example.org..", NULL},
        {".", NULL},
        {"", NULL},
        {"a b", NULL},
        {"a/b", NULL},
        {"..", NULL},
        {"m\xc3\xbcnchen.de", "xn--mnchen-3ya.de"},
        {"stra\xc3\x9f"
         "e.de",
         "xn--strae-oqa.de"},
        {"\xff.de", NULL},
        {"xn--mnchen-3ya.de", "xn--mnchen-3ya.de"},
        {"1.2.3.4", "1.2.3.4"},
    };

    for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
        g_autofree char *name = relais_domain_normalise (names[i].text, strlen (names[i].text));

        g_assert_cmpstr (name, ==, names[i].name);
    }
    g_assert_true (relais_domain_matches ("*", "x.y"));
    g_assert_true (relais_domain_matches ("x.y", "x.y"));
    g_assert_false (relais_domain_matches ("x.y", "a.x.y"));
    g_assert_true (relais_domain_matches ("*.x.y", "a.x.y"));
    g_assert_true (relais_domain_matches ("*.x.y", "b.a.x.y"));
    g_assert_false (relais_domain_matches ("*.x.y", "x.y"));
    g_assert_false (relais_domain_matches ("*.x.y", "ax.y"));
    g_assert_true (relais_domain_is_literal ("[192.0.2.1]"));
    g_assert_false (relais_domain_is_literal ("192.0.2.1"));
    g_assert_cmpstr (relais_address_domain ("\"a@b\"@c"), ==, "c");
    g_assert_cmpstr (relais_address_domain (""), ==, "");
}

/* Whatever is accepted has one line, and parses to itself. */
static void
test_random (void)
{
    static const char alphabet[] = "ab.@\"\\ []:1%\xc3\xbc\r\n>-;$";
    g_autoptr (GRand) rand = g_rand_new_with_seed (5);
    guint accepted = 0;

    for (int i = 0; i < 200000; i++) {
        char text[16];
        gsize size = (gsize)g_rand_int_range (rand, 0, (int)sizeof text), used;
        g_autofree char *address = NULL, *again = NULL;

        for (gsize j = 0; j < size; j++)
            text[j] = alphabet[g_rand_int_range (rand, 0, (int)sizeof alphabet)];
        if (parse_copy (text, size, true, &address, &used) != OK)
            continue;
        accepted++;
        g_assert_cmpuint (used, <=, size);
        g_assert_null (strpbrk (address, "\r\n"));
        g_assert_cmpint (parse_copy (address, strlen (address), true, &again, NULL), ==, OK);
        g_assert_cmpstr (again, ==, address);
    }
    g_assert_cmpuint (accepted, >, 100);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/message/address/forms", test_addresses);
    g_test_add_func ("/message/address/nul", test_nul);
    g_test_add_func ("/message/address/limits", test_limits);
    g_test_add_func ("/message/address/domains", test_domains);
    g_test_add_func ("/message/address/random", test_random);
    return g_test_run ();
}
