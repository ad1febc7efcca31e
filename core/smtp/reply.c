/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Replies of a peer. The parser owns the line under way and the text collected so far, both
 * bounded; a peer that never ends its reply meets RELAIS_REPLY_TOTAL_BYTES. What it lets out as
 * text is one printable line, so that a reply can go into a log, a report or the spool as it is.
 *
 * Pure; any thread, one at a time.
 */
#include "config.h"

#include "smtp/reply-private.h"

#include <string.h>

/* A line buffer that a long line blew up is given back with the next reply. */
enum { LINE_KEEP_BYTES = 512 };

struct RelaisReplyParser {
    GString *line; /* as read, with its end; after LINE and DONE cut to the text's end */
    GString *text; /* escaped, of the reply under way */
    gsize total;
    guint16 code; /* 0 before the first line */
    guint16 enhanced[3];
    bool line_done; /* `line` was handed out; the next byte begins another one */
    bool strict;
    const char *problem;
};

void
relais_smtp_reply_clear (RelaisSmtpReply *reply)
{
    g_free (reply->text);
    *reply = (RelaisSmtpReply){0};
}

void
relais_smtp_reply_copy (RelaisSmtpReply *to, const RelaisSmtpReply *from)
{
    RelaisSmtpReply copy = *from;

    copy.text = g_strdup (from->text);
    relais_smtp_reply_clear (to);
    *to = copy;
}

RelaisReplyParser *
relais_reply_parser_new (void)
{
    RelaisReplyParser *parser = g_new0 (RelaisReplyParser, 1);

    parser->line = g_string_sized_new (64);
    parser->text = g_string_sized_new (64);
    return parser;
}

void
relais_reply_parser_free (RelaisReplyParser *parser)
{
    if (parser == NULL)
        return;
    g_string_free (parser->line, TRUE);
    g_string_free (parser->text, TRUE);
    g_free (parser);
}

void
relais_reply_parser_set_strict (RelaisReplyParser *parser, bool strict)
{
    parser->strict = strict;
}

bool
relais_reply_parser_is_empty (const RelaisReplyParser *parser)
{
    return parser->total == 0;
}

const char *
relais_reply_parser_line (const RelaisReplyParser *parser)
{
    return parser->line->len >= 4 ? parser->line->str + 4 : "";
}

const char *
relais_reply_parser_problem (const RelaisReplyParser *parser)
{
    return parser->problem;
}

static RelaisReplyStatus
broken (RelaisReplyParser *parser, const char *problem)
{
    parser->problem = problem;
    return RELAIS_REPLY_BROKEN;
}

/* --- Text ------------------------------------------------------------------------------------- */

/* What is no escape, but would be read as one. */
static bool
looks_escaped (const char *bytes, gsize size)
{
    return size >= 4 && bytes[0] == '\\' && bytes[1] == 'x' && g_ascii_isxdigit (bytes[2]) &&
           g_ascii_isxdigit (bytes[3]);
}

/* Bytes of the printable character at the head of `bytes`, or 0 if what stands there must be
 * escaped: controls (C0, C1, DEL), formatting and separator characters, what is not UTF-8. */
static gsize
printable_length (const char *bytes, gsize size)
{
    gunichar c;

    if (looks_escaped (bytes, size))
        return 0;
    if ((guint8)*bytes < 0x80)
        return g_ascii_isprint (*bytes) ? 1 : 0;
    c = g_utf8_get_char_validated (bytes, (gssize)size);
    if (c == (gunichar)-1 || c == (gunichar)-2 || !g_unichar_isprint (c))
        return 0;
    switch ((int)g_unichar_type (c)) {
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR: return 0;
    }
    return (gsize)g_unichar_to_utf8 (c, NULL);
}

/* Appends escaped text, up to the limit and never a part of a character. */
static void
append_escaped (GString *to, const char *bytes, gsize size)
{
    static const char hex[] = "0123456789abcdef";

    while (size > 0) {
        gsize taken = printable_length (bytes, size);
        const guint8 byte = (guint8)*bytes;
        const char escape[4] = {'\\', 'x', hex[byte >> 4], hex[byte & 15]};
        const char *piece = taken > 0 ? bytes : escape;
        gsize length = taken > 0 ? taken : sizeof escape;

        if (to->len + length > RELAIS_REPLY_TEXT_BYTES)
            return;
        g_string_append_len (to, piece, (gssize)length);
        taken = MAX (taken, 1);
        bytes += taken;
        size -= taken;
    }
}

static void
append_line_text (GString *to, const char *bytes, gsize size)
{
    if (size == 0)
        return;
    if (to->len > 0 && to->len < RELAIS_REPLY_TEXT_BYTES)
        g_string_append_c (to, ' ');
    append_escaped (to, bytes, size);
}

/* --- Codes ------------------------------------------------------------------------------------ */

/* One to three digits; returns how many bytes they are, 0 if there are none. */
static gsize
parse_number (const char *bytes, gsize size, guint16 *number)
{
    guint value = 0;
    gsize n = 0;

    while (n < size && n < 3 && g_ascii_isdigit (bytes[n]))
        value = value * 10 + (guint)(bytes[n++] - '0');
    *number = (guint16)value;
    return n;
}

