/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The grammar of commands. Nothing here knows a session; every function looks at no more than the
 * bytes it is given, and nothing is interpreted beyond its own syntax: a route or a %-hack in a path
 * is refused or left where it is, never followed.
 */
#include "config.h"

#include "smtp/command-private.h"

#include "message/address-private.h"
#include "message/release-private.h"

#include <string.h>

enum { ENVID_BYTES = 100, ORCPT_BYTES = 500, HELO_BYTES = 255, SIZE_DIGITS = 20 };

static const RelaisServerReply mail_syntax = {501, "5.5.4", "use MAIL FROM:<address>"};
static const RelaisServerReply rcpt_syntax = {501, "5.5.4", "use RCPT TO:<address>"};
static const RelaisServerReply sender_syntax = {501, "5.1.7", "bad sender address"};
static const RelaisServerReply recipient_syntax = {501, "5.1.3", "bad recipient address"};
static const RelaisServerReply needs_utf8 = {553, "5.6.7", "address is not ASCII"};
static const RelaisServerReply parameter_unknown = {555, "5.5.4", "parameter not known"};
static const RelaisServerReply parameter_syntax = {501, "5.5.4", "bad parameter"};

/* --- Lines ------------------------------------------------------------------------------------ */

RelaisLineStatus
relais_command_find_line (const guint8 *bytes, gsize size, gsize limit, gsize *line_size)
{
    const gsize seen = MIN (size, limit);
    const guint8 *lf = memchr (bytes, '\n', seen);
    const gsize end = lf != NULL ? (gsize)(lf - bytes) : seen;
    const guint8 *cr = memchr (bytes, '\r', end);

    if (lf == NULL && size >= limit)
        return RELAIS_LINE_TOO_LONG;
    if (lf == NULL) /* a CR as the last octet may still become a line end */
        return cr == NULL || cr + 1 == bytes + seen ? RELAIS_LINE_MORE : RELAIS_LINE_BARE;
    if (cr == NULL || cr + 1 != lf)
        return RELAIS_LINE_BARE;
    *line_size = end + 1;
    return RELAIS_LINE_WHOLE;
}

static bool
has_controls (const char *text, gsize size)
{
    for (gsize i = 0; i < size; i++)
        if ((guint8)text[i] < 0x20 || text[i] == 0x7f)
            return true;
    return false;
}

bool
relais_command_split (const char *line, gsize size, RelaisCommandLine *command)
{
    const char *blank;
    const char *end;

    if (has_controls (line, size))
        return false;
    while (size > 0 && line[size - 1] == ' ')
        size--;
    end = line + size;
    blank = memchr (line, ' ', size);
    if (blank == NULL)
        blank = end;
    command->verb = line;
    command->verb_size = (gsize)(blank - line);
    while (blank < end && *blank == ' ')
        blank++;
    command->args = blank;
    command->args_size = (gsize)(end - blank);
    return true;
}

/* --- Values ----------------------------------------------------------------------------------- */

bool
relais_command_is_helo_name (const char *text, gsize size)
{
    if (size == 0 || size > HELO_BYTES)
        return false;
    for (gsize i = 0; i < size; i++)
        if (!g_ascii_isalnum (text[i]) && memchr ("-._:[]", text[i], 6) == NULL)
            return false;
    return true;
}

