/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lines of recorded replies: as SMTP has them, with provider and phase before them, or as the event log has them.
 * Of JSON it reads flat objects, and skips what is nested. Pure, bounded; any thread.
 */
#include "recorded.h"

#include <stdbool.h>
#include <string.h>

/* --- A reply as SMTP has it ----------------------------------------------------------------------- */

/* "421 4.7.28 text", "421-4.7.28 text", "421". The enhanced code stays in the text, where rules look for it. */
static bool
take_reply (const char *text, RepliesLine *line)
{
    for (guint i = 0; i < 3; i++)
        if (!g_ascii_isdigit (text[i]))
            return false;
    if (text[0] < '2' || text[0] > '5' || (text[3] != '\0' && text[3] != ' ' && text[3] != '-'))
        return false;
    line->code = (guint)((text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0'));
    line->text = g_strdup (text[3] != '\0' ? text + 4 : "");
    line->type = REPLIES_LINE_REPLY;
    return true;
}

static char *
said_or_null (const char *text, gsize size)
{
    bool none = size == 0 || (size == 1 && text[0] == '-');

    return none ? NULL : g_strndup (text, size);
}

static bool
take_columns (const char *text, RepliesLine *line)
{
    const char *first = strchr (text, '\t'), *second = strchr (first + 1, '\t');

    if (second == NULL || !take_reply (second + 1, line))
        return false;
    line->provider = said_or_null (text, (gsize)(first - text));
    line->phase = said_or_null (first + 1, (gsize)(second - first - 1));
    return true;
}

/* --- JSON ------------------------------------------------------------------------------------------ */

static const char *
skip_blanks (const char *at)
{
    while (*at == ' ' || *at == '\t')
        at++;
    return at;
}

static const char *
take_hex (const char *at, guint *value)
{
    *value = 0;
    for (guint i = 0; i < 4; i++, at++) {
        if (!g_ascii_isxdigit (*at))
            return NULL;
        *value = *value * 16 + (guint)g_ascii_xdigit_value (*at);
    }
    return at;
}

/* What follows a backslash. Halves of pairs are no characters; they become U+FFFD. */
static const char *
take_escape (const char *at, GString *to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    const char *known = *at != '\0' ? strchr (from, *at) : NULL;
    guint value, low;

    if (known != NULL) {
        g_string_append_c (to, into[known - from]);
        return at + 1;
    }
    if (*at != 'u' || (at = take_hex (at + 1, &value)) == NULL)
        return NULL;
    if (value >= 0xd800 && value < 0xdc00 && at[0] == '\\' && at[1] == 'u') {
        const char *after = take_hex (at + 2, &low);

        if (after != NULL && low >= 0xdc00 && low < 0xe000) {
            g_string_append_unichar (to, 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00));
            return after;
        }
    }
    g_string_append_unichar (to,
                             value == 0 || (value >= 0xd800 && value < 0xe000) ? 0xfffd : value);
    return at;
}

/* From behind the first quote to behind the last, or NULL. */
static const char *
take_string (const char *at, GString *to)
{
    g_string_truncate (to, 0);
    while (*at != '"') {
        if (*at == '\0')
            return NULL;
        if (*at != '\\') {
            g_string_append_c (to, *at++);
            continue;
        }
        at = take_escape (at + 1, to);
        if (at == NULL)
            return NULL;
    }
    return at + 1;
}

/* Number, word, object or array, to behind it. */
static const char *
skip_value (const char *at, GString *scratch)
{
    guint depth = 0;

    for (; *at != '\0'; at++) {
        if (depth == 0 && (*at == ',' || *at == '}'))
            return at;
        if (*at == '{' || *at == '[')
            depth++;
        else if (*at == '}' || *at == ']')
            depth--;
        else if (*at == '"') {
            at = take_string (at + 1, scratch);
            if (at == NULL)
                return NULL;
            at--;
        }
    }
    return NULL;
}

static void
keep_member (RepliesLine *line, const char *name, const char *value)
{
    char **to = strcmp (name, "site") == 0 || strcmp (name, "provider") == 0 ? &line->provider
                : strcmp (name, "stage") == 0                                ? &line->phase
                : strcmp (name, "enhanced") == 0                             ? &line->enhanced
                : strcmp (name, "reply") == 0                                ? &line->text
                                                                             : NULL;

    if (to == NULL)
        return;
    g_free (*to);
    *to = g_strdup (value);
}

static const char *
take_value (const char *at, RepliesLine *line, const char *name, GString *scratch)
{
    const char *end;

    if (*at == '"') {
        end = take_string (at + 1, scratch);
        if (end != NULL)
            keep_member (line, name, scratch->str);
        return end;
    }
    end = skip_value (at, scratch);
    if (end != NULL && strcmp (name, "code") == 0)
        line->code = (guint)CLAMP (g_ascii_strtoll (at, NULL, 10), 0, 999);
    return end;
}

static bool
take_object (const char *at, RepliesLine *line)
{
    g_autoptr (GString) name = g_string_new (NULL);
    g_autoptr (GString) scratch = g_string_new (NULL);

    at = skip_blanks (at + 1);
    while (*at == '"') {
        at = take_string (at + 1, name);
        if (at == NULL || *(at = skip_blanks (at)) != ':')
            return false;
        at = take_value (skip_blanks (at + 1), line, name->str, scratch);
        if (at == NULL)
            return false;
        at = skip_blanks (at);
        if (*at != ',')
            break;
        at = skip_blanks (at + 1);
    }
    return *at == '}';
}

/* --- A line ------------------------------------------------------------------------------------------ */

/* An event of another kind, or of what never left us, has no code. */
static bool
take_event (const char *text, RepliesLine *line)
{
    if (!take_object (text, line))
        return false;
    if (line->code == 0)
        replies_line_clear (line);
    else
        line->type = REPLIES_LINE_REPLY;
    return true;
}

void
replies_line_parse (const char *bytes, gsize size, RepliesLine *line)
{
    g_autofree char *text = NULL;
    bool good;

    *line = (RepliesLine){.type = REPLIES_LINE_EMPTY};
    while (size > 0 && g_ascii_isspace (bytes[size - 1]))
        size--;
    if (size == 0 || bytes[0] == '#')
        return;
    if (size > REPLIES_LINE_BYTES || memchr (bytes, '\0', size) != NULL ||
        !g_utf8_validate (bytes, (gssize)size, NULL)) {
        line->type = REPLIES_LINE_BAD;
        return;
    }
    text = g_strndup (bytes, size);
    if (text[0] == '{')
        good = take_event (text, line);
    else if (strchr (text, '\t') != NULL)
        good = take_columns (text, line);
    else
        good = take_reply (text, line);
    if (!good) {
        replies_line_clear (line);
        line->type = REPLIES_LINE_BAD;
    }
}

void
replies_line_clear (RepliesLine *line)
{
    g_free (line->provider);
    g_free (line->phase);
    g_free (line->enhanced);
    g_free (line->text);
    *line = (RepliesLine){.type = REPLIES_LINE_EMPTY};
}
