/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/smtp/command, proxy and the parsing half of auth: what is taken, what is refused and with
 * which code, and that no input is read beyond its size.
 */
#include "config.h"

#include "smtp/auth-private.h"
#include "smtp/command-private.h"
#include "smtp/proxy-private.h"

#include "conf/net-private.h"

#include <string.h>

/* --- Lines -------------------------------------------------------------------------------------- */

static void
test_lines (void)
{
    static const struct {
        const char *bytes;
        gsize limit;
        RelaisLineStatus status;
        gsize size;
    } cases[] = {
        {"NOOP\r\n", 6, RELAIS_LINE_WHOLE, 6},     {"NOOP\r\nQUIT\r\n", 6, RELAIS_LINE_WHOLE, 6},
        {"NOOP \r\n", 6, RELAIS_LINE_TOO_LONG, 0}, {"NOOP", 6, RELAIS_LINE_MORE, 0},
        {"NOOP\r", 6, RELAIS_LINE_MORE, 0},        {"NOOP x", 6, RELAIS_LINE_TOO_LONG, 0},
        {"NOOP\n", 6, RELAIS_LINE_BARE, 0},        {"NO\rOP", 6, RELAIS_LINE_BARE, 0},
        {"N\rO\r\n", 6, RELAIS_LINE_BARE, 0},      {"\r\r\n", 6, RELAIS_LINE_BARE, 0},
        {"\r\n", 6, RELAIS_LINE_WHOLE, 2},
    };

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        const gsize size = strlen (cases[i].bytes);
        g_autofree guint8 *copy = g_memdup2 (cases[i].bytes, size);
        gsize line = 0;

        g_assert_cmpint (relais_command_find_line (copy, size, cases[i].limit, &line), ==,
                         cases[i].status);
        g_assert_cmpuint (line, ==, cases[i].size);
    }
}

static void
test_split (void)
{
    RelaisCommandLine command;

    g_assert_true (relais_command_split ("mail  FROM:<>  ", 15, &command));
    g_assert_cmpmem (command.verb, (int)command.verb_size, "mail", 4);
    g_assert_cmpmem (command.args, (int)command.args_size, "FROM:<>", 7);
    g_assert_true (relais_command_split ("", 0, &command));
    g_assert_cmpuint (command.verb_size, ==, 0);
    g_assert_false (relais_command_split ("NOOP\0x", 6, &command));
    g_assert_false (relais_command_split ("NOOP\tx", 6, &command));
    g_assert_false (relais_command_split ("NOOP\x7f", 5, &command));
}

/* --- MAIL and RCPT ------------------------------------------------------------------------------ */

typedef struct {
    const char *args;
    guint16 code; /* 0: taken */
    const char *enhanced;
    const char *address;
} PathCase;

typedef const RelaisServerReply *(*Parse) (const char *args, gsize size,
                                           RelaisPathCommand *command);

static void
check_path (Parse parse, const PathCase *one)
{
    const gsize size = strlen (one->args);
    g_autofree char *copy = g_memdup2 (one->args, size);
    RelaisPathCommand command = {0};
    const RelaisServerReply *reply = parse (copy, size, &command);

    if (one->code == 0) {
        g_assert_null (reply);
        g_assert_cmpstr (command.address, ==, one->address);
    } else {
        g_assert_nonnull (reply);
        g_assert_cmpuint (reply->code, ==, one->code);
        g_assert_cmpstr (reply->enhanced, ==, one->enhanced);
    }
    relais_path_command_clear (&command);
}

