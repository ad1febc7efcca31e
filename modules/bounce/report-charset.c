/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Octets of a report as text: transfer encodings, charsets, encoded words, HTML. Lenient: what is malformed
 * is read as far as it can be. Pure, linear; any thread.
 */
#include "report-mail.h"

#include <relais/text.h>

#include <string.h>

/* --- Charsets --------------------------------------------------------------------------------- */

/* Every octet is something; what Windows-1252 leaves open is nothing that anyone reads. */
static char *
from_western (const char *octets, gsize size)
{
    g_autofree char *plain = g_memdup2 (octets, size);

    for (gsize i = 0; i < size; i++)
        if (memchr ("\x81\x8d\x8f\x90\x9d", plain[i], 5) != NULL)
            plain[i] = '?';
    return relais_text_from_charset (plain, size, "windows-1252");
}

/* What is called so may still be written with escapes, which are ASCII. */
static bool
is_called_ascii (const char *name)
{
    return name == NULL || g_ascii_strncasecmp (name, "utf", 3) == 0 ||
           g_ascii_strncasecmp (name, "us", 2) == 0;
}

char *
bounce_charset_to_utf8 (const char *octets, gsize size, const char *name)
{
    const bool escapes = g_strstr_len (octets, (gssize)size, "\033$") != NULL;
    char *text = NULL;

    if (!escapes || !is_called_ascii (name))
        text = relais_text_from_charset (octets, size, name);
    if (text == NULL && escapes)
        text = relais_text_from_charset (octets, size, "iso-2022-jp");
    if (text == NULL && g_utf8_validate (octets, (gssize)size, NULL))
        return g_strndup (octets, size);
    if (text == NULL)
        text = from_western (octets, size);
    return text != NULL ? text : g_utf8_make_valid (octets, (gssize)size);
}

/* Line and paragraph separators, marks that change the direction of what follows. */
static bool
is_control (gunichar c)
{
    return g_unichar_iscntrl (c) || c == 0x2028 || c == 0x2029 || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069) || c == 0xfeff || c == 0x200e || c == 0x200f;
}

char *
bounce_text_clean (const char *text, gssize size, bool lines)
{
    g_autofree char *valid = g_utf8_make_valid (text, size);
    GString *clean = g_string_sized_new (strlen (valid));

    for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p)) {
        const gunichar c = g_utf8_get_char (p);

        if ((c == '\n' || c == '\t') && lines)
            g_string_append_c (clean, (char)c);
        else if (c == 0xfffd)
            g_string_append_c (clean, '?');
        else if (is_control (c))
            g_string_append_c (clean, ' ');
        else
            g_string_append_len (clean, p, g_utf8_next_char (p) - p);
    }
    return g_string_free (clean, FALSE);
}

/* --- Transfer encodings ----------------------------------------------------------------------- */

GString *
bounce_decode_quoted_printable (const char *octets, gsize size, bool word)
{
    GString *text = g_string_sized_new (size);

    for (gsize i = 0; i < size; i++) {
        gsize after = i + 1;

        if (word && octets[i] == '_') {
            g_string_append_c (text, ' ');
            continue;
        }
        if (octets[i] != '=') {
            g_string_append_c (text, octets[i]);
            continue;
        }
        if (size - i >= 3 && g_ascii_isxdigit (octets[i + 1]) && g_ascii_isxdigit (octets[i + 2])) {
            g_string_append_c (text, (char)(g_ascii_xdigit_value (octets[i + 1]) << 4 |
                                            g_ascii_xdigit_value (octets[i + 2])));
            i += 2;
            continue;
        }
        while (after < size && (octets[after] == ' ' || octets[after] == '\t'))
            after++;
        if (after < size && octets[after] != '\n')
            g_string_append_c (text, '=');
        else
            i = after;
    }
    return text;
}

GString *
bounce_decode_base64 (const char *octets, gsize size)
{
    GString *text = g_string_sized_new (size / 4 * 3 + 4);
    int state = 0;
    guint save = 0;
    const gsize n = g_base64_decode_step (octets, size, (guchar *)text->str, &state, &save);

    g_string_set_size (text, n);
    for (char *nul = text->str; (nul = memchr (nul, '\0', (gsize)(text->str + n - nul))) != NULL;)
        *nul = ' ';
    return text;
}

static void
strip_carriage_returns (GString *text)
{
    gsize to = 0;

    for (gsize i = 0; i < text->len; i++)
        if (text->str[i] != '\r')
            text->str[to++] = text->str[i];
        else if (i + 1 == text->len || text->str[i + 1] != '\n')
            text->str[to++] = '\n';
    g_string_truncate (text, to);
}

char *
bounce_mail_dup_text (BounceMail *mail, const BouncePart *part)
{
    const char *octets = mail->bytes + part->content;
    const gsize size = MIN (part->content_size, (gsize)BOUNCE_MAIL_TEXT_BYTES);
    g_autoptr (GString) decoded = NULL;
    g_autofree char *text = NULL;

    if (part->encoding == BOUNCE_QUOTED_PRINTABLE)
        decoded = bounce_decode_quoted_printable (octets, size, false);
    else if (part->encoding == BOUNCE_BASE64)
        decoded = bounce_decode_base64 (octets, size);
    else
        decoded = g_string_new_len (octets, (gssize)size);
    strip_carriage_returns (decoded);
    mail->steps += size;
    text = bounce_charset_to_utf8 (decoded->str, decoded->len, part->charset);
    return bounce_text_clean (text, -1, true);
}

/* --- Encoded words ---------------------------------------------------------------------------- */

