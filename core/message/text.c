/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Encoded words (RFC 2047) and parameters (RFC 2231) as text. Words of one charset that stand one behind the
 * other are converted together, since many writers cut characters in two. Whatever cannot be converted stands
 * as it was. Pure, bounded by RELAIS_TEXT_BYTES; any thread.
 */
#include "config.h"

#include <relais/text.h>

#include <stdbool.h>
#include <string.h>

enum {
    CHARSET_BYTES = 40, /* of a charset's name, with its language */
    WORD_BYTES = 1024,  /* RFC 2047 section 2 has 75 */
    PIECES = 100        /* of one parameter */
};

/* One line: folds undone, other line ends and NULs as spaces. */
static GString *
unfold (const char *value, guint64 size, RelaisTextFlags *flags)
{
    GString *line = g_string_sized_new ((gsize)MIN (size, RELAIS_TEXT_BYTES));

    if (size > RELAIS_TEXT_BYTES) {
        size = RELAIS_TEXT_BYTES;
        *flags |= RELAIS_TEXT_CUT;
    }
    for (gsize i = 0; i < size; i++) {
        const bool ends = value[i] == '\r' && i + 1 < size && value[i + 1] == '\n';

        if (ends && (i + 2 >= size || value[i + 2] == ' ' || value[i + 2] == '\t'))
            i++;
        else
            g_string_append_c (line, strchr ("\r\n", value[i]) != NULL ? ' ' : value[i]);
    }
    return line;
}

/* Valid UTF-8 without control characters. Takes `text`. */
static char *
clean (char *text, gsize size, RelaisTextFlags *flags)
{
    char *valid = text;

    if (!g_utf8_validate (text, (gssize)size, NULL)) {
        valid = g_utf8_make_valid (text, (gssize)size);
        g_free (text);
        *flags |= RELAIS_TEXT_MALFORMED;
    }
    for (char *p = valid; *p != '\0'; p++)
        if (g_ascii_iscntrl (*p))
            *p = ' ';
    return valid;
}

/* --- Words ---------------------------------------------------------------------------------------- */

/* Words of one charset. */
typedef struct {
    const char *start,
        *end;      /* where they stand, blanks before the first included if they were dropped */
    char *charset; /* NULL: there is none */
    GString *octets;
} Run;

static bool
decode_q (const char *text, gsize size, GString *to)
{
    for (gsize i = 0; i < size; i++) {
        if (text[i] == '=' &&
            (size - i < 3 || !g_ascii_isxdigit (text[i + 1]) || !g_ascii_isxdigit (text[i + 2])))
            return false;
        if (text[i] == '=') {
            g_string_append_c (to, (char)(g_ascii_xdigit_value (text[i + 1]) << 4 |
                                          g_ascii_xdigit_value (text[i + 2])));
            i += 2;
        } else
            g_string_append_c (to, text[i] == '_' ? ' ' : text[i]);
    }
    return true;
}

static bool
decode_b (const char *text, gsize size, GString *to)
{
    g_autofree guchar *octets = g_malloc (size / 4 * 3 + 4);
    const gsize n = size - (size > 0 && text[size - 1] == '=') -
                    (size > 1 && text[size - 1] == '=' && text[size - 2] == '=');
    int state = 0;
    guint save = 0;

    for (gsize i = 0; i < n; i++)
        if (!g_ascii_isalnum (text[i]) && text[i] != '+' && text[i] != '/')
            return false;
    if (n % 4 == 1) /* six bits of an octet */
        return false;
    g_string_append_len (to, (const char *)octets,
                         (gssize)g_base64_decode_step (text, size, octets, &state, &save));
    return true;
}

/* The word at `p`; its end, or NULL if there is none. The charset is owned, its language (RFC 2231 section 5)
 * left out. */
static const char *
take_word (const char *p, const char *end, char **charset, GString *octets, RelaisTextFlags *flags)
{
    const char *encoding = memchr (p + 2, '?', (gsize)MIN (end - p - 2, CHARSET_BYTES));
    const char *text, *last;
    bool good;

    if (encoding == NULL || end - encoding < 5 || encoding[2] != '?' ||
        strchr ("QqBb", encoding[1]) == NULL)
        return NULL;
    text = encoding + 3;
    last = g_strstr_len (text, MIN (end - text, WORD_BYTES), "?=");
    if (last == NULL)
        return NULL;
    g_string_truncate (octets, 0);
    good = (g_ascii_toupper (encoding[1]) == 'Q' ? decode_q : decode_b) (text, (gsize)(last - text),
                                                                         octets);
    if (!good) {
        *flags |= RELAIS_TEXT_MALFORMED;
        return NULL;
    }
    *charset = g_strndup (p + 2, (gsize)(encoding - p - 2));
    (*charset)[strcspn (*charset, "*")] = '\0';
    return last + 2;
}