static void
test_mail (void)
{
    static const PathCase cases[] = {
        {"FROM:<>", 0, NULL, ""},
        {"from:<a@Example.ORG>", 0, NULL, "a@example.org"},
        {"FROM: <a@b.example>", 0, NULL, "a@b.example"},
        {"FROM:<a@b.example> SIZE=0 BODY=8BITMIME RET=HDRS ENVID=x+2By AUTH=<>", 0, NULL,
         "a@b.example"},
        {"FROM:<a@b.example> BODY=7bit", 0, NULL, "a@b.example"},
        {"FROM:<a@b.example> AUTH=a+40b", 0, NULL, "a@b.example"},
        {"FROM:<a@b.example> SIZE=18446744073709551615", 0, NULL, "a@b.example"},
        {"FROM:<a@b.example> SIZE=18446744073709551616", 501, "5.5.4", NULL},
        {"FROM:<a@b.example> SIZE=-1", 501, "5.5.4", NULL},
        {"FROM:<a@b.example> SIZE", 501, "5.5.4", NULL},
        {"FROM:<a@b.example> SIZE=", 501, "5.5.4", NULL},
        {"FROM:<a@b.example> SIZE=1 SIZE=1", 501, "5.5.4", NULL},
        {"FROM:<a@b.example> BODY=BINARYMIME", 501, "5.5.4", NULL},
        {"FROM:<a@b.example> RET=ALL", 501, "5.5.4", NULL},
        {"FROM:<a@b.example> ENVID=a+0D+0Ab", 501, "5.5.4", NULL},
        {"FROM:<a@b.example> ENVID=a+0db", 501, "5.5.4", NULL},
        {"FROM:<a@b.example> ENVID=a=b", 501, "5.5.4", NULL},
        {"FROM:<a@b.example> ENVID=", 501, "5.5.4", NULL},
        {"FROM:<a@b.example> ENVID=+4", 501, "5.5.4", NULL},
        {"FROM:<a@b.example> SMTPUTF8", 0, NULL, "a@b.example"},
        {"FROM:<a@b.example> SMTPUTF8=yes", 501, "5.5.4", NULL},
        {"FROM:<a@b.example> SMTPUTF8 smtputf8", 501, "5.5.4", NULL},
        {"FROM:<\xc3\xa4@b.example> BODY=8BITMIME SMTPUTF8", 0, NULL, "\xc3\xa4@b.example"},
        {"FROM:<a@B\xc3\xbc"
         "cher.example> SMTPUTF8",
         0, NULL, "a@xn--bcher-kva.example"},
        {"FROM:<a@xn--bcher-kva.example>", 0, NULL, "a@xn--bcher-kva.example"},
        {"FROM:<a@b\xc3\xbc"
         "cher.example>",
         553, "5.6.7", NULL},
        {"FROM:<\xc3@b.example> SMTPUTF8", 501, "5.1.7", NULL},
        {"FROM:<\xe2\x80\xa8@b.example> SMTPUTF8", 501, "5.1.7", NULL},
        {"FROM:<\xff@b.example>", 501, "5.1.7", NULL},
        {"FROM:<a@b.example> HOLDFOR=0", 0, NULL, "a@b.example"},
        {"FROM:<a@b.example> holdfor=999999999", 0, NULL, "a@b.example"},
        {"FROM:<a@b.example> HOLDFOR=0000000001", 501, "5.5.4", NULL},
        {"FROM:<a@b.example> HOLDFOR=", 501, "5.5.4", NULL},
        {"FROM:<a@b.example> HOLDFOR", 501, "5.5.4", NULL},
        {"FROM:<a@b.example> HOLDFOR=-1", 501, "5.5.4", NULL},
        {"FROM:<a@b.example> HOLDFOR=1h", 501, "5.5.4", NULL},
        {"FROM:<a@b.example> HOLDFOR=1 HOLDFOR=1", 501, "5.5.4", NULL},
        {"FROM:<a@b.example> HOLDUNTIL=2027-01-31T10:00:00Z", 0, NULL, "a@b.example"},
        {"FROM:<a@b.example> HOLDUNTIL=2027-01-31t10:00:00.25z", 0, NULL, "a@b.example"},
        {"FROM:<a@b.example> HOLDUNTIL=2027-01-31T10:00:00-05:30", 0, NULL, "a@b.example"},
        {"FROM:<a@b.example> HOLDUNTIL=2027-01-31T10:00:00", 501, "5.5.4", NULL},
        {"FROM:<a@b.example> HOLDUNTIL=2027-01-31T10:00:00.Z", 501, "5.5.4", NULL},
        {"FROM:<a@b.example> HOLDUNTIL=2027-01-31T10:00:00+0530", 501, "5.5.4", NULL},
        {"FROM:<a@b.example> HOLDUNTIL=2027-01-31T10:00:00Zx", 501, "5.5.4", NULL},
        {"FROM:<a@b.example> HOLDUNTIL=2027-02-30T10:00:00Z", 501, "5.5.4", NULL},
        {"FROM:<a@b.example> HOLDUNTIL=2027-01-31T24:00:00Z", 501, "5.5.4", NULL},
        {"FROM:<a@b.example> HOLDUNTIL=20270131T100000Z", 501, "5.5.4", NULL},
        {"FROM:<a@b.example> HOLDUNTIL=tomorrow", 501, "5.5.4", NULL},
        {"FROM:<a@b.example> HOLDFOR=1 HOLDUNTIL=2027-01-31T10:00:00Z", 501, "5.5.4", NULL},
        {"FROM:<a@b.example> NOTIFY=NEVER", 555, "5.5.4", NULL},
        {"FROM:<a@b.example>SIZE=1", 501, "5.5.4", NULL},
        {"FROM:a@b.example", 501, "5.5.4", NULL},
        {"TO:<a@b.example>", 501, "5.5.4", NULL},
        {"", 501, "5.5.4", NULL},
        {"FROM:", 501, "5.5.4", NULL},
        {"FROM:<", 501, "5.1.7", NULL},
        {"FROM:<a@b.example", 501, "5.1.7", NULL},
        {"FROM:<a>", 501, "5.1.7", NULL},
        {"FROM:<@c.example:a@b.example>", 501, "5.1.7", NULL},
        {"FROM:<a@b.example.>", 501, "5.1.7", NULL},
        {"FROM:<a@>", 501, "5.1.7", NULL},
        {"FROM:<a@b@c.example>", 501, "5.1.7", NULL},
        {"FROM:<\xc3\xa4@b.example>", 553, "5.6.7", NULL},
    };

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
        check_path (relais_command_parse_mail, &cases[i]);
}