/* RFC 2034: class "." subject "." detail at the head of the text, followed by a blank or nothing.
 * Returns how many bytes it takes with the blank; 0 when there is none, or when its class does not
 * agree with the reply's first digit (section 4: then it says nothing). */
static gsize
parse_enhanced (const char *text, gsize size, guint16 code, guint16 enhanced[3])
{
    guint16 found[3];
    gsize at = 0;

    for (guint i = 0; i < 3; i++) {
        gsize n = parse_number (text + at, size - at, &found[i]);

        if (n == 0)
            return 0;
        at += n;
        if (i < 2 && (at == size || text[at++] != '.'))
            return 0;
    }
    if (at < size && text[at] != ' ')
        return 0;
    if (found[0] != code / 100 || found[0] == 3)
        return 0;
    memcpy (enhanced, found, sizeof found);
    return at < size ? at + 1 : at;
}

/* The code at the head of a line, or 0. */
static guint16
parse_code (const char *line, gsize size)
{
    if (size < 3 || line[0] < '2' || line[0] > '5' || !g_ascii_isdigit (line[1]) ||
        !g_ascii_isdigit (line[2]))
        return 0;
    return (guint16)((line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0'));
}

/* --- Lines ------------------------------------------------------------------------------------ */

/* Cuts the line end off; false if it is none that is allowed here. */
static bool
cut_line_end (RelaisReplyParser *parser)
{
    gsize size = parser->line->len - 1;

    if (size > 0 && parser->line->str[size - 1] == '\r')
        size--;
    else if (parser->strict)
        return false;
    g_string_truncate (parser->line, size);
    return true;
}

static void
collect_text (RelaisReplyParser *parser)
{
    const GString *line = parser->line;
    const char *text = relais_reply_parser_line (parser);
    gsize size = line->len >= 4 ? line->len - 4 : 0;
    guint16 enhanced[3] = {0};
    gsize skip = parse_enhanced (text, size, parser->code, enhanced);

    if (skip > 0 && parser->enhanced[0] == 0)
        memcpy (parser->enhanced, enhanced, sizeof enhanced);
    else if (skip > 0 && memcmp (parser->enhanced, enhanced, sizeof enhanced) != 0)
        skip = 0; /* another one on a later line is text */
    append_line_text (parser->text, text + skip, size - skip);
}

static void
hand_over (RelaisReplyParser *parser, RelaisSmtpReply *reply)
{
    relais_smtp_reply_clear (reply);
    reply->code = parser->code;
    memcpy (reply->enhanced, parser->enhanced, sizeof reply->enhanced);
    reply->text = g_strndup (parser->text->str, parser->text->len);
    g_string_truncate (parser->text, 0);
    memset (parser->enhanced, 0, sizeof parser->enhanced);
    parser->total = 0;
    parser->code = 0;
}

/* A whole line is in the buffer. */
static RelaisReplyStatus
take_line (RelaisReplyParser *parser, RelaisSmtpReply *reply)
{
    const GString *line = parser->line;
    guint16 code;
    char mark;

    if (!cut_line_end (parser))
        return broken (parser, "a reply line ends in a lone LF");
    code = parse_code (line->str, line->len);
    mark = line->len > 3 ? line->str[3] : ' ';
    if (code == 0 || (mark != ' ' && mark != '-'))
        return broken (parser, "a line that is no SMTP reply");
    if (parser->code != 0 && parser->code != code)
        return broken (parser, "the lines of a reply have different codes");
    parser->code = code;
    parser->line_done = true;
    collect_text (parser);
    if (mark == '-')
        return RELAIS_REPLY_LINE;
    hand_over (parser, reply);
    return RELAIS_REPLY_DONE;
}

static void
begin_line (RelaisReplyParser *parser)
{
    parser->line_done = false;
    if (parser->line->allocated_len > LINE_KEEP_BYTES && parser->total == 0) {
        g_string_free (parser->line, TRUE);
        parser->line = g_string_sized_new (64);
    }
    g_string_truncate (parser->line, 0);
}

RelaisReplyStatus
relais_reply_parse (RelaisReplyParser *parser, const guint8 *bytes, gsize size, gsize *used,
                    RelaisSmtpReply *reply)
{
    const guint8 *end = size > 0 ? memchr (bytes, '\n', size) : NULL;
    gsize take = end != NULL ? (gsize)(end - bytes) + 1 : size;

    *used = 0;
    if (parser->problem != NULL)
        return RELAIS_REPLY_BROKEN;
    if (take == 0)
        return RELAIS_REPLY_MORE;
    if (parser->line_done)
        begin_line (parser);
    if (take > RELAIS_REPLY_LINE_BYTES - parser->line->len)
        return broken (parser, "a reply line is too long");
    if (take > RELAIS_REPLY_TOTAL_BYTES - parser->total)
        return broken (parser, "a reply has too many lines");
    g_string_append_len (parser->line, (const char *)bytes, (gssize)take);
    parser->total += take;
    *used = take;
    return end != NULL ? take_line (parser, reply) : RELAIS_REPLY_MORE;
}