static int
upper_hex (char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool
relais_command_is_xtext (const char *text, gsize size)
{
    for (gsize i = 0; i < size; i++) {
        const guint8 c = (guint8)text[i];
        int high, low, octet;

        if (c < 33 || c > 126 || c == '=')
            return false;
        if (c != '+')
            continue;
        if (size - i < 3)
            return false;
        high = upper_hex (text[i + 1]);
        low = upper_hex (text[i + 2]);
        octet = high * 16 + low;
        if (high < 0 || low < 0 || octet < 0x20 || octet > 0x7e)
            return false;
        i += 2;
    }
    return true;
}

char *
relais_command_to_xtext (const char *text)
{
    GString *out = g_string_new (NULL);

    for (; *text != '\0'; text++) {
        const guint8 c = (guint8)*text;

        if (c < 33 || c > 126 || c == '+' || c == '=')
            g_string_append_printf (out, "+%02X", c);
        else
            g_string_append_c (out, *text);
    }
    return g_string_free (out, FALSE);
}

static bool
parse_number (const char *text, gsize size, guint64 *number)
{
    guint64 value = 0;

    if (size == 0 || size > SIZE_DIGITS)
        return false;
    for (gsize i = 0; i < size; i++)
        if (!g_ascii_isdigit (text[i]) || !g_uint64_checked_mul (&value, value, 10) ||
            !g_uint64_checked_add (&value, value, (guint64)(text[i] - '0')))
            return false;
    *number = value;
    return true;
}

static bool
has_eight_bit (const char *text, gsize size)
{
    for (gsize i = 0; i < size; i++)
        if ((guint8)text[i] >= 0x80)
            return true;
    return false;
}

static bool
text_is (const char *text, gsize size, const char *word)
{
    return strlen (word) == size && g_ascii_strncasecmp (text, word, size) == 0;
}

bool
relais_command_parse_bdat (const char *args, gsize size, guint64 *chunk_bytes, bool *last)
{
    const char *end = args + size;
    const char *blank = memchr (args, ' ', size);
    const char *digits_end = blank != NULL ? blank : end;

    while (blank != NULL && blank < end && *blank == ' ')
        blank++;
    if (blank != NULL && !text_is (blank, (gsize)(end - blank), "LAST"))
        return false;
    *last = blank != NULL;
    return parse_number (args, (gsize)(digits_end - args), chunk_bytes);
}

/* --- Parameters ------------------------------------------------------------------------------- */

static bool
take_size (const char *value, gsize size, RelaisPathCommand *command)
{
    return parse_number (value, size, &command->size);
}

/* What came is looked at when it leaves; both values mean the same to us. */
static bool
take_body (const char *value, gsize size, RelaisPathCommand *command)
{
    return text_is (value, size, "7BIT") || text_is (value, size, "8BITMIME");
}

static bool
take_ret (const char *value, gsize size, RelaisPathCommand *command)
{
    if (text_is (value, size, "FULL"))
        command->ret = RELAIS_RET_FULL;
    else if (text_is (value, size, "HDRS"))
        command->ret = RELAIS_RET_HDRS;
    return command->ret != RELAIS_RET_NONE;
}

static bool
take_envid (const char *value, gsize size, RelaisPathCommand *command)
{
    if (size == 0 || size > ENVID_BYTES || !relais_command_is_xtext (value, size))
        return false;
    command->envid = g_strndup (value, size);
    return true;
}

/* RFC 4865 section 4: one of both. */
static bool
take_release (const char *kind, const char *value, gsize size, RelaisPathCommand *command)
{
    g_autofree char *text = g_strdup_printf ("%s;%.*s", kind, (int)MIN (size, G_MAXINT), value);
    gint64 release_us;

    if (command->release != NULL || !relais_release_parse (text, strlen (text), 0, &release_us))
        return false;
    command->release = g_steal_pointer (&text);
    return true;
}

static bool
take_hold_for (const char *value, gsize size, RelaisPathCommand *command)
{
    return take_release ("for", value, size, command);
}

static bool
take_hold_until (const char *value, gsize size, RelaisPathCommand *command)
{
    return take_release ("until", value, size, command);
}

/* RFC 4954 section 5: who sent it first, by the client's word; taken and not passed on. */
static bool
take_auth (const char *value, gsize size, RelaisPathCommand *command)
{
    return size > 0 && (text_is (value, size, "<>") || relais_command_is_xtext (value, size));
}

static guint8
notify_bit (const char *word, gsize size)
{
    static const struct {
        const char *word;
        guint8 bit;
    } words[] = {{"NEVER", RELAIS_NOTIFY_NEVER},
                 {"SUCCESS", RELAIS_NOTIFY_SUCCESS},
                 {"FAILURE", RELAIS_NOTIFY_FAILURE},
                 {"DELAY", RELAIS_NOTIFY_DELAY}};

    for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
        if (text_is (word, size, words[i].word))
            return words[i].bit;
    return 0;
}

static bool
take_notify (const char *value, gsize size, RelaisPathCommand *command)
{
    const char *end = value + size;

    for (const char *word = value; word <= end;) {
        const char *comma = memchr (word, ',', (gsize)(end - word));
        const char *word_end = comma != NULL ? comma : end;
        const guint8 bit = notify_bit (word, (gsize)(word_end - word));

        if (bit == 0)
            return false;
        command->notify |= bit;
        word = word_end + 1;
    }
    /* NEVER stands alone (RFC 3461 section 4.1). */
    return (command->notify & RELAIS_NOTIFY_NEVER) == 0 || command->notify == RELAIS_NOTIFY_NEVER;
}

/* RFC 6531 section 3.4; that it was given says nothing yet of what the message needs. */
static bool
take_smtputf8 (const char *value, gsize size, RelaisPathCommand *command)
{
    command->smtputf8 = true;
    return true;
}

/* An ORCPT of type utf-8 may hold UTF-8 as it is where SMTPUTF8 holds (RFC 6533 section 3). It is kept
 * in the form that may be told on to anyone. */
static char *
orcpt_to_ascii (const char *value, gsize size)
{
    GString *ascii;

    if (g_ascii_strncasecmp (value, "utf-8;", MIN (size, 6)) != 0 ||
        !g_utf8_validate (value, (gssize)size, NULL))
        return NULL;
    ascii = g_string_new (NULL);
    for (const char *p = value; p < value + size; p = g_utf8_next_char (p)) {
        const gunichar c = g_utf8_get_char (p);

        if (c < 0x80)
            g_string_append_c (ascii, (char)c);
        else
            g_string_append_printf (ascii, "\\x{%02X}", c);
    }
    return g_string_free (ascii, FALSE);
}

static bool
take_ascii_orcpt (const char *value, gsize size, RelaisPathCommand *command)
{
    const char *semicolon = memchr (value, ';', size);
    gsize type_size;

    if (semicolon == NULL || semicolon == value || size > ORCPT_BYTES)
        return false;
    type_size = (gsize)(semicolon - value);
    for (gsize i = 0; i < type_size; i++)
        if (!g_ascii_isalnum (value[i]) && value[i] != '-')
            return false;
    if (type_size + 1 == size || !relais_command_is_xtext (semicolon + 1, size - type_size - 1))
        return false;
    command->orcpt = g_strndup (value, size);
    return true;
}

/* Postfix (3.7) tells an address beyond ASCII as xtext of its UTF-8 octets, of type rfc822. This is the same of type
 * utf-8, with these octets as they are; NULL if there are none. */
static char *
orcpt_of_xtext (const char *value, gsize size)
{
    static const char type[] = "rfc822;";
    GString *utf8;

    if (size < sizeof type || g_ascii_strncasecmp (value, type, sizeof type - 1) != 0)
        return NULL;
    utf8 = g_string_new ("utf-8;");
    for (gsize i = sizeof type - 1; i < size; i++) {
        const int high = value[i] == '+' && size - i >= 3 ? upper_hex (value[i + 1]) : -1;
        const int low = high >= 8 ? upper_hex (value[i + 2]) : -1;

        if (low < 0) {
            g_string_append_c (utf8, value[i]);
        } else {
            g_string_append_c (utf8, (char)(high * 16 + low));
            i += 2;
        }
    }
    if (!has_eight_bit (utf8->str, utf8->len))
        g_string_truncate (utf8, 0);
    return g_string_free (utf8, utf8->len == 0);
}

static bool
take_orcpt (const char *value, gsize size, RelaisPathCommand *command)
{
    g_autofree char *utf8 = NULL, *ascii = NULL;

    if (size > ORCPT_BYTES)
        return false;
    if (has_eight_bit (value, size)) {
        if (!command->smtputf8)
            return false;
        utf8 = g_strndup (value, size);
    } else {
        utf8 = orcpt_of_xtext (value, size);
        if (utf8 == NULL)
            return take_ascii_orcpt (value, size, command);
    }
    ascii = orcpt_to_ascii (utf8, strlen (utf8));
    return ascii != NULL && take_ascii_orcpt (ascii, strlen (ascii), command);
}

typedef struct {
    const char *key;
    bool (*take) (const char *value, gsize size, RelaisPathCommand *command);
    bool bare; /* it has no value */
} Parameter;

static const Parameter mail_parameters[] = {{"SIZE", take_size},
                                            {"BODY", take_body},
                                            {"RET", take_ret},
                                            {"ENVID", take_envid},
                                            {"AUTH", take_auth},
                                            {"SMTPUTF8", take_smtputf8, true},
                                            {"HOLDFOR", take_hold_for},
                                            {"HOLDUNTIL", take_hold_until},
                                            {NULL, NULL}};
static const Parameter rcpt_parameters[] = {
    {"NOTIFY", take_notify}, {"ORCPT", take_orcpt}, {NULL, NULL}};

static const RelaisServerReply *
take_parameter (const char *text, gsize size, const Parameter *table, RelaisPathCommand *command)
{
    const char *equals = memchr (text, '=', size);
    const gsize key_size = equals != NULL ? (gsize)(equals - text) : size;

    for (guint i = 0; table[i].key != NULL; i++) {
        const guint bit = 1u << i;

        if (!text_is (text, key_size, table[i].key))
            continue;
        if ((equals == NULL) != table[i].bare || (command->seen & bit) != 0 ||
            !table[i].take (equals != NULL ? equals + 1 : NULL,
                            equals != NULL ? size - key_size - 1 : 0, command))
            return &parameter_syntax;
        command->seen |= bit;
        return NULL;
    }
    return &parameter_unknown;
}

static const RelaisServerReply *
take_parameters (const char *text, const char *end, const Parameter *table,
                 RelaisPathCommand *command)
{
    const RelaisServerReply *refusal = NULL;

    while (refusal == NULL && text < end) {
        const char *blank;

        if (*text != ' ')
            return &parameter_syntax;
        while (text < end && *text == ' ')
            text++;
        blank = memchr (text, ' ', (gsize)(end - text));
        if (blank == NULL)
            blank = end;
        refusal = take_parameter (text, (gsize)(blank - text), table, command);
        text = blank;
    }
    return refusal;
}

/* --- Paths ------------------------------------------------------------------------------------ */

void
relais_path_command_clear (RelaisPathCommand *command)
{
    g_free (command->address);
    g_free (command->envid);
    g_free (command->release);
    g_free (command->orcpt);
    *command = (RelaisPathCommand){0};
}

/* The place after "FROM:" or "TO:" and blanks (not allowed, but common), at '<'; NULL if the text
 * does not begin so. */
static const char *
after_keyword (const char *args, const char *end, const char *keyword)
{
    const gsize size = strlen (keyword);

    if ((gsize)(end - args) < size || g_ascii_strncasecmp (args, keyword, size) != 0)
        return NULL;
    for (args += size; args < end && *args == ' '; args++)
        continue;
    return args < end && *args == '<' ? args + 1 : NULL;
}

/* Parses an address up to its '>', which `*next` is set behind. A source route begins with '@' and
 * so is no mailbox; a trailing dot is not in RFC 5321's grammar of domains. */
static const RelaisServerReply *
parse_address (const char *text, const char *end, const RelaisServerReply *bad, char **address,
               const char **next)
{
    g_autofree char *parsed = NULL;
    gsize used = 0;

    switch (relais_address_parse (text, (gsize)(end - text), true, &parsed, &used)) {
    case RELAIS_ADDRESS_OK: break;
    case RELAIS_ADDRESS_NEEDS_UTF8: return &needs_utf8;
    case RELAIS_ADDRESS_SYNTAX:
    case RELAIS_ADDRESS_TOO_LONG: return bad;
    }
    if (used == 0 || text[used - 1] == '.' || text + used >= end || text[used] != '>')
        return bad;
    *address = g_steal_pointer (&parsed);
    *next = text + used + 1;
    return NULL;
}

const RelaisServerReply *
relais_command_parse_mail (const char *args, gsize size, RelaisPathCommand *command)
{
    const char *end = args + size;
    const char *path = after_keyword (args, end, "FROM:");
    const char *start = path;
    const RelaisServerReply *refusal = NULL;

    if (path == NULL)
        return &mail_syntax;
    if (path < end && *path == '>') {
        command->address = g_strdup ("");
        path++;
    } else
        refusal = parse_address (path, end, &sender_syntax, &command->address, &path);
    if (refusal == NULL)
        refusal = take_parameters (path, end, mail_parameters, command);
    if (refusal == NULL && !command->smtputf8 && has_eight_bit (start, (gsize)(path - start)))
        refusal = &needs_utf8;
    return refusal;
}

const RelaisServerReply *
relais_command_parse_rcpt (const char *args, gsize size, bool smtputf8, RelaisPathCommand *command)
{
    static const char postmaster[] = "postmaster>"; /* RFC 5321 section 4.5.1 */
    const gsize postmaster_size = sizeof postmaster - 1;
    const char *end = args + size;
    const char *path = after_keyword (args, end, "TO:");
    const char *start = path;
    const RelaisServerReply *refusal = NULL;

    if (path == NULL)
        return &rcpt_syntax;
    command->smtputf8 = smtputf8;
    if ((gsize)(end - path) >= postmaster_size &&
        g_ascii_strncasecmp (path, postmaster, postmaster_size) == 0) {
        command->address = g_strdup ("postmaster");
        path += postmaster_size;
    } else
        refusal = parse_address (path, end, &recipient_syntax, &command->address, &path);
    if (refusal == NULL && !smtputf8 && has_eight_bit (start, (gsize)(path - start)))
        refusal = &needs_utf8;
    return refusal != NULL ? refusal : take_parameters (path, end, rcpt_parameters, command);
}