static const RelaisServerReply *
parse_ascii_rcpt (const char *args, gsize size, RelaisPathCommand *command)
{
    return relais_command_parse_rcpt (args, size, false, command);
}

static const RelaisServerReply *
parse_utf8_rcpt (const char *args, gsize size, RelaisPathCommand *command)
{
    return relais_command_parse_rcpt (args, size, true, command);
}

static void
test_rcpt (void)
{
    static const PathCase cases[] = {
        {"TO:<a@b.example>", 0, NULL, "a@b.example"},
        {"TO:<Postmaster>", 0, NULL, "postmaster"},
        {"TO:<postmaster> NOTIFY=NEVER", 0, NULL, "postmaster"},
        {"TO:<a@b.example> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;a+2Bb@c.example", 0, NULL,
         "a@b.example"},
        {"TO:<a@b.example> NOTIFY=NEVER,SUCCESS", 501, "5.5.4", NULL},
        {"TO:<a@b.example> NOTIFY=", 501, "5.5.4", NULL},
        {"TO:<a@b.example> NOTIFY=SUCCESS,", 501, "5.5.4", NULL},
        {"TO:<a@b.example> ORCPT=rfc822", 501, "5.5.4", NULL},
        {"TO:<a@b.example> ORCPT=;a", 501, "5.5.4", NULL},
        {"TO:<a@b.example> ORCPT=rfc822;", 501, "5.5.4", NULL},
        {"TO:<a@b.example> ORCPT=rfc822;a+0Ab", 501, "5.5.4", NULL},
        {"TO:<a@b.example> ORCPT=rf c822;a", 501, "5.5.4", NULL},
        {"TO:<a@b.example> SIZE=1", 555, "5.5.4", NULL},
        {"TO:<>", 501, "5.1.3", NULL},
        {"TO:<@c.example:a@b.example>", 501, "5.1.3", NULL},
        {"TO:<@c.example,@d.example:a@b.example>", 501, "5.1.3", NULL},
        {"TO:<a@b.example.>", 501, "5.1.3", NULL},
        {"TO:<a@@b.example>", 501, "5.1.3", NULL},
        {"TO:<a@.example>", 501, "5.1.3", NULL},
        {"TO:< a@b.example>", 501, "5.1.3", NULL},
        {"TO:<a@b.example >", 501, "5.1.3", NULL},
        {"TO:<\xc3\xa4@b.example>", 553, "5.6.7", NULL},
        {"TO:<a@b.example> ORCPT=utf-8;\xc3\xa4@b.example", 501, "5.5.4", NULL},
        {"TO:<a@b.example> ORCPT=utf-8;\\x{E4}@b.example", 0, NULL, "a@b.example"},
        {"TO:<a@b.example> ORCPT=rfc822;+C3@b.example", 501, "5.5.4", NULL},
        {"TO:<a@b.example> ORCPT=rfc822;+C3+A4+0A@b.example", 501, "5.5.4", NULL},
        {"TO:<a@b.example> ORCPT=rfc822;+C3+A", 501, "5.5.4", NULL},
        {"TO:<a@b.example> ORCPT=x400;+C3+A4", 501, "5.5.4", NULL},
    };
    static const PathCase utf8_cases[] = {
        {"TO:<\xc3\xa4@b.example>", 0, NULL, "\xc3\xa4@b.example"},
        {"TO:<a@b\xc3\xbc"
         "cher.example>",
         0, NULL, "a@xn--bcher-kva.example"},
        {"TO:<\xff@b.example>", 501, "5.1.3", NULL},
        {"TO:<a@b.example> ORCPT=rfc822;\xc3\xa4@b.example", 501, "5.5.4", NULL},
        {"TO:<a@b.example> ORCPT=utf-8;\xc3@b.example", 501, "5.5.4", NULL},
        {"TO:<a@b.example> SMTPUTF8", 555, "5.5.4", NULL},
    };

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
        check_path (parse_ascii_rcpt, &cases[i]);
    for (guint i = 0; i < G_N_ELEMENTS (utf8_cases); i++)
        check_path (parse_utf8_rcpt, &utf8_cases[i]);
}

