/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Attribute values of HTML: character references read (WHATWG 13.2.5.72 to 13.2.5.80, what they say
 * of attributes) and written. Linear: a name is looked for once, octet by octet, each halving what is
 * left of the table. Pure; any thread.
 */
#include "config.h"

#include "message/html-private.h"

#include <string.h>

#include "message/html-entities-private.h"

enum { LAST_CODE_POINT = 0x10ffff };

/* --- Reading ------------------------------------------------------------------------------------ */

static const char *
name_at (guint i)
{
    return html_entities + html_entity_starts[i];
}

/* The first of the names low .. high - 1, equal before `place`, whose octet there is at least this. */
static guint
lower_bound (guint low, guint high, gsize place, guint octet)
{
    while (low < high) {
        const guint middle = low + (high - low) / 2;

        if ((guint8)name_at (middle)[place] < octet)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The length of the longest name that stands here; 0 if none does. */
static gsize
find_name (const guint8 *bytes, gsize size, const char **says)
{
    guint low = 0, high = G_N_ELEMENTS (html_entity_starts);
    gsize longest = 0;

    for (gsize n = 0; n < size && (g_ascii_isalnum ((char)bytes[n]) || bytes[n] == ';'); n++) {
        low = lower_bound (low, high, n, bytes[n]);
        high = lower_bound (low, high, n, bytes[n] + 1u);
        if (low == high)
            break;
        if (name_at (low)[n + 1] == '\0') {
            longest = n + 1;
            *says = name_at (low) + n + 2;
        }
    }
    return longest;
}

/* A named reference behind its '&'; how many octets it takes, 0 if it stays as it is. */
static gsize
take_named (GString *out, const guint8 *bytes, gsize size)
{
    const char *says = NULL;
    const gsize n = find_name (bytes, size, &says);

    if (n == 0)
        return 0;
    /* As in "?a=1&copy=2", which was written before there were references for everything. */
    if (bytes[n - 1] != ';' && n < size && (bytes[n] == '=' || g_ascii_isalnum ((char)bytes[n])))
        return 0;
    g_string_append (out, says);
    return n;
}

/* What the numbers of the C1 controls stand for, as if they were octets of windows-1252. */
static guint32
remap (guint32 code)
{
    static const guint16 windows[] = {
        0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6,  0x2030, 0x160,
        0x2039, 0x152,  0x8d,   0x17d,  0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
        0x2013, 0x2014, 0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178};

    return code >= 0x80 && code < 0x80 + G_N_ELEMENTS (windows) ? windows[code - 0x80] : code;
}

/* A numeric reference behind its '&'; as above. `*bad` if no URL may hold what it stands for. */
static gsize
take_numeric (GString *out, const guint8 *bytes, gsize size, bool *bad)
{
    const bool hex = size > 1 && (bytes[1] == 'x' || bytes[1] == 'X');
    const gsize start = hex ? 2 : 1;
    guint32 code = 0;
    gsize n = start;

    for (; n < size; n++) {
        const int digit =
            hex ? g_ascii_xdigit_value ((char)bytes[n]) : g_ascii_digit_value ((char)bytes[n]);

        if (digit < 0)
            break;
        code = MIN (code * (hex ? 16u : 10u) + (guint32)digit, LAST_CODE_POINT + 1);
    }
    if (n == start)
        return 0;
    if (code == 0 || code > LAST_CODE_POINT || (code >= 0xd800 && code < 0xe000))
        *bad = true;
    else
        g_string_append_unichar (out, remap (code));
    return n < size && bytes[n] == ';' ? n + 1 : n;
}

char *
relais_html_decode_value (const guint8 *value, gsize size, gsize *out_size)
{
    GString *out = g_string_sized_new (size);
    bool bad = size > 0 && memchr (value, '\0', size) != NULL;
    gsize at = 0;

    while (at < size && !bad) {
        const guint8 *ampersand = memchr (value + at, '&', size - at);
        const gsize plain = ampersand != NULL ? (gsize)(ampersand - value) - at : size - at;
        gsize n;

        g_string_append_len (out, (const char *)value + at, (gssize)plain);
        at += plain;
        if (ampersand == NULL)
            break;
        at++;
        n = at < size && value[at] == '#' ? take_numeric (out, value + at, size - at, &bad)
                                          : take_named (out, value + at, size - at);
        if (n == 0)
            g_string_append_c (out, '&');
        at += n;
    }
    if (bad) {
        g_string_free (out, TRUE);
        return NULL;
    }
    *out_size = out->len;
    return g_string_free (out, FALSE);
}

/* --- Writing ------------------------------------------------------------------------------------ */

/* Where an octet must be a reference: '<' and '>' in any value, so that one inside a conditional comment
 * ends neither it nor its condition, and line ends, so that the text keeps its lines. So must a '-' behind
 * another in an unquoted value: no quote stands between it and the tag's '>', and "-->" would end a comment. */
enum { ANYWHERE = 1, UNQUOTED = 2, IN_DOUBLE = 4, IN_SINGLE = 8, DASH_UNQUOTED = 16 };

static const guint8 escapes[256] = {
    ['&'] = ANYWHERE,  ['<'] = ANYWHERE,      ['>'] = ANYWHERE,
    ['\r'] = ANYWHERE, ['\n'] = ANYWHERE,     ['\t'] = UNQUOTED,
    ['\f'] = UNQUOTED, [' '] = UNQUOTED,      ['"'] = UNQUOTED | IN_DOUBLE,
    ['='] = UNQUOTED,  ['-'] = DASH_UNQUOTED, ['\''] = UNQUOTED | IN_SINGLE,
    ['`'] = UNQUOTED,
};

void
relais_html_append_value (GString *out, const char *bytes, gsize size, guint8 quote)
{
    const guint8 where = ANYWHERE | (quote == 0     ? UNQUOTED | DASH_UNQUOTED
                                     : quote == '"' ? IN_DOUBLE
                                                    : IN_SINGLE);
    gsize from = 0;

    for (gsize i = 0; i < size; i++) {
        const guint8 octet = (guint8)bytes[i];

        if (G_LIKELY ((escapes[octet] & where) == 0) ||
            (octet == '-' && (i == 0 || bytes[i - 1] != '-')))
            continue;
        g_string_append_len (out, bytes + from, (gssize)(i - from));
        if (octet == '&')
            g_string_append (out, "&amp;");
        else
            g_string_append_printf (out, "&#%u;", octet);
        from = i + 1;
    }
    g_string_append_len (out, bytes + from, (gssize)(size - from));
}
