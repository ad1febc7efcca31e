/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The grammar of conf.d, a line at a time: "[kind]", "[kind name]", "key = value", a comment that
 * begins with # or ;, or nothing. There is no continuation and no quoting, so a line means the same
 * wherever it stands. A BOM at the head of a file and CR before LF are tolerated, as editors add
 * them; anything else that does not print is refused.
 */
#include "config.h"

#include "conf/line-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

static const char KIND_CHARS[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
static const char KEY_CHARS[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";

static void
trim (const char **bytes, gsize *size)
{
    while (*size > 0 && g_ascii_isspace ((*bytes)[0])) {
        (*bytes)++;
        (*size)--;
    }
    while (*size > 0 && g_ascii_isspace ((*bytes)[*size - 1]))
        (*size)--;
}

static void
set_bad (RelaisConfLine *line, RelaisConfLineType type, char *problem)
{
    line->type = type;
    line->problem = problem;
}

static char *
unprintable (const char *bytes, gsize size)
{
    for (gsize i = 0; i < size; i++) {
        guchar c = (guchar)bytes[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return g_strdup_printf (_ ("control character 0x%02x"), c);
    }
    if (!g_utf8_validate_len (bytes, size, NULL))
        return g_strdup (_ ("the line is not UTF-8"));
    return NULL;
}

static bool
made_of (const char *text, const char *chars)
{
    return text[0] != '\0' && text[strspn (text, chars)] == '\0';
}

/* "kind" or "kind name", between the brackets. */
static void
parse_section (const char *bytes, gsize size, RelaisConfLine *line)
{
    const char *name;
    gsize kind_size = 0;

    trim (&bytes, &size);
    while (kind_size < size && !g_ascii_isspace (bytes[kind_size]))
        kind_size++;
    name = bytes + kind_size;
    size -= kind_size;
    trim (&name, &size);
    line->kind = g_strndup (bytes, kind_size);
    if (!made_of (line->kind, KIND_CHARS) || kind_size > RELAIS_CONF_NAME_BYTES) {
        set_bad (line, RELAIS_CONF_LINE_BAD_SECTION,
                 g_strdup (_ ("expected a section as in [relais] or [listener NAME]: lower-case "
                              "letters, digits and '-'")));
        return;
    }
    if (size > RELAIS_CONF_NAME_BYTES) {
        set_bad (line, RELAIS_CONF_LINE_BAD_SECTION,
                 g_strdup_printf (_ ("the section's name is longer than %d octets"),
                                  RELAIS_CONF_NAME_BYTES));
        return;
    }
    line->type = RELAIS_CONF_LINE_SECTION;
    if (size > 0)
        line->name = g_strndup (name, size);
}

static void
parse_key (const char *bytes, gsize size, const char *equals, RelaisConfLine *line)
{
    const char *value = equals + 1;
    gsize key_size = (gsize)(equals - bytes), value_size = size - key_size - 1;

    trim (&bytes, &key_size);
    trim (&value, &value_size);
    line->key = g_strndup (bytes, MIN (key_size, RELAIS_CONF_NAME_BYTES));
    line->value = g_strndup (value, value_size);
    line->type = RELAIS_CONF_LINE_KEY;
    if (!made_of (line->key, KEY_CHARS) || key_size > RELAIS_CONF_NAME_BYTES)
        set_bad (line, RELAIS_CONF_LINE_BAD,
                 g_strdup_printf (_ ("'%s' is no key; expected 'key = value' with a key of "
                                     "lower-case letters, digits and '_'"),
                                  line->key));
}

void
relais_conf_line_parse (const char *bytes, gsize size, RelaisConfLine *line)
{
    const char *equals;
    char *problem;

    memset (line, 0, sizeof *line);
    if (size > 0 && bytes[size - 1] == '\r')
        size--;
    if (size > RELAIS_CONF_LINE_BYTES) {
        set_bad (line, RELAIS_CONF_LINE_BAD,
                 g_strdup_printf (_ ("the line is longer than %d octets"), RELAIS_CONF_LINE_BYTES));
        return;
    }
    problem = unprintable (bytes, size);
    if (problem != NULL) {
        set_bad (line, RELAIS_CONF_LINE_BAD, problem);
        return;
    }
    trim (&bytes, &size);
    if (size == 0 || bytes[0] == '#' || bytes[0] == ';')
        return;
    equals = memchr (bytes, '=', size);
    if (bytes[0] == '[' && bytes[size - 1] == ']')
        parse_section (bytes + 1, size - 2, line);
    else if (bytes[0] == '[')
        set_bad (line, RELAIS_CONF_LINE_BAD_SECTION,
                 g_strdup (_ ("the section is not closed with ']' at the end of the line")));
    else if (equals == NULL)
        set_bad (line, RELAIS_CONF_LINE_BAD,
                 g_strdup (_ ("expected 'key = value', '[section]' or a comment")));
    else
        parse_key (bytes, size, equals, line);
}

void
relais_conf_line_clear (RelaisConfLine *line)
{
    g_free (line->kind);
    g_free (line->name);
    g_free (line->key);
    g_free (line->value);
    g_free (line->problem);
    memset (line, 0, sizeof *line);
}

void
relais_conf_file_each_line (const RelaisConfFile *file, RelaisConfLineFunc func, gpointer data)
{
    const char *bytes = file->bytes;
    gsize left = file->size;
    guint number = 0;

    if (left >= 3 && memcmp (bytes, "\xef\xbb\xbf", 3) == 0) {
        bytes += 3;
        left -= 3;
    }
    while (left > 0) {
        const char *end = memchr (bytes, '\n', left);
        gsize size = end != NULL ? (gsize)(end - bytes) : left;
        gsize step = end != NULL ? size + 1 : left;
        RelaisConfLine line;

        relais_conf_line_parse (bytes, size, &line);
        func (data, file, ++number, &line);
        relais_conf_line_clear (&line);
        bytes += step;
        left -= step;
    }
}
