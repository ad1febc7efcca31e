/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/message: text of header fields as modules get it: encoded words, parameters, charsets, and what stands as it was.
 */
#include "config.h"

#include <relais/text.h>

#include <stdbool.h>
#include <string.h>

typedef struct {
    const char *value, *text;
    RelaisTextFlags flags;
} Row;

static const Row words[] = {
    /* RFC 2047 section 8, as displayed. */
    {"(=?ISO-8859-1?Q?a?=)", "(a)", 0},
    {"(=?ISO-8859-1?Q?a?= b)", "(a b)", 0},
    {"(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)", 0},
    {"(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)", "(ab)", 0},
    {"(=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=)", "(ab)", 0},
    {"(=?ISO-8859-1?Q?a_b?=)", "(a b)", 0},
    {"(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)", 0},
    {"=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>", 0},
    {"=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?= <keld@dkuug.dk>",
     "Keld J\xc3\xb8rn Simonsen <keld@dkuug.dk>", 0},
    {"=?ISO-8859-1?Q?Andr=E9?= Pirard <PIRARD@vm1.ulg.ac.be>",
     "Andr\xc3\xa9 Pirard <PIRARD@vm1.ulg.ac.be>", 0},
    {"=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n "
     "=?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
     "If you can read this you understand the example.", 0},
    {"Nathaniel Borenstein <nsb@thumper.bellcore.com>\r\n "
     "(=?iso-8859-8?b?7eXs+SDv4SDp7Oj08A==?=)",
     "Nathaniel Borenstein <nsb@thumper.bellcore.com> "
     "(\xd7\x9d\xd7\x95\xd7\x9c\xd7\xa9 \xd7\x9f\xd7\x91 \xd7\x99\xd7\x9c\xd7\x98\xd7\xa4\xd7\xa0)",
     0},
    /* A language, and a character cut in two. */
    {"=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore", 0},
    {"=?UTF-8?B?w?= x", "=?UTF-8?B?w?= x", RELAIS_TEXT_MALFORMED},
    {"=?utf-8?q?=C3?= =?UTF-8?q?=A9?=", "\xc3\xa9", 0},
    {"=?iso-2022-jp?b?GyRCRnxLXBsoQg==?=", "\xe6\x97\xa5\xe6\x9c\xac", 0},
    /* What stands as it was. */
    {"a =?x-klingon?q?b?= c", "a =?x-klingon?q?b?= c", RELAIS_TEXT_UNKNOWN_CHARSET},
    {"=?utf-8?q?a?= =?x-klingon?q?b?=", "a =?x-klingon?q?b?=", RELAIS_TEXT_UNKNOWN_CHARSET},
    {"=?utf-8?q?a=?=", "=?utf-8?q?a=?=", RELAIS_TEXT_MALFORMED},
    {"=?utf-8?b?a b?=", "=?utf-8?b?a b?=", RELAIS_TEXT_MALFORMED},
    {"=?utf-8?q?=FF?=", "=?utf-8?q?=FF?=", RELAIS_TEXT_MALFORMED},
    {"=?utf-8?x?a?=", "=?utf-8?x?a?=", 0},
    {"=?utf-8?q?a", "=?utf-8?q?a", 0},
    {"=?utf-8?q?a?= ", "a ", 0},
    {"=?", "=?", 0},
    {"", "", 0},
    /* Lines, controls, octets. */
    {" a\r\n\tb \r\n", " a\tb ", 0},
    {"a\rb\nc\r\nd", "a b c  d", 0},
    {"=?utf-8?q?a=0D=0Ab=00c?=", "a  b c", 0},
    {"gr\xc3\xbcn", "gr\xc3\xbcn", 0},
    {"gr\xfcn", "gr\xef\xbf\xbdn", RELAIS_TEXT_MALFORMED},
};

static void
test_words (void)
{
    for (guint i = 0; i < G_N_ELEMENTS (words); i++) {
        RelaisTextFlags flags = 77;
        g_autofree char *text =
            relais_text_decode (words[i].value, strlen (words[i].value), &flags);
        g_autofree char *wanted = g_strdup (words[i].text);

        g_strdelimit (wanted, "\t", ' ');
        g_assert_cmpstr (text, ==, wanted);
        g_assert_cmpuint (flags, ==, words[i].flags);
    }
}