/* The word at `p`, "=?charset?q?text?="; where it ends, or NULL if there is none. */
static const char *
decode_word (const char *p, GString *to)
{
    const char *encoding, *text, *end;
    g_autofree char *charset = NULL, *utf8 = NULL;
    g_autoptr (GString) octets = NULL;

    encoding = memchr (p + 2, '?', strnlen (p + 2, 40));
    if (encoding == NULL || encoding[1] == '\0' || encoding[2] != '?')
        return NULL;
    text = encoding + 3;
    end = g_strstr_len (text, 1024, "?=");
    if (end == NULL)
        return NULL;
    charset = g_strndup (p + 2, (gsize)(encoding - p - 2));
    if (g_ascii_toupper (encoding[1]) == 'Q')
        octets = bounce_decode_quoted_printable (text, (gsize)(end - text), true);
    else
        octets = bounce_decode_base64 (text, (gsize)(end - text));
    utf8 = bounce_charset_to_utf8 (octets->str, octets->len, charset);
    g_string_append (to, utf8);
    return end + 2;
}

char *
bounce_text_decode_words (const char *text)
{
    GString *to = g_string_new (NULL);
    const char *p = text;
    bool after_word = false;

    while (*p != '\0') {
        const char *next = p[0] == '=' && p[1] == '?' ? decode_word (p, to) : NULL;
        const gsize blanks = strspn (p, " \t");

        if (next != NULL) {
            p = next;
            after_word = true;
        } else if (after_word && blanks > 0 && p[blanks] == '=' && p[blanks + 1] == '?') {
            p += blanks;
        } else {
            g_string_append_c (to, *p++);
            after_word = false;
        }
    }
    return g_string_free (to, FALSE);
}

/* --- HTML ------------------------------------------------------------------------------------- */

static void
append_reference (GString *to, const char **at)
{
    static const struct {
        const char *name, *text;
    } names[] = {{"lt;", "<"},    {"gt;", ">"},   {"amp;", "&"},
                 {"quot;", "\""}, {"nbsp;", " "}, {"apos;", "'"}};
    const char *p = *at + 1;
    char *end = NULL;
    guint64 code = 0;

    for (guint i = 0; i < G_N_ELEMENTS (names); i++)
        if (g_str_has_prefix (p, names[i].name)) {
            g_string_append (to, names[i].text);
            *at = p + strlen (names[i].name);
            return;
        }
    if (*p == '#')
        code = p[1] == 'x' || p[1] == 'X' ? g_ascii_strtoull (p + 2, &end, 16)
                                          : g_ascii_strtoull (p + 1, &end, 10);
    if (code > 0 && code <= 0x10ffff && g_unichar_validate ((gunichar)code)) {
        g_string_append_unichar (to, (gunichar)code);
        *at = *end == ';' ? end + 1 : end;
        return;
    }
    g_string_append_c (to, '&');
    *at = p;
}

/* Behind the element whose start tag begins at `p`, for those whose text is not shown; else NULL. */
static const char *
skip_hidden (const char *p, const char *end)
{
    static const char *const names[] = {"style", "script", "title"};

    for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
        const gsize size = strlen (names[i]);

        if (g_ascii_strncasecmp (p + 1, names[i], size) != 0 || g_ascii_isalnum (p[1 + size]))
            continue;
        for (p = memchr (p + 1, '<', (gsize)(end - p - 1)); p != NULL;
             p = memchr (p + 1, '<', (gsize)(end - p - 1)))
            if (p[1] == '/' && g_ascii_strncasecmp (p + 2, names[i], size) == 0)
                return p;
        return end;
    }
    return NULL;
}

static bool
breaks_line (const char *tag)
{
    static const char *const names[] = {"br", "p",  "div",   "tr",  "li", "h1", "h2", "h3",
                                        "h4", "td", "table", "pre", "hr", "ul", "ol"};
    const char *p = tag + 1 + (tag[1] == '/');

    for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
        const gsize size = strlen (names[i]);

        if (g_ascii_strncasecmp (p, names[i], size) == 0 && !g_ascii_isalnum (p[size]))
            return true;
    }
    return false;
}

/* An address in brackets that nobody escaped is none. */
static bool
is_tag (const char *p, const char *end)
{
    const gsize size = (gsize)(end - p);

    if (!g_ascii_isalpha (p[1]) && p[1] != '/' && p[1] != '!')
        return false;
    return size > 256 || memchr (p, '@', size) == NULL || memchr (p, ' ', size) != NULL;
}

char *
bounce_mail_dup_text_of_html (BounceMail *mail, const BouncePart *part)
{
    g_autofree char *html = bounce_mail_dup_text (mail, part);
    const char *p = html, *end = html + strlen (html), *gt = html;
    g_autoptr (GString) text = g_string_sized_new ((gsize)(end - html));
    bool in_pre = false;

    mail->steps += (gsize)(end - html);
    while (p < end) {
        const char *close;

        if (*p == '&') {
            append_reference (text, &p);
            continue;
        }
        if (gt < p)
            gt = p;
        if (*p == '<' && gt < end && *gt != '>') {
            gt = memchr (gt, '>', (gsize)(end - gt));
            gt = gt != NULL ? gt : end;
        }
        if (*p != '<' || !is_tag (p, gt)) {
            g_string_append_c (text, *p == '\n' && !in_pre ? ' ' : *p);
            p++;
            continue;
        }
        close = skip_hidden (p, end);
        if (close == NULL) {
            if (breaks_line (p))
                g_string_append_c (text, '\n');
            if (g_ascii_strncasecmp (p, "<pre", 4) == 0 || g_ascii_strncasecmp (p, "</pre", 5) == 0)
                in_pre = p[1] != '/';
            close = gt < end ? gt + 1 : p + 1;
        }
        p = close;
    }
    return bounce_text_clean (text->str, (gssize)text->len, true);
}
