/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The milter protocol's octets, read and written (wire.h). Pure; any thread.
 */
#include "wire.h"

#include <gio/gio.h>
#include <string.h>

/* --- Reading ---------------------------------------------------------------------------------- */

static guint32
number_at (const char *bytes)
{
    guint32 number;

    memcpy (&number, bytes, sizeof number);
    return GUINT32_FROM_BE (number);
}

gsize
milter_length_parse (const guint8 *bytes)
{
    const guint32 size = number_at ((const char *)bytes);

    return size <= MILTER_PACKET_BYTES ? size : 0;
}

/* The next string of a packet; NULL if none ends within it. */
static const char *
take_string (const char **at, const char *end)
{
    const char *text = *at;
    const char *nul = text < end ? memchr (text, '\0', (gsize)(end - text)) : NULL;

    if (nul != NULL)
        *at = nul + 1;
    return nul != NULL ? text : NULL;
}

static bool
read_negotiated (const char *at, const char *end, MilterReply *reply)
{
    if (end - at < 12)
        return false;
    reply->version = number_at (at);
    reply->actions = number_at (at + 4);
    reply->steps = number_at (at + 8);
    return reply->version >= 2;
}

/* RFC 5322 section 2.2: printable octets but the colon. */
static bool
is_field_name (const char *name)
{
    const char *at = name;

    while (*at > ' ' && *at < 127 && *at != ':')
        at++;
    return at > name && *at == '\0';
}

static bool
read_header (const char *at, const char *end, bool numbered, MilterReply *reply)
{
    if (numbered) {
        if (end - at < 4)
            return false;
        reply->index = number_at (at);
        at += 4;
    }
    reply->name = take_string (&at, end);
    reply->value = reply->name != NULL ? take_string (&at, end) : NULL;
    return reply->value != NULL && is_field_name (reply->name);
}

/* "5.7.1 " in front of a text (RFC 3463 section 2). Returns how long it is with its blank, 0 if there is none. */
static gsize
enhanced_size (const char *text)
{
    const char *at = text + 1;

    if (text[0] != '4' && text[0] != '5')
        return 0;
    for (guint i = 0; i < 2; i++) {
        const char *digits = ++at;

        if (digits[-1] != '.')
            return 0;
        while (g_ascii_isdigit (*at))
            at++;
        if (at == digits || at - digits > 3)
            return 0;
    }
    return *at == ' ' ? (gsize)(at - text) + 1 : *at == '\0' ? (gsize)(at - text) : 0;
}

/* One line of it: of several lines, each with its code, the codes go. */
static char *
one_line (const char *text, guint32 code, const char *enhanced)
{
    g_autofree char *valid = g_utf8_make_valid (text, -1);
    g_auto (GStrv) lines = g_strsplit (valid, "\n", -1);
    GString *line = g_string_new (NULL);
    char *end;

    for (guint i = 0; lines[i] != NULL; i++) {
        char *part = g_strstrip (lines[i]);

        if (i > 0 && strlen (part) > 4 && g_ascii_strtoull (part, &end, 10) == code &&
            end == part + 3 && (*end == ' ' || *end == '-')) {
            part += 4;
            if (enhanced != NULL && g_str_has_prefix (part, enhanced))
                part += strlen (enhanced);
            part = g_strchug (part);
        }
        if (*part != '\0')
            g_string_append_printf (line, "%s%s", line->len > 0 ? " " : "", part);
    }
    for (gsize i = 0; i < line->len; i++)
        if (g_ascii_iscntrl (line->str[i]))
            line->str[i] = ' ';
    if (line->len > MILTER_TEXT_BYTES) {
        const char *cut = line->str + MILTER_TEXT_BYTES;

        while (((guchar)*cut & 0xc0) == 0x80)
            cut--;
        g_string_truncate (line, (gsize)(cut - line->str));
    }
    return g_string_free (line, FALSE);
}

/* "550 5.7.1 text", of which all but the code may be missing; "%%" stands for "%". */
static bool
read_reply_code (const char *at, const char *end, MilterReply *reply)
{
    g_auto (GStrv) parts = NULL;
    g_autofree char *text = NULL;
    gsize size;

    if ((at = take_string (&at, end)) == NULL || (at[0] != '4' && at[0] != '5') ||
        !g_ascii_isdigit (at[1]) || !g_ascii_isdigit (at[2]) ||
        (at[3] != ' ' && at[3] != '-' && at[3] != '\0'))
        return false;
    reply->code = (guint32)((at[0] - '0') * 100 + (at[1] - '0') * 10 + (at[2] - '0'));
    parts = g_strsplit (at[3] != '\0' ? at + 4 : "", "%%", -1);
    text = g_strjoinv ("%", parts);
    size = enhanced_size (text);
    if (size > 0 && text[0] == at[0])
        reply->enhanced = g_strchomp (g_strndup (text, size));
    reply->text =
        one_line (text + (reply->enhanced != NULL ? size : 0), reply->code, reply->enhanced);
    return true;
}

