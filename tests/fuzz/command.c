/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Commands of a client (core/smtp/command.c). Properties: a line is found only whole, with its CRLF
 * and no other CR or LF, and no shorter prefix of it says anything but "more"; what is split off lies
 * inside the line and holds no control; a refusal is a 5xx with enhanced code; what is accepted says
 * the same when it is printed and parsed again, and holds no octet that could end a line.
 *
 * Parsers: core/smtp/command.c.
 */
#include "config.h"

#include "fuzz.h"
#include "message/address-private.h"
#include "smtp/command-private.h"

static const char *const words[] = {"MAIL FROM:<",
                                    "RCPT TO:<",
                                    "EHLO ",
                                    "HELO ",
                                    "> SIZE=",
                                    "> BODY=",
                                    "8BITMIME",
                                    "> RET=HDRS",
                                    " ENVID=",
                                    "> AUTH=<>",
                                    "> NOTIFY=",
                                    "NEVER",
                                    "SUCCESS,",
                                    "DELAY",
                                    " ORCPT=rfc822;",
                                    "+2B",
                                    "postmaster>",
                                    "@[127.0.0.1]>",
                                    "@[IPv6:::1]>",
                                    "\"a b\"@x.test>",
                                    "a@x.test>",
                                    "> SMTPUTF8",
                                    "\xc3\xbc",
                                    " ORCPT=utf-8;",
                                    "> HOLDFOR=9",
                                    "> HOLDUNTIL=2027-01-31T10:00:00Z",
                                    NULL};
const FuzzTarget fuzz_target = {50000, words};

typedef enum { MAIL, RCPT, RCPT_UTF8, N_KINDS } Kind;

static const char *
or_none (const char *text)
{
    return text != NULL ? text : "-";
}

static char *
print (const RelaisPathCommand *command, Kind kind)
{
    GString *text = g_string_new (NULL);

    g_string_append_printf (text, "%s:<%s>", kind == MAIL ? "FROM" : "TO", command->address);
    if (kind == MAIL && command->size > 0)
        g_string_append_printf (text, " SIZE=%" G_GUINT64_FORMAT, command->size);
    if (kind == MAIL && command->smtputf8)
        g_string_append (text, " SMTPUTF8");
    if (command->ret != RELAIS_RET_NONE)
        g_string_append_printf (text, " RET=%s", command->ret == RELAIS_RET_FULL ? "FULL" : "HDRS");
    if (command->envid != NULL)
        g_string_append_printf (text, " ENVID=%s", command->envid);
    if (command->release != NULL)
        g_string_append_printf (text, " HOLD%s=%s",
                                g_str_has_prefix (command->release, "for;") ? "FOR" : "UNTIL",
                                strchr (command->release, ';') + 1);
    if (command->orcpt != NULL)
        g_string_append_printf (text, " ORCPT=%s", command->orcpt);
    if (command->notify == RELAIS_NOTIFY_NEVER)
        g_string_append (text, " NOTIFY=NEVER");
    else if (command->notify != 0)
        g_string_append_printf (text, " NOTIFY=%s%s%s",
                                command->notify & RELAIS_NOTIFY_SUCCESS ? "SUCCESS," : "",
                                command->notify & RELAIS_NOTIFY_FAILURE ? "FAILURE," : "",
                                command->notify & RELAIS_NOTIFY_DELAY ? "DELAY," : "");
    if (command->notify > RELAIS_NOTIFY_NEVER)
        g_string_truncate (text, text->len - 1);
    return g_string_free (text, FALSE);
}

static const RelaisServerReply *
parse (const char *args, gsize size, Kind kind, RelaisPathCommand *command)
{
    const RelaisServerReply *refusal =
        kind == MAIL ? relais_command_parse_mail (args, size, command)
                     : relais_command_parse_rcpt (args, size, kind == RCPT_UTF8, command);

    if (refusal != NULL) {
        g_assert_cmpuint (refusal->code, >=, 500);
        g_assert_cmpuint (refusal->code, <, 600);
        g_assert_true (refusal->enhanced != NULL && refusal->enhanced[0] == '5');
        g_assert_nonnull (refusal->text);
    }
    return refusal;
}

static void
check_clean (const char *text)
{
    for (; text != NULL && *text != '\0'; text++)
        g_assert_true ((guint8)*text >= 0x20 && (guint8)*text < 0x7f);
}

