/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Addresses, status codes and replies in free text. Pure, linear: what is looked at before and behind a place is
 * bounded. Any thread.
 */
#include "report-words.h"

#include <string.h>

enum { LOCAL_BYTES = 64, DOMAIN_BYTES = 255 };

/* --- Addresses -------------------------------------------------------------------------------- */

/* Scripts that are written without blanks: an address in ASCII may follow their words directly. */
enum { FIRST_WITHOUT_BLANKS = 0x2e80 };

/* Whether the character that ends before `end` may be part of an address; its octets. `ascii`: one of ASCII follows it. */
static gsize
letter_before (const char *line, gsize from, gsize end, bool ascii)
{
    const char *p = g_utf8_find_prev_char (line + from, line + end);
    const gunichar c = p != NULL ? g_utf8_get_char_validated (p, line + end - p) : (gunichar)-1;

    if (p == NULL || c >= (gunichar)-2 || !g_unichar_isalnum (c) ||
        (c >= FIRST_WITHOUT_BLANKS && ascii))
        return 0;
    return (gsize)(line + end - p);
}

static gsize
letter_at (const char *line, gsize at, gsize size, bool ascii)
{
    const gunichar c = g_utf8_get_char_validated (line + at, (gssize)(size - at));

    if (c >= (gunichar)-2 || !g_unichar_isalnum (c) || (c >= FIRST_WITHOUT_BLANKS && ascii))
        return 0;
    return (gsize)(g_utf8_next_char (line + at) - (line + at));
}

static gsize
local_before (const char *line, gsize from, gsize end, bool ascii)
{
    const char c = line[end - 1];

    if ((guchar)c >= 0x80)
        return letter_before (line, from, end, ascii);
    return g_ascii_isalnum (c) || (c != '\0' && strchr ("!#$%&'*+/=?^_`{|}~.-", c) != NULL);
}

static gsize
domain_at (const char *line, gsize at, gsize size, bool ascii)
{
    const char c = line[at];

    if ((guchar)c >= 0x80)
        return letter_at (line, at, size, ascii);
    return g_ascii_isalnum (c) || c == '.' || c == '-' || c == '_';
}

/* Where the local part before `sign` begins; `sign` if there is none. */
static gsize
local_start (const char *line, gsize from, gsize sign)
{
    gsize start = sign;

    if (sign > from + 1 && line[sign - 1] == '"') {
        for (start = sign - 1; start > from && sign - start < LOCAL_BYTES; start--)
            if (line[start - 1] == '"')
                return start - 1;
        return sign;
    }
    for (gsize size = 1; start > from && size > 0 && sign - start <= LOCAL_BYTES; start -= size)
        size = local_before (line, from, start, start < sign && (guchar)line[start] < 0x80);
    if (sign - start > LOCAL_BYTES)
        return sign;
    /* Quotes and marks around it, "to=", "mailto=". */
    for (gsize i = start; i < sign; i++)
        if (line[i] == '=' && i + 1 < sign && i - start <= 12 && line[i + 1] != '?')
            start = i + 1;
    while (start < sign && strchr ("'`*.=?-/|", line[start]) != NULL)
        start++;
    return start;
}

static gsize
domain_end (const char *line, gsize size, gsize from)
{
    gsize end = from;

    if (end < size && line[end] == '[') {
        const char *close = memchr (line + end, ']', MIN (size - end, (gsize)64));

        return close != NULL ? (gsize)(close - line) + 1 : from;
    }
    for (gsize n = 1; end < size && n > 0 && end - from <= DOMAIN_BYTES; end += n)
        n = domain_at (line, end, size, end > from && g_ascii_isalnum (line[end - 1]));
    if (end - from > DOMAIN_BYTES)
        return from;
    while (end > from && (line[end - 1] == '.' || line[end - 1] == '-' || line[end - 1] == '_'))
        end--;
    return end;
}

bool
bounce_address_find (const char *line, gsize size, gsize at, BounceAddress *address)
{
    gsize from = at;

    while (at < size) {
        const char *sign = memchr (line + at, '@', size - at);

        if (sign == NULL)
            return false;
        at = (gsize)(sign - line);
        address->from = local_start (line, from, at);
        address->to = domain_end (line, size, at + 1);
        if (address->from < at && address->to > at + 1 &&
            (line[at + 1] == '[' || g_ascii_isalnum (line[at + 1]) || (guchar)line[at + 1] >= 0x80))
            return true;
        from = ++at;
    }
    return false;
}