static const Row parameters[] = {
    {"attachment; filename=plain.txt", "plain.txt", 0},
    {"attachment; FileName = \"two words; \\\"x\\\".txt\"; size=3", "two words; \"x\".txt", 0},
    {"attachment; filename*=UTF-8''na%C3%AFve.txt", "na\xc3\xafve.txt", 0},
    {"attachment; filename=x; filename*=iso-8859-1'en'%A3%20rates", "\xc2\xa3 rates", 0},
    /* RFC 2231 sections 3 and 4.1. */
    {"x; filename*0=\"ftp://\";\r\n filename*1=\"cs.utk.edu/pub/moore/bulk-mailer.tar\"",
     "ftp://cs.utk.edu/pub/moore/bulk-mailer.tar", 0},
    {"application/x-stuff;\r\n filename*0*=us-ascii'en'This%20is%20even%20more%20;\r\n"
     " filename*1*=%2A%2A%2Afun%2A%2A%2A%20;\r\n filename*2=\"isn't it!\"",
     "This is even more ***fun*** isn't it!", 0},
    {"x; filename*1=b; filename*0=a; filename*3=d", "ab", 0},
    {"x; filename=\"=?UTF-8?Q?gr=C3=BCn.txt?=\"", "gr\xc3\xbcn.txt", 0},
    {"x; filename*=x-klingon''a%20b", "a b", RELAIS_TEXT_UNKNOWN_CHARSET},
    {"x; filename*=utf-8''%FF", "\xef\xbf\xbd", RELAIS_TEXT_MALFORMED},
    {"x; filename*=nothing", "nothing", RELAIS_TEXT_MALFORMED},
    {"x; filename*=''a%zz", "a%zz", RELAIS_TEXT_MALFORMED},
    {"x; filename*0*=utf-8''%C3; filename*1*=%BC", "\xc3\xbc", 0},
    {"x; filename=\"open", "open", 0},
    {"x; filename*100=a", NULL, 0},
    {"x; filename*x=a; filename**=b", NULL, 0},
    {"x; filenames=a; file=b; ; =c; \"filename=d\"", NULL, 0},
    {"filename=of-no-parameter", NULL, 0},
    {"", NULL, 0},
};

static void
test_parameters (void)
{
    for (guint i = 0; i < G_N_ELEMENTS (parameters); i++) {
        RelaisTextFlags flags = 77;
        const char *value = parameters[i].value;
        g_autofree char *text =
            relais_text_decode_parameter (value, strlen (value), "filename", &flags);

        g_assert_cmpstr (text, ==, parameters[i].text);
        g_assert_cmpuint (flags, ==, parameters[i].flags);
    }
}

static void
test_charsets (void)
{
    static const struct {
        const char *octets, *charset, *text;
    } rows[] = {{"\xe9", "latin1", "\xc3\xa9"},
                {"\x80", "ISO-8859-1", "\xe2\x82\xac"},
                {"\xc3\xa9", "UTF8", "\xc3\xa9"},
                {"\xe9", "utf-8", NULL},
                {"\x93\xfa", "Shift_JIS", "\xe6\x97\xa5"},
                {"a", "x-klingon", NULL},
                {"a", NULL, NULL},
                {"a", "", NULL}};
    g_autofree char *nul = relais_text_from_charset ("a\0b", 3, "windows-1252");

    for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
        g_autofree char *text =
            relais_text_from_charset (rows[i].octets, strlen (rows[i].octets), rows[i].charset);

        g_assert_cmpstr (text, ==, rows[i].text);
    }
    g_assert_cmpstr (nul, ==, "a b");
}

/* One octet more than is looked at. */
static void
test_limit (void)
{
    g_autofree char *value = g_strnfill (RELAIS_TEXT_BYTES + 1, 'a');
    RelaisTextFlags flags;

    for (gsize size = RELAIS_TEXT_BYTES; size <= RELAIS_TEXT_BYTES + 1; size++) {
        g_autofree char *text = relais_text_decode (value, size, &flags);

        g_assert_cmpuint (strlen (text), ==, RELAIS_TEXT_BYTES);
        g_assert_cmpuint (flags, ==, size > RELAIS_TEXT_BYTES ? RELAIS_TEXT_CUT : 0);
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/message/text/words", test_words);
    g_test_add_func ("/message/text/parameters", test_parameters);
    g_test_add_func ("/message/text/charsets", test_charsets);
    g_test_add_func ("/message/text/limit", test_limit);
    return g_test_run ();
}