static bool
is_known (const char *charset)
{
    g_autofree char *empty = relais_text_from_charset ("", 0, charset);

    return empty != NULL;
}

static void
end_run (Run *run, GString *to, RelaisTextFlags *flags)
{
    g_autofree char *text = NULL;

    if (run->charset == NULL)
        return;
    text = relais_text_from_charset (run->octets->str, run->octets->len, run->charset);
    if (text != NULL)
        g_string_append (to, text);
    else {
        *flags |= is_known (run->charset) ? RELAIS_TEXT_MALFORMED : RELAIS_TEXT_UNKNOWN_CHARSET;
        g_string_append_len (to, run->start, run->end - run->start);
    }
    g_clear_pointer (&run->charset, g_free);
    g_string_truncate (run->octets, 0);
}

static void
add_word (Run *run, char *charset, const GString *octets, const char *start, const char *end,
          GString *to, RelaisTextFlags *flags)
{
    if (run->charset == NULL || g_ascii_strcasecmp (run->charset, charset) != 0) {
        end_run (run, to, flags);
        run->start = start;
        run->charset = g_strdup (charset);
    }
    run->end = end;
    g_string_append_len (run->octets, octets->str, (gssize)octets->len);
    g_free (charset);
}

static char *
decode_words (const GString *line, RelaisTextFlags *flags)
{
    const char *p = line->str, *end = line->str + line->len;
    g_autoptr (GString) octets = g_string_new (NULL);
    GString *to = g_string_sized_new (line->len);
    Run run = {.octets = g_string_new (NULL)};
    gsize size;

    while (p < end) {
        const gsize blanks = run.charset != NULL ? strspn (p, " \t") : 0;
        const char *word = p + blanks, *after = NULL;
        char *charset = NULL;

        if (end - word > 2 && word[0] == '=' && word[1] == '?')
            after = take_word (word, end, &charset, octets, flags);
        if (after != NULL) {
            add_word (&run, charset, octets, p, after, to, flags);
            p = after;
            continue;
        }
        end_run (&run, to, flags);
        after = MIN (word + 1, end);
        g_string_append_len (to, p, after - p);
        p = after;
    }
    end_run (&run, to, flags);
    g_string_free (run.octets, TRUE);
    size = to->len;
    return clean (g_string_free (to, FALSE), size, flags);
}

gchar *
relais_text_decode (const gchar *value, guint64 size, RelaisTextFlags *flags)
{
    RelaisTextFlags found = 0;
    g_autoptr (GString) line = NULL;
    char *text;

    g_return_val_if_fail (value != NULL || size == 0, NULL);
    line = unfold (value, size, &found);
    text = decode_words (line, &found);
    if (flags != NULL)
        *flags = found;
    return text;
}

/* --- Parameters ------------------------------------------------------------------------------------- */

typedef struct {
    GString *value; /* NULL: it did not come */
    bool extended;  /* percent-encoded */
} Piece;

/* Past a token or a quoted string, which goes to `to` without its quotes. */
static const char *
take_value (const char *p, GString *to)
{
    if (*p != '"') {
        const gsize size = strcspn (p, "; \t");

        g_string_append_len (to, p, (gssize)size);
        return p + size;
    }
    for (p++; *p != '\0' && *p != '"'; p++) {
        if (*p == '\\' && p[1] != '\0')
            p++;
        g_string_append_c (to, *p);
    }
    return *p == '"' ? p + 1 : p;
}

/* Whether an attribute is `name`, or a piece of it: its number, and whether it is percent-encoded. Number -1:
 * the plain form. */
static bool
match_attribute (const char *attribute, gsize size, const char *name, int *number, bool *extended)
{
    const gsize name_size = strlen (name);
    gsize at = name_size;

    if (size < name_size || g_ascii_strncasecmp (attribute, name, name_size) != 0)
        return false;
    *number = -1;
    *extended = false;
    if (at == size)
        return true;
    if (attribute[at++] != '*')
        return false;
    if (at == size) {
        *number = 0;
        *extended = true;
        return true;
    }
    for (*number = 0; at < size && g_ascii_isdigit (attribute[at]); at++)
        if ((*number = *number * 10 + g_ascii_digit_value (attribute[at])) >= PIECES)
            return false;
    *extended = at + 1 == size && attribute[at] == '*';
    return at > name_size + 1 && (at == size || *extended);
}