/* What a peer without SMTPUTF8 could not be told is not kept as it came; nor is what Postfix tells in the older form. */
static void
test_utf8_orcpt (void)
{
    static const struct {
        const char *given, *kept;
    } cases[] = {{"UTF-8;\xe2\x82\xac+2B@\xc3\xa4", "UTF-8;\\x{20AC}+2B@\\x{E4}"},
                 {"rfc822;+E2+82+AC+2B@+C3+A4", "utf-8;\\x{20AC}+2B@\\x{E4}"}};

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autofree char *args = g_strconcat ("TO:<a@b.example> ORCPT=", cases[i].given, NULL);
        RelaisPathCommand command = {0};

        g_assert_null (relais_command_parse_rcpt (args, strlen (args), true, &command));
        g_assert_cmpstr (command.orcpt, ==, cases[i].kept);
        relais_path_command_clear (&command);
    }
}

/* Limits of the values, at their boundaries. */
static void
test_value_limits (void)
{
    for (guint n = 99; n <= 101; n++) {
        g_autofree char *value = g_strnfill (n, 'x');
        g_autofree char *args = g_strdup_printf ("FROM:<> ENVID=%s", value);
        RelaisPathCommand command = {0};

        g_assert_true ((relais_command_parse_mail (args, strlen (args), &command) == NULL) ==
                       (n <= 100));
        relais_path_command_clear (&command);
    }
    for (guint n = 499; n <= 501; n++) {
        g_autofree char *value = g_strnfill (n - 7, 'x');
        g_autofree char *args = g_strdup_printf ("TO:<a@b.example> ORCPT=rfc822;%s", value);
        RelaisPathCommand command = {0};

        g_assert_true ((relais_command_parse_rcpt (args, strlen (args), false, &command) == NULL) ==
                       (n <= 500));
        relais_path_command_clear (&command);
    }
    for (guint n = 254; n <= 256; n++) {
        g_autofree char *name = g_strnfill (n, 'x');

        g_assert_true (relais_command_is_helo_name (name, n) == (n <= 255));
    }
    g_assert_false (relais_command_is_helo_name ("a b", 3));
    g_assert_false (relais_command_is_helo_name ("a\"b", 3));
    g_assert_true (relais_command_is_helo_name ("[IPv6:2001:db8::1]", 18));
}

static void
test_xtext (void)
{
    g_autofree char *coded = relais_command_to_xtext ("a+b=c d\x80");

    g_assert_cmpstr (coded, ==, "a+2Bb+3Dc+20d+80");
    g_assert_true (relais_command_is_xtext ("a+2Bb+3Dc+20d", 13));
    g_assert_false (relais_command_is_xtext ("a b", 3));
    g_assert_false (relais_command_is_xtext ("+2b", 3));
    g_assert_false (relais_command_is_xtext ("+00", 3));
}

/* --- PROXY -------------------------------------------------------------------------------------- */

#define V2 "\r\n\r\n\0\r\nQUIT\n"

