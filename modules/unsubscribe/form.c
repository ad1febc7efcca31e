/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What was posted: application/x-www-form-urlencoded or multipart/form-data (RFC 7578), both of which RFC 8058 allows.
 * Only two short fields matter; what is longer is none of them. Pure, bounded; any thread.
 */
#include "unsubscribe.h"

#include <string.h>

enum { FIELD_BYTES = 64, BOUNDARY_BYTES = 70 };

/* A piece of the body. */
typedef struct {
    const char *at;
    gsize size;
} Piece;

static bool
is_word (Piece piece, const char *word)
{
    return piece.size == strlen (word) && g_ascii_strncasecmp (piece.at, word, piece.size) == 0;
}

static void
take_field (UnsubscribeForm *form, Piece name, Piece value)
{
    if (is_word (name, "List-Unsubscribe"))
        form->one_click |= is_word (value, "One-Click");
    else if (is_word (name, "how"))
        form->page |= is_word (value, "page");
}

/* Where `mark` begins, of at least one octet; NULL. */
static const char *
find (Piece piece, const char *mark, gsize mark_size)
{
    const char *at = piece.at, *end = piece.at + piece.size;

    while ((gsize)(end - at) >= mark_size) {
        at = memchr (at, mark[0], (gsize)(end - at) - mark_size + 1);
        if (at == NULL)
            return NULL;
        if (memcmp (at, mark, mark_size) == 0)
            return at;
        at++;
    }
    return NULL;
}

/* Cuts `rest` at `mark`, which may be several octets; false where it is not in it. */
static bool
cut (Piece *rest, const char *mark, gsize mark_size, Piece *before)
{
    const char *found = rest->size > 0 ? find (*rest, mark, mark_size) : NULL;

    if (found == NULL)
        return false;
    *before = (Piece){rest->at, (gsize)(found - rest->at)};
    rest->size -= before->size + mark_size;
    rest->at = found + mark_size;
    return true;
}

/* --- Urlencoded ------------------------------------------------------------------------------- */

/* Into `text`; nothing of what is too long or badly written. */
static Piece
decode (Piece raw, char *text)
{
    gsize size = 0;

    for (gsize i = 0; i < raw.size; i++) {
        int octet = raw.at[i] == '+' ? ' ' : raw.at[i];

        if (raw.at[i] == '%') {
            if (raw.size - i < 3 || !g_ascii_isxdigit (raw.at[i + 1]) ||
                !g_ascii_isxdigit (raw.at[i + 2]))
                return (Piece){text, 0};
            octet =
                g_ascii_xdigit_value (raw.at[i + 1]) * 16 + g_ascii_xdigit_value (raw.at[i + 2]);
            i += 2;
        }
        if (size == FIELD_BYTES)
            return (Piece){text, 0};
        text[size++] = (char)octet;
    }
    return (Piece){text, size};
}

static void
take_pair (UnsubscribeForm *form, Piece pair)
{
    char name[FIELD_BYTES], value[FIELD_BYTES];
    Piece raw;

    if (cut (&pair, "=", 1, &raw))
        take_field (form, decode (raw, name), decode (pair, value));
}

static UnsubscribeForm
parse_urlencoded (Piece body)
{
    UnsubscribeForm form = {false, false};
    Piece pair;

    /* some programs end it as if it were a line */
    while (body.size > 0 && g_ascii_isspace (body.at[body.size - 1]))
        body.size--;
    for (guint i = 0; i < UNSUBSCRIBE_FORM_FIELDS; i++) {
        if (!cut (&body, "&", 1, &pair)) {
            take_pair (&form, body);
            break;
        }
        take_pair (&form, pair);
    }
    return form;
}

/* --- Parameters ------------------------------------------------------------------------------- */

static const char *
skip_blanks (const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    return at;
}

static bool
is_token_octet (char c)
{
    return g_ascii_isalnum (c) || (c != '\0' && strchr ("!#$%&'*+-.^_`|~:/?=@,()", c) != NULL);
}