/* The pieces of the parameter; `plain` (nullable) is set to its plain form. */
static void
find_pieces (const GString *line, const char *name, Piece *pieces, GString **plain)
{
    g_autoptr (GString) skipped = g_string_new (NULL);
    const char *p = line->str;

    while ((p = take_value (p, skipped)) != NULL && *p != '\0') {
        const char *attribute = p + strspn (p, "; \t");
        const gsize size = strcspn (attribute, "=; \t\"");
        const char *equals = attribute + size + strspn (attribute + size, " \t");
        g_autoptr (GString) value = g_string_new (NULL);
        bool extended;
        int number;

        g_string_truncate (skipped, 0);
        p = attribute + size;
        if (*equals != '=' || size == 0)
            continue;
        p = take_value (equals + 1 + strspn (equals + 1, " \t"), value);
        if (!match_attribute (attribute, size, name, &number, &extended))
            continue;
        if (number < 0 && *plain == NULL)
            *plain = g_steal_pointer (&value);
        else if (number >= 0 && pieces[number].value == NULL)
            pieces[number] = (Piece){g_steal_pointer (&value), extended};
    }
}

/* Appends a piece; what stands behind a % that is no octet stays. */
static void
add_piece (GString *to, const char *text, bool extended, RelaisTextFlags *flags)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (!extended || *p != '%') {
            g_string_append_c (to, *p);
        } else if (g_ascii_isxdigit (p[1]) && g_ascii_isxdigit (p[2])) {
            g_string_append_c (
                to, (char)(g_ascii_xdigit_value (p[1]) << 4 | g_ascii_xdigit_value (p[2])));
            p += 2;
        } else {
            g_string_append_c (to, *p);
            *flags |= RELAIS_TEXT_MALFORMED;
        }
    }
}

/* Pieces up to the first that is missing; the first says the charset: "charset'language'text". */
static char *
join_pieces (const Piece *pieces, RelaisTextFlags *flags)
{
    g_autoptr (GString) octets = g_string_new (NULL);
    g_auto (GStrv) parts = NULL;
    char *text = NULL;

    if (pieces[0].extended)
        parts = g_strsplit (pieces[0].value->str, "'", 3);
    if (parts != NULL && g_strv_length (parts) < 3)
        *flags |= RELAIS_TEXT_MALFORMED;
    for (guint i = 0; i < PIECES && pieces[i].value != NULL; i++)
        add_piece (octets,
                   i == 0 && parts != NULL && g_strv_length (parts) == 3 ? parts[2]
                                                                         : pieces[i].value->str,
                   pieces[i].extended, flags);
    if (parts != NULL && g_strv_length (parts) == 3 && parts[0][0] != '\0') {
        text = relais_text_from_charset (octets->str, octets->len, parts[0]);
        if (text == NULL)
            *flags |= is_known (parts[0]) ? RELAIS_TEXT_MALFORMED : RELAIS_TEXT_UNKNOWN_CHARSET;
    }
    if (text == NULL) {
        for (gsize i = 0; i < octets->len; i++)
            if (octets->str[i] == '\0')
                octets->str[i] = ' ';
        text = g_strndup (octets->str, octets->len);
    }
    return clean (text, strlen (text), flags);
}

gchar *
relais_text_decode_parameter (const gchar *value, guint64 size, const gchar *name,
                              RelaisTextFlags *flags)
{
    RelaisTextFlags found = 0;
    Piece pieces[PIECES] = {{NULL}};
    g_autoptr (GString) line = NULL, plain = NULL;
    char *text = NULL;

    g_return_val_if_fail ((value != NULL || size == 0) && name != NULL, NULL);
    line = unfold (value, size, &found);
    find_pieces (line, name, pieces, &plain);
    if (pieces[0].value != NULL)
        text = join_pieces (pieces, &found);
    else if (plain != NULL)
        text = decode_words (plain, &found);
    for (guint i = 0; i < PIECES; i++)
        if (pieces[i].value != NULL)
            g_string_free (pieces[i].value, TRUE);
    if (flags != NULL)
        *flags = found;
    return text;
}
