/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lists of mailboxes in From, Sender and the like (RFC 5322 section 3.4). Pure, one pass, no recursion.
 *
 * Who wrote a message is decided here, so what two readers could understand differently is refused
 * rather than guessed: source routes, blanks or comments inside an address, empty list elements, a
 * bare "@" in a display name, anything unclosed. Taken although obsolete: dots in a display name
 * ("John Q. Public"), and octets above 127 in one.
 */
#include "config.h"

#include "message/header-private.h"

#include <string.h>

#include "message/address-private.h"

enum { COMMENT_DEPTH = 50 };

typedef struct {
    const char *at, *end;
    guint limit;
    GPtrArray *to;
    bool group; /* there was one */
} Parser;

static bool
at_char (const Parser *parser, char c)
{
    return parser->at < parser->end && *parser->at == c;
}

static bool
take_char (Parser *parser, char c)
{
    if (!at_char (parser, c))
        return false;
    parser->at++;
    return true;
}

/* A blank, or a fold (CRLF and a blank), or nothing. */
static bool
skip_blank (Parser *parser)
{
    if (take_char (parser, ' ') || take_char (parser, '\t'))
        return true;
    if (parser->end - parser->at >= 3 && memcmp (parser->at, "\r\n", 2) == 0 &&
        (parser->at[2] == ' ' || parser->at[2] == '\t')) {
        parser->at += 3;
        return true;
    }
    return false;
}

/* One octet of a comment or quoted string, or a quoted pair; not a control. */
static bool
skip_text (Parser *parser)
{
    if (skip_blank (parser))
        return true;
    take_char (parser, '\\');
    if (parser->at == parser->end || (guint8)*parser->at < 0x20 || *parser->at == 0x7f)
        return false;
    parser->at++;
    return true;
}

/* From its "(" to after the matching ")". */
static bool
skip_comment (Parser *parser)
{
    guint depth = 0;

    while (parser->at < parser->end) {
        if (*parser->at == '(') {
            if (++depth > COMMENT_DEPTH)
                return false;
            parser->at++;
        } else if (*parser->at == ')') {
            parser->at++;
            if (--depth == 0)
                return true;
        } else if (!skip_text (parser)) {
            return false;
        }
    }
    return false;
}

/* Comments and folding white space; false if a comment is not closed. */
static bool
skip_cfws (Parser *parser)
{
    for (;;) {
        if (at_char (parser, '(')) {
            if (!skip_comment (parser))
                return false;
        } else if (!skip_blank (parser)) {
            return true;
        }
    }
}

static bool
skip_quoted (Parser *parser)
{
    parser->at++;
    while (!take_char (parser, '"'))
        if (!skip_text (parser))
            return false;
    return true;
}

static bool
is_phrase_char (char c)
{
    return g_ascii_isalnum (c) || (guint8)c >= 0x80 ||
           (c != '\0' && strchr ("!#$%&'*+-/=?^_`{|}~.", c) != NULL);
}

/* A display name, possibly empty; `*any` tells whether there was a word. Stops at what is none. */
static bool
skip_phrase (Parser *parser, bool *any)
{
    *any = false;
    for (;;) {
        if (!skip_cfws (parser))
            return false;
        if (at_char (parser, '"')) {
            if (!skip_quoted (parser))
                return false;
        } else if (parser->at < parser->end && is_phrase_char (*parser->at)) {
            parser->at++;
        } else {
            return true;
        }
        *any = true;
    }
}

static bool
take_address (Parser *parser)
{
    char *address = NULL;
    gsize used = 0;

    if (parser->to->len >= parser->limit ||
        relais_address_parse (parser->at, (gsize)(parser->end - parser->at), true, &address,
                              &used) != RELAIS_ADDRESS_OK)
        return false;
    parser->at += used;
    g_ptr_array_add (parser->to, address);
    return skip_cfws (parser);
}

static bool
take_angle_address (Parser *parser)
{
    parser->at++;
    return skip_cfws (parser) && take_address (parser) && take_char (parser, '>') &&
           skip_cfws (parser);
}

/* A mailbox, or the display name of a group with its colon (`*group`). */
static bool
take_mailbox (Parser *parser, bool *group)
{
    const char *start;
    bool any;

    *group = false;
    if (!skip_cfws (parser))
        return false;
    start = parser->at;
    if (!skip_phrase (parser, &any))
        return false;
    if (at_char (parser, '<'))
        return take_angle_address (parser);
    if (any && take_char (parser, ':')) {
        *group = true;
        return skip_cfws (parser);
    }
    parser->at = start;
    return take_address (parser);
}

/* After the colon of a group, up to after its semicolon. */
static bool
take_group (Parser *parser)
{
    bool nested;

    parser->group = true;
    if (take_char (parser, ';'))
        return skip_cfws (parser);
    do {
        if (!take_mailbox (parser, &nested) || nested)
            return false;
    } while (take_char (parser, ','));
    if (!take_char (parser, ';'))
        return false;
    return skip_cfws (parser);
}

static bool
take_list (Parser *parser)
{
    bool group;

    do {
        if (!take_mailbox (parser, &group) || (group && !take_group (parser)))
            return false;
    } while (take_char (parser, ','));
    return parser->at == parser->end;
}

bool
relais_header_parse_mailboxes (const char *value, gsize size, guint limit, GPtrArray *to)
{
    Parser parser = {value, value + size, limit, to, false};

    return take_list (&parser);
}

bool
relais_header_parse_author (const char *value, gsize size, char **address)
{
    g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func (g_free);
    Parser parser = {value, value + size, 1, found, false};

    if (!take_list (&parser) || parser.group || found->len != 1)
        return false;
    *address = g_ptr_array_steal_index (found, 0);
    return true;
}