char *
bounce_address_dup (const char *line, const BounceAddress *address)
{
    g_autofree char *text = g_strndup (line + address->from, address->to - address->from);
    char *sign = strrchr (text, '@');
    g_autofree char *lower = NULL, *valid = NULL;

    g_assert (sign != NULL);
    lower = g_ascii_strdown (sign, -1);
    *sign = '\0';
    valid = g_strconcat (text, lower, NULL);
    return g_utf8_make_valid (valid, -1);
}

char *
bounce_address_dup_first (const char *text)
{
    BounceAddress address;

    return bounce_address_find (text, strlen (text), 0, &address)
               ? bounce_address_dup (text, &address)
               : NULL;
}

bool
bounce_address_is_daemon (const char *address)
{
    static const char *const names[] = {"mailerdaemon",
                                        "postmaster",
                                        "maildaemon",
                                        "mdaemon",
                                        "maildeliverysystem",
                                        "maildeliverysubsystem",
                                        "mailsystem",
                                        "mailadmin",
                                        "mailmaster",
                                        "smtpdaemon",
                                        "poostmaster",
                                        "mailer",
                                        "bounce",
                                        "bounces",
                                        "ndr",
                                        "microsoftexchange",
                                        "systemadministrator",
                                        "deliverysystem",
                                        "mailgateway",
                                        "smtp"};
    char plain[LOCAL_BYTES + 1];
    gsize size = 0;

    for (const char *p = address; *p != '\0' && *p != '@' && size < LOCAL_BYTES; p++)
        if (g_ascii_isalnum (*p))
            plain[size++] = g_ascii_tolower (*p);
    plain[size] = '\0';
    for (guint i = 0; i < G_N_ELEMENTS (names); i++)
        if (strcmp (plain, names[i]) == 0)
            return true;
    return g_str_has_prefix (plain, "microsoftexchange") ||
           g_str_has_prefix (plain, "mailerdaemon") || g_str_has_prefix (plain, "postmaster");
}

/* --- Status codes ----------------------------------------------------------------------------- */

static gsize
count_digits (const char *p, gsize limit)
{
    gsize n = 0;

    while (n < limit && g_ascii_isdigit (p[n]))
        n++;
    return n;
}

gsize
bounce_status_size (const char *text)
{
    gsize size = 2, n;

    if (strchr ("245", text[0]) == NULL || text[0] == '\0' || text[1] != '.')
        return 0;
    n = count_digits (text + size, 4);
    if (n < 1 || n > 3 || text[size + n] != '.')
        return 0;
    size += n + 1;
    n = count_digits (text + size, 4);
    if (n < 1 || n > 3)
        return 0;
    size += n;
    if (g_ascii_isalnum (text[size]) || (text[size] == '.' && g_ascii_isdigit (text[size + 1])))
        return 0;
    return size;
}

static bool
is_word_before (const char *text, const char *p)
{
    return p > text && (g_ascii_isalnum (p[-1]) || p[-1] == '.' || p[-1] == '_' || p[-1] == '@' ||
                        p[-1] == '/');
}

char *
bounce_status_dup_first (const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        gsize size;

        if ((*p != '4' && *p != '5') || p[1] != '.' || is_word_before (text, p))
            continue;
        size = bounce_status_size (p);
        /* Subjects are 0 to 7 (RFC 3463 section 3): what is more is a version or an address. */
        if (size > 0 && p[2] <= '7' && p[3] == '.')
            return g_strndup (p, size);
    }
    return NULL;
}

/* --- Replies ---------------------------------------------------------------------------------- */

static bool
ends_with (const char *text, const char *p, const char *word)
{
    const gsize size = strlen (word);

    return (gsize)(p - text) >= size && g_ascii_strncasecmp (p - size, word, size) == 0;
}

/* Whether a code at `p` stands where one may: at the beginning of a line, behind a colon, a bracket or a word that
 * announces it. */
static bool
is_announced (const char *text, const char *p)
{
    static const char *const words[] = {"code",     "error",  "said",   "reply", "response",
                                        "returned", "reason", "status", "smtp",  "smtp;",
                                        "fehler",   "erreur", "with",   "was"};
    const char *q = p;

    while (q > text && (q[-1] == ' ' || q[-1] == '\t') && p - q < 16)
        q--;
    if (q == text || strchr ("\n:([{<>#'\"|*;=,~", q[-1]) != NULL)
        return true;
    for (guint i = 0; i < G_N_ELEMENTS (words); i++)
        if (ends_with (text, q, words[i]))
            return true;
    return false;
}