static const struct {
    const char *bytes;
    gsize size;
    RelaisProxyStatus status;
    const char *address;
} proxy_cases[] = {
#define CASE(text, status, address)                                                                \
    {                                                                                              \
        text, sizeof text - 1, status, address                                                     \
    }
    CASE ("PROXY TCP4 192.0.2.1 192.0.2.2 1000 25\r\n", RELAIS_PROXY_CLIENT, "192.0.2.1"),
    CASE ("PROXY TCP6 2001:db8::1 2001:db8::2 1000 25\r\n", RELAIS_PROXY_CLIENT, "2001:db8::1"),
    CASE ("PROXY UNKNOWN\r\n", RELAIS_PROXY_UNKNOWN, NULL),
    CASE ("PROXY UNKNOWN whatever it says\r\n", RELAIS_PROXY_UNKNOWN, NULL),
    CASE ("PROXY TCP4 2001:db8::1 2001:db8::2 1000 25\r\n", RELAIS_PROXY_BAD, NULL),
    CASE ("PROXY TCP4 192.0.2.1 192.0.2.2 1000\r\n", RELAIS_PROXY_BAD, NULL),
    CASE ("PROXY TCP4 192.0.2.1 192.0.2.2 65536 25\r\n", RELAIS_PROXY_BAD, NULL),
    CASE ("PROXY TCP4 192.0.2.1 192.0.2.2 -1 25\r\n", RELAIS_PROXY_BAD, NULL),
    CASE ("PROXY TCP4 192.0.2.1 192.0.2.2 1 25 x\r\n", RELAIS_PROXY_BAD, NULL),
    CASE ("PROXY TCP4 192.0.2.1 192.0.2.2 1000 25\n", RELAIS_PROXY_BAD, NULL),
    CASE ("PROXY TCP4 192.0.2.1\0 192.0.2.2 1 25\r\n", RELAIS_PROXY_BAD, NULL),
    CASE ("EHLO x\r\n", RELAIS_PROXY_BAD, NULL),
    CASE (V2 "\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x03\xe8\0\x19", RELAIS_PROXY_CLIENT,
          "192.0.2.1"),
    CASE (V2 "\x21\x11\0\x0f\xc0\0\x02\x01\xc0\0\x02\x02\x03\xe8\0\x19\x04\0\0",
          RELAIS_PROXY_CLIENT, "192.0.2.1"),
    CASE (V2 "\x21\x21\0\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
             "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x03\xe8\0\x19",
          RELAIS_PROXY_CLIENT, "2001:db8::1"),
    CASE (V2 "\x20\0\0\0", RELAIS_PROXY_UNKNOWN, NULL),
    CASE (V2 "\x20\x51\0\x02xy", RELAIS_PROXY_UNKNOWN, NULL),
    CASE (V2 "\x21\0\0\0", RELAIS_PROXY_UNKNOWN, NULL),
    CASE (V2 "\x21\x12\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x03\xe8\0\x19", RELAIS_PROXY_UNKNOWN,
          NULL),
    CASE (V2 "\x21\x22\0\0", RELAIS_PROXY_UNKNOWN, NULL),
    CASE (V2 "\x21\x31\0\x05/sock", RELAIS_PROXY_UNKNOWN, NULL),
    CASE (V2 "\x21\x32\0\0", RELAIS_PROXY_UNKNOWN, NULL),
    CASE (V2 "\x21\x13\0\0", RELAIS_PROXY_BAD, NULL),
    CASE (V2 "\x21\x41\0\0", RELAIS_PROXY_BAD, NULL),
    CASE (V2 "\x22\x11\0\0", RELAIS_PROXY_BAD, NULL),
    CASE (V2 "\x21\x11\0\x04\xc0\0\x02\x01", RELAIS_PROXY_BAD, NULL),
    CASE (V2 "\x31\x11\0\0", RELAIS_PROXY_BAD, NULL),
    CASE (V2 "\x21\x11\xff\xff", RELAIS_PROXY_BAD, NULL),
#undef CASE
};

static void
test_proxy (void)
{
    for (guint i = 0; i < G_N_ELEMENTS (proxy_cases); i++) {
        const gsize whole = proxy_cases[i].size;
        struct sockaddr_storage address;
        RelaisProxyStatus status = RELAIS_PROXY_MORE;
        gsize used = 0;

        /* As it comes, octet by octet: undecided until it is decided as a whole. */
        for (gsize size = 0; size <= whole && status == RELAIS_PROXY_MORE; size++) {
            g_autofree guint8 *copy = g_memdup2 (proxy_cases[i].bytes, size);

            status = relais_proxy_parse (copy, size, &used, &address);
            if (status == RELAIS_PROXY_CLIENT || status == RELAIS_PROXY_UNKNOWN) {
                g_assert_cmpuint (size, ==, whole);
                g_assert_cmpuint (used, ==, whole);
            }
        }
        g_assert_cmpint (status, ==, proxy_cases[i].status);
        if (status == RELAIS_PROXY_CLIENT) {
            g_autofree char *text = relais_address_to_text ((const struct sockaddr *)&address);

            g_assert_cmpstr (text, ==, proxy_cases[i].address);
            g_assert_cmpuint (relais_address_port ((const struct sockaddr *)&address), ==, 1000);
        }
    }
}