bool
milter_reply_parse (const char *packet, gsize size, MilterReply *reply)
{
    const char *at = packet + 1;
    const char *end = packet + size;

    *reply = (MilterReply){0};
    if (size == 0 || size > MILTER_PACKET_BYTES)
        return false;
    reply->kind = (MilterReplyKind)packet[0];
    switch (packet[0]) {
    case MILTER_NEGOTIATED: return read_negotiated (at, end, reply);
    case MILTER_ADD_HEADER: return read_header (at, end, false, reply);
    case MILTER_INSERT_HEADER:
    case MILTER_CHANGE_HEADER: return read_header (at, end, true, reply);
    case MILTER_HOLD: return (reply->value = take_string (&at, end)) != NULL;
    case MILTER_REPLY_CODE: return read_reply_code (at, end, reply);
    case MILTER_ADD_RECIPIENT:
    case MILTER_DELETE_RECIPIENT:
    case MILTER_ADD_RECIPIENT_ARGS:
    case MILTER_CHANGE_FROM:
    case MILTER_REPLACE_BODY:
    case MILTER_SHUTDOWN:
    case MILTER_ACCEPT:
    case MILTER_CONTINUE:
    case MILTER_DISCARD:
    case MILTER_CONNECTION_FAILED:
    case MILTER_PROGRESS:
    case MILTER_REJECT:
    case MILTER_SKIP_BODY:
    case MILTER_TEMPFAIL: return true;
    default: return false;
    }
}

void
milter_reply_clear (MilterReply *reply)
{
    g_clear_pointer (&reply->enhanced, g_free);
    g_clear_pointer (&reply->text, g_free);
}

/* --- Writing ---------------------------------------------------------------------------------- */

void
milter_packet_put_number (GByteArray *out, guint32 number)
{
    const guint32 big = GUINT32_TO_BE (number);

    g_byte_array_append (out, (const guint8 *)&big, sizeof big);
}

guint
milter_packet_begin (GByteArray *out, char letter)
{
    const guint begin = out->len;

    milter_packet_put_number (out, 0);
    g_byte_array_append (out, (const guint8 *)&letter, 1);
    return begin;
}

void
milter_packet_put_string (GByteArray *out, const char *text)
{
    g_byte_array_append (out, (const guint8 *)text, (guint)strlen (text) + 1);
}

void
milter_packet_end (GByteArray *out, guint begin)
{
    const guint32 size = GUINT32_TO_BE (out->len - begin - MILTER_LENGTH_BYTES);

    memcpy (out->data + begin, &size, sizeof size);
}

void
milter_packet_put (GByteArray *out, char letter)
{
    milter_packet_end (out, milter_packet_begin (out, letter));
}

void
milter_packet_put_connect (GByteArray *out, const char *name, const char *address, guint16 port)
{
    g_autoptr (GInetAddress) parsed =
        address != NULL ? g_inet_address_new_from_string (address) : NULL;
    const guint begin = milter_packet_begin (out, 'C');
    g_autofree char *literal = g_strdup_printf ("[%s]", parsed != NULL ? address : "unknown");
    const guint16 big = GUINT16_TO_BE (port);

    milter_packet_put_string (out, parsed != NULL && name != NULL ? name : literal);
    if (parsed == NULL) {
        g_byte_array_append (out, (const guint8 *)"U", 1);
    } else {
        const bool four = g_inet_address_get_family (parsed) == G_SOCKET_FAMILY_IPV4;

        g_byte_array_append (out, (const guint8 *)(four ? "4" : "6"), 1);
        g_byte_array_append (out, (const guint8 *)&big, sizeof big);
        milter_packet_put_string (out, address);
    }
    milter_packet_end (out, begin);
}

/* Without what would end the string, or the line: NUL and CR. Not beyond `end` with its NUL: false if it was cut. */
static bool
put_value (GByteArray *out, const char *value, gsize size, guint end)
{
    bool whole = true;

    for (gsize i = 0; i < size && whole; i++) {
        if (value[i] == '\0' || value[i] == '\r')
            continue;
        whole = out->len + 1 < end;
        if (whole)
            g_byte_array_append (out, (const guint8 *)&value[i], 1);
    }
    g_byte_array_append (out, (const guint8 *)"", 1);
    return whole;
}

bool
milter_packet_put_header (GByteArray *out, const char *name, gsize name_size, const char *value,
                          gsize value_size, bool leading_space)
{
    const guint begin = milter_packet_begin (out, 'L');
    const guint end = out->len + MILTER_DATA_BYTES;
    const gsize skip = !leading_space && value_size > 0 && value[0] == ' ' ? 1 : 0;
    const bool has_name = put_value (out, name, name_size, end - 1);
    const bool has_value = put_value (out, value + skip, value_size - skip, end);

    milter_packet_end (out, begin);
    return has_name && has_value;
}