static bool
is_code (const char *p)
{
    return (p[0] == '4' || p[0] == '5') && p[1] >= '0' && p[1] <= '7' && g_ascii_isdigit (p[2]) &&
           !g_ascii_isdigit (p[3]);
}

/* Whether an enhanced code of the same class follows. */
static bool
is_enhanced (const char *p)
{
    const char *q = p + 3;

    while (*q != '\0' && strchr (" -:;#(", *q) != NULL && q - p < 10)
        q++;
    return *q == *p && bounce_status_size (q) > 0;
}

static bool
is_reply (const char *text, const char *p)
{
    if (!is_code (p) || (p > text && (g_ascii_isalnum (p[-1]) || p[-1] == '.' || p[-1] == '@' ||
                                      (p[-1] == '-' && p - 1 > text && g_ascii_isalnum (p[-2])))))
        return false;
    if (is_enhanced (p))
        return true;
    /* 451 is a number like any other when a unit or another number follows. */
    if (p[3] == '.' || p[3] == '/' || g_ascii_isalpha (p[3]) || p[3] == '%' || p[3] == '_')
        return false;
    if (!is_announced (text, p))
        return false;
    return p[3] == '\0' || strchr (" -:;)]\n\t,'\">|", p[3]) != NULL;
}

const char *
bounce_reply_find (const char *text, guint *code)
{
    for (const char *p = strpbrk (text, "45"); p != NULL; p = strpbrk (p + 1, "45"))
        if (is_reply (text, p)) {
            *code = (guint)g_ascii_strtoull (p, NULL, 10);
            return p;
        }
    *code = 0;
    return NULL;
}

/* What a line that goes on repeats: "550-5.1.1 " behind "550-5.1.1 ...". */
static gsize
repeated_size (const char *p, const char *end, const char *head)
{
    gsize size = 4, status;

    if (end - p < 4 || memcmp (p, head, 3) != 0 || (p[3] != '-' && p[3] != ' ') || !is_code (p))
        return 0;
    status = bounce_status_size (p + 4);
    if (p[3] == ' ' && status == 0 && bounce_status_size (head + 4) > 0)
        return 0;
    if (status > 0)
        size += status;
    return (gsize)(end - p) >= size ? size : 0;
}

char *
bounce_reply_join (const char *text, gsize size)
{
    const char *p = text, *end = text + MIN (size, (gsize)BOUNCE_DIAGNOSTIC_BYTES * 2);
    GString *joined = g_string_new (NULL);
    const char *head =
        size > 4 && is_code (text) && (text[3] == '-' || text[3] == ' ') ? text : NULL;
    const bool multi = head != NULL && text[3] == '-';
    char *valid;

    while (p < end && joined->len < BOUNCE_DIAGNOSTIC_BYTES) {
        const bool at_word = joined->len == 0 || joined->str[joined->len - 1] == ' ';
        const gsize again = multi && p > text && at_word ? repeated_size (p, end, head) : 0;

        if (again > 0) {
            p += again;
        } else if (*p == ' ' || *p == '\t' || *p == '\n') {
            if (joined->len > 0 && joined->str[joined->len - 1] != ' ')
                g_string_append_c (joined, ' ');
            p++;
        } else {
            g_string_append_c (joined, multi && p == text + 3 ? ' ' : *p);
            p++;
        }
    }
    valid = g_utf8_make_valid (joined->str, (gssize)joined->len);
    g_string_free (joined, TRUE);
    return g_strstrip (valid);
}

/* --- Phrases ---------------------------------------------------------------------------------- */

char *
bounce_text_fold (const char *text)
{
    GString *folded = g_string_sized_new (strlen (text));

    for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p)) {
        gunichar c = g_utf8_get_char (p);

        if (c == 0x2019 || c == 0x2018 || c == 0xb4)
            c = '\'';
        if (g_unichar_isspace (c)) {
            if (folded->len > 0 && folded->str[folded->len - 1] != ' ')
                g_string_append_c (folded, ' ');
        } else {
            g_string_append_unichar (folded, g_unichar_tolower (c));
        }
    }
    return g_string_free (folded, FALSE);
}

bool
bounce_text_has (const char *folded, const char *const *phrases)
{
    for (; *phrases != NULL; phrases++)
        if (strstr (folded, *phrases) != NULL)
            return true;
    return false;
}

bool
bounce_text_starts (const char *folded, const char *const *phrases)
{
    for (; *phrases != NULL; phrases++)
        if (g_str_has_prefix (folded, *phrases))
            return true;
    return false;
}