static void
test_proxy_bounded (void)
{
    g_autofree char *line = g_strnfill (107, 'x');
    struct sockaddr_storage address;
    gsize used;

    memcpy (line, "PROXY UNKNOWN ", 14);
    g_assert_cmpint (relais_proxy_parse ((guint8 *)line, 106, &used, &address), ==,
                     RELAIS_PROXY_MORE);
    g_assert_cmpint (relais_proxy_parse ((guint8 *)line, 107, &used, &address), ==,
                     RELAIS_PROXY_BAD);
}

/* --- PLAIN -------------------------------------------------------------------------------------- */

static void
check_plain (const char *bytes, gsize size, RelaisPlainStatus status, const char *name,
             const char *password)
{
    g_autofree char *coded = g_base64_encode ((const guchar *)bytes, size);
    RelaisPlain plain = {0};

    g_assert_cmpint (relais_sasl_parse_plain (coded, strlen (coded), &plain), ==, status);
    g_assert_cmpstr (plain.name, ==, name);
    g_assert_cmpstr (plain.password, ==, password);
    relais_plain_clear (&plain);
}

static void
test_plain (void)
{
    g_autofree char *long_name = g_strnfill (129, 'n');
    g_autofree char *long_text = g_strdup_printf ("-%s-p", long_name);

    check_plain ("\0anna\0secret", 12, RELAIS_PLAIN_OK, "anna", "secret");
    check_plain ("anna\0anna\0secret", 16, RELAIS_PLAIN_OK, "anna", "secret");
    check_plain ("bert\0anna\0secret", 16, RELAIS_PLAIN_REFUSED, NULL, NULL);
    check_plain ("\0anna\0", 6, RELAIS_PLAIN_REFUSED, NULL, NULL);
    check_plain ("\0\0secret", 8, RELAIS_PLAIN_REFUSED, NULL, NULL);
    check_plain ("anna\0secret", 11, RELAIS_PLAIN_REFUSED, NULL, NULL);
    check_plain ("\0anna\0sec\0ret", 13, RELAIS_PLAIN_REFUSED, NULL, NULL);
    check_plain ("anna", 4, RELAIS_PLAIN_REFUSED, NULL, NULL);
    long_text[0] = long_text[130] = '\0';
    check_plain (long_text, 132, RELAIS_PLAIN_REFUSED, NULL, NULL);
}

/* Every length and padding: never a crash, and base64 only where it is base64. */
static void
test_plain_coding (void)
{
    static const char *const bad[] = {
        "", "a", "ab", "abc", "ab=c", "a===", "====", "ab==c", "abcd\n", "ab c=", "abc*", "=abc"};
    RelaisPlain plain = {0};

    for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
        g_assert_cmpint (relais_sasl_parse_plain (bad[i], strlen (bad[i]), &plain), ==,
                         RELAIS_PLAIN_NOT_BASE64);
    g_assert_cmpint (relais_sasl_parse_plain ("=", 1, &plain), ==, RELAIS_PLAIN_REFUSED);
    for (gsize size = 1; size < 3 * 4096; size += 7) {
        g_autofree char *text = g_strnfill (size, 'A');
        const RelaisPlainStatus status = relais_sasl_parse_plain (text, size, &plain);

        g_assert_cmpint (status, ==,
                         size % 4 != 0 ? RELAIS_PLAIN_NOT_BASE64 : RELAIS_PLAIN_REFUSED);
    }
    g_assert_null (plain.name);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/smtp/command/lines", test_lines);
    g_test_add_func ("/smtp/command/split", test_split);
    g_test_add_func ("/smtp/command/mail", test_mail);
    g_test_add_func ("/smtp/command/rcpt", test_rcpt);
    g_test_add_func ("/smtp/command/utf8-orcpt", test_utf8_orcpt);
    g_test_add_func ("/smtp/command/value-limits", test_value_limits);
    g_test_add_func ("/smtp/command/xtext", test_xtext);
    g_test_add_func ("/smtp/proxy/headers", test_proxy);
    g_test_add_func ("/smtp/proxy/bounded", test_proxy_bounded);
    g_test_add_func ("/smtp/auth/plain", test_plain);
    g_test_add_func ("/smtp/auth/plain-coding", test_plain_coding);
    return g_test_run ();
}