static void
check_clean_utf8 (const char *text)
{
    g_assert_true (g_utf8_validate (text, -1, NULL));
    for (; *text != '\0'; text = g_utf8_next_char (text))
        g_assert_true (g_utf8_get_char (text) >= 0x20 && g_utf8_get_char (text) != 0x7f &&
                       g_utf8_get_char (text) != 0x2028);
}

static void
check_path (const char *args, gsize size, Kind kind)
{
    RelaisPathCommand first = {0}, second = {0};
    g_autofree char *printed = NULL, *again = NULL;

    if (parse (args, size, kind, &first) == NULL) {
        if (first.smtputf8)
            check_clean_utf8 (first.address);
        else
            check_clean (first.address);
        check_clean (first.envid);
        check_clean (first.orcpt);
        check_clean (first.release);
        printed = print (&first, kind);
        g_assert_null (parse (printed, strlen (printed), kind, &second));
        again = print (&second, kind);
        g_assert_cmpstr (printed, ==, again);
        g_assert_cmpstr (or_none (first.orcpt), ==, or_none (second.orcpt));
    }
    relais_path_command_clear (&first);
    relais_path_command_clear (&second);
}

static void
check_values (const char *text, gsize size)
{
    g_autofree char *string = fuzz_string ((const guint8 *)text, size);
    g_autofree char *xtext = relais_command_to_xtext (string);
    bool printable = true, last;
    guint64 chunk_bytes;

    for (const char *p = string; *p != '\0'; p++)
        printable &= *p >= ' ' && *p <= '~';
    g_assert_true (relais_command_is_xtext (xtext, strlen (xtext)) == printable);
    if (relais_command_parse_bdat (text, size, &chunk_bytes, &last)) {
        g_assert_true (g_ascii_isdigit (text[0]));
        g_assert_true (last == (memchr (text, ' ', size) != NULL));
        g_assert_cmpuint (chunk_bytes, ==, g_ascii_strtoull (string, NULL, 10));
    }
    if (relais_command_is_helo_name (text, size)) {
        g_assert_cmpuint (size, <=, 255);
        g_assert_cmpuint (strlen (string), ==, size);
        check_clean (string);
    }
}

static void
check_line (const char *line, gsize size)
{
    RelaisCommandLine command;

    if (!relais_command_split (line, size, &command))
        return;
    g_assert_true (command.verb == line && command.args >= line + command.verb_size);
    g_assert_true (command.args + command.args_size <= line + size);
    g_assert_null (memchr (command.verb, ' ', command.verb_size));
    for (gsize i = 0; i < size; i++)
        g_assert_true ((guint8)line[i] >= 0x20 && line[i] != 0x7f);
    for (Kind kind = 0; kind < N_KINDS; kind++)
        check_path (command.args, command.args_size, kind);
    check_values (command.args, command.args_size);
}

/* The line at the start; returns its size, 0 if there is none. */
static gsize
check_find (const guint8 *bytes, gsize size, gsize limit, FuzzRandom *random)
{
    gsize line_size = 0, prefix_size = 0;
    RelaisLineStatus status = relais_command_find_line (bytes, size, limit, &line_size);
    const gsize prefix = fuzz_random_below (random, status == RELAIS_LINE_WHOLE ? line_size : size);
    RelaisLineStatus before = relais_command_find_line (bytes, prefix, limit, &prefix_size);

    if (status == RELAIS_LINE_WHOLE) {
        g_assert_true (line_size >= 2 && line_size <= MIN (size, limit));
        g_assert_true (memcmp (bytes + line_size - 2, "\r\n", 2) == 0);
        g_assert_true (memchr (bytes, '\r', line_size) == bytes + line_size - 2);
        g_assert_true (memchr (bytes, '\n', line_size) == bytes + line_size - 1);
    }
    if (status == RELAIS_LINE_WHOLE || status == RELAIS_LINE_MORE)
        g_assert_cmpint (before, ==, RELAIS_LINE_MORE);
    return status == RELAIS_LINE_WHOLE ? line_size : 0;
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    static const gsize limits[] = {512, 2048, 12288};
    FuzzRandom random = fuzz_random_from (bytes, size);
    const gsize limit = limits[size % G_N_ELEMENTS (limits)];
    gsize n;

    check_line ((const char *)bytes, size);
    for (Kind kind = 0; kind < N_KINDS; kind++)
        check_path ((const char *)bytes, size, kind);
    while ((n = check_find (bytes, size, limit, &random)) > 0) {
        check_line ((const char *)bytes, n - 2);
        bytes += n;
        size -= n;
    }
    return 0;
}