/* A value at `at`: quoted, its backslashes undone, or of token characters, and those that some boundaries have
 * unquoted. Where it ends; NULL if it is none or too long. */
static const char *
read_value (const char *at, const char *end, char *value, gsize most)
{
    const bool quoted = at < end && *at == '"';
    gsize size = 0;

    for (at += quoted; at < end && (quoted ? *at != '"' : is_token_octet (*at)); at++) {
        if (quoted && *at == '\\' && end - at > 1)
            at++;
        if (size == most)
            return NULL;
        value[size++] = *at;
    }
    value[size] = '\0';
    if (quoted && at == end)
        return NULL;
    return at + quoted;
}

/* The parameter `wanted` of a field's value, into `value` (of `most` octets and a NUL); false if it has none. */
static bool
find_parameter (Piece field, const char *wanted, char *value, gsize most)
{
    const char *at = field.at, *end = field.at + field.size;

    while (at < end && *at != ';')
        at++;
    while (at < end && *at == ';') {
        const char *from = at = skip_blanks (at + 1, end);
        Piece found;

        while (at < end && *at != '=' && *at != ';')
            at++;
        found = (Piece){from, (gsize)(at - from)};
        if (at == end || *at == ';')
            continue;
        at = read_value (at + 1, end, value, most);
        if (at == NULL)
            return false;
        if (is_word (found, wanted))
            return true;
        at = skip_blanks (at, end);
    }
    return false;
}

/* --- Multipart -------------------------------------------------------------------------------- */

/* The name of a part by its head, lines that end in CRLF. */
static bool
find_name (Piece head, char *part)
{
    static const char field[] = "Content-Disposition:";
    Piece line;
    bool more = true;

    while (more) {
        more = cut (&head, "\r\n", 2, &line);
        if (!more)
            line = head;
        if (line.size > strlen (field) && g_ascii_strncasecmp (line.at, field, strlen (field)) == 0)
            return find_parameter (line, "name", part, FIELD_BYTES);
    }
    return false;
}

/* A part from behind its delimiter's line to before the next delimiter. */
static void
take_part (UnsubscribeForm *form, Piece part)
{
    char name[FIELD_BYTES + 1];
    Piece head;

    if (cut (&part, "\r\n\r\n", 4, &head) && find_name (head, name))
        take_field (form, (Piece){name, strlen (name)}, part);
}

static UnsubscribeForm
parse_multipart (Piece body, const char *boundary)
{
    UnsubscribeForm form = {false, false};
    g_autofree char *mark = g_strconcat ("\r\n--", boundary, NULL);
    const gsize mark_size = strlen (mark);
    Piece part, padding;

    /* the first one may stand at the very beginning */
    if (body.size >= mark_size - 2 && memcmp (body.at, mark + 2, mark_size - 2) == 0)
        body = (Piece){body.at + mark_size - 2, body.size - (mark_size - 2)};
    else if (!cut (&body, mark, mark_size, &part))
        return form;
    for (guint i = 0; i < UNSUBSCRIBE_FORM_FIELDS; i++) {
        if (body.size >= 2 && memcmp (body.at, "--", 2) == 0)
            break;
        if (!cut (&body, "\r\n", 2, &padding) || !cut (&body, mark, mark_size, &part))
            break;
        take_part (&form, part);
    }
    return form;
}

UnsubscribeForm
unsubscribe_form_parse (const char *content_type, const guint8 *body, gsize size)
{
    static const char multipart[] = "multipart/form-data";
    const Piece type = {content_type, content_type != NULL ? strlen (content_type) : 0};
    const Piece whole = {(const char *)body, MIN (size, UNSUBSCRIBE_FORM_BYTES)};
    char boundary[BOUNDARY_BYTES + 1];

    if (type.size < strlen (multipart) ||
        g_ascii_strncasecmp (type.at, multipart, strlen (multipart)) != 0)
        return parse_urlencoded (whole);
    if (!find_parameter (type, "boundary", boundary, BOUNDARY_BYTES) || boundary[0] == '\0')
        return (UnsubscribeForm){false, false};
    return parse_multipart (whole, boundary);
}
