/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The basic URL parser and the serializer of the URL standard (WHATWG), for absolute http and https URLs,
 * as Chromium does it. Owns nothing; pure; any thread. Each octet is looked at a fixed number of times.
 *
 * Where browsers, or versions of the standard, do not agree, where a URL is of no use to a mail's reader,
 * and for all that is seldom but in tricks, there is no result: it must never lead elsewhere.
 */
#include "url.h"

#include <idn2.h>
#include <string.h>

enum { LABEL_BYTES = 63, NAME_BYTES = 253, PORT_MAX = 65535 };

typedef struct {
    const char *bytes;
    gsize size;
} Span;

/* What an octet of ASCII ends, and where it is to be encoded. */
enum {
    ENDS_AUTHORITY = 1,
    ENDS_HOST = 2,
    ENDS_PATH = 4,
    ENDS_SEGMENT = 8,
    ENDS_QUERY = 16,
    UNSAFE_IN_PATH = 32,
    UNSAFE_IN_QUERY = 64,
    UNSAFE_IN_FRAGMENT = 128,
    UNCLEAR_IN_PATH = 256
};

static const guint16 classes[256] = {
    [' '] = UNSAFE_IN_PATH,
    ['"'] = UNSAFE_IN_PATH | UNSAFE_IN_QUERY | UNSAFE_IN_FRAGMENT,
    ['#'] = ENDS_AUTHORITY | ENDS_PATH | ENDS_QUERY | UNSAFE_IN_PATH | UNSAFE_IN_QUERY,
    ['\''] = UNSAFE_IN_QUERY,
    ['/'] = ENDS_AUTHORITY | ENDS_SEGMENT,
    [':'] = ENDS_HOST,
    ['<'] = UNSAFE_IN_PATH | UNSAFE_IN_QUERY | UNSAFE_IN_FRAGMENT,
    ['>'] = UNSAFE_IN_PATH | UNSAFE_IN_QUERY | UNSAFE_IN_FRAGMENT,
    ['?'] = ENDS_AUTHORITY | ENDS_PATH | UNSAFE_IN_PATH,
    ['\\'] = ENDS_AUTHORITY | ENDS_SEGMENT,
    ['^'] = UNCLEAR_IN_PATH,
    ['`'] = UNSAFE_IN_PATH | UNSAFE_IN_FRAGMENT,
    ['{'] = UNSAFE_IN_PATH,
    ['|'] = UNCLEAR_IN_PATH,
    ['}'] = UNSAFE_IN_PATH,
};

/* --- Before anything is parsed --------------------------------------------------------------------- */

static bool
is_removed (char c)
{
    return c == '\t' || c == '\n' || c == '\r';
}

/* C0 controls and the space, which links may have at either end. */
static bool
is_margin (char c)
{
    return (guchar)c <= 0x20;
}

bool
click_url_is_web (const char *href, gsize size)
{
    static const char word[] = "http";
    gsize at = 0, seen = 0;

    while (at < size && is_margin (href[at]))
        at++;
    for (; at < size; at++) {
        const char c = g_ascii_tolower (href[at]);

        if (is_removed (c))
            continue;
        if (seen >= 4 && c == ':')
            return true;
        if (seen < 4 ? c != word[seen] : seen > 4 || c != 's')
            return false;
        seen++;
    }
    return false;
}

/* Without its margins, tabs and line ends; NULL if it is longer than any URL we make, or has a NUL, which is
 * another character in HTML than elsewhere. */
static GString *
clean (const char *href, gsize size)
{
    g_autoptr (GString) text = NULL;

    if (size > 0 && memchr (href, '\0', size) != NULL)
        return NULL;
    while (size > 0 && is_margin (href[0])) {
        href++;
        size--;
    }
    while (size > 0 && is_margin (href[size - 1]))
        size--;
    text = g_string_sized_new (MIN (size, CLICK_URL_BYTES));
    for (gsize from = 0, at; from < size; from = at + 1) {
        for (at = from; at < size && !is_removed (href[at]);)
            at++;
        if (at - from > CLICK_URL_BYTES - text->len)
            return NULL;
        g_string_append_len (text, href + from, (gssize)(at - from));
    }
    return g_steal_pointer (&text);
}

static bool
is_noncharacter (gunichar c)
{
    return (c & 0xfffe) == 0xfffe || (c >= 0xfdd0 && c <= 0xfdef);
}

static bool
is_ascii (const GString *text)
{
    guchar all = 0;

    for (gsize i = 0; i < text->len; i++)
        all |= (guchar)text->str[i];
    return all < 0x80;
}

/* Whether all browsers read the same characters in it, none of which is a NUL. */
static bool
has_known_characters (const GString *text, bool utf8)
{
    const char *end = text->str + text->len;

    if (is_ascii (text))
        return true;
    if (!utf8 || !g_utf8_validate_len (text->str, text->len, NULL))
        return false;
    for (const char *p = text->str; p < end; p = g_utf8_next_char (p))
        if ((guchar)*p >= 0x80 && is_noncharacter (g_utf8_get_char (p)))
            return false;
    return true;
}

/* --- Pieces ---------------------------------------------------------------------------------------- */

static bool
is_of (char c, guint16 wanted)
{
    return (classes[(guchar)c] & wanted) != 0;
}

/* Takes what stands before the first octet of such a class, or all, off the front of `rest`. */
static Span
take_until (Span *rest, guint16 stops)
{
    Span taken = {rest->bytes, 0};

    while (taken.size < rest->size && !is_of (rest->bytes[taken.size], stops))
        taken.size++;
    rest->bytes += taken.size;
    rest->size -= taken.size;
    return taken;
}

static bool
take_word (Span *rest, const char *word)
{
    const gsize size = strlen (word);

    if (rest->size < size || g_ascii_strncasecmp (rest->bytes, word, size) != 0)
        return false;
    rest->bytes += size;
    rest->size -= size;
    return true;
}

/* Appends with everything percent-encoded that is not printable ASCII or is of the class `unsafe`. Escapes
 * that are there, and what is none after a %, stay as they are. */
static void
append_encoded (GString *url, Span text, guint16 unsafe)
{
    static const char digits[] = "0123456789ABCDEF";
    gsize from = 0;

    for (gsize i = 0; i < text.size; i++) {
        const guchar c = (guchar)text.bytes[i];

        if (c > 0x20 && c < 0x7f && !is_of ((char)c, unsafe))
            continue;
        g_string_append_len (url, text.bytes + from, (gssize)(i - from));
        g_string_append_c (url, '%');
        g_string_append_c (url, digits[c >> 4]);
        g_string_append_c (url, digits[c & 15]);
        from = i + 1;
    }
    g_string_append_len (url, text.bytes + from, (gssize)(text.size - from));
}

/* --- The host -------------------------------------------------------------------------------------- */

static bool
is_host_octet (char c)
{
    return g_ascii_islower (c) || g_ascii_isdigit (c) || c == '-' || c == '_';
}

static bool
is_number (const char *label, gsize size)
{
    gsize digits = 0;

    while (digits < size && g_ascii_isdigit (label[digits]))
        digits++;
    if (digits == size)
        return true;
    if (size < 2 || label[0] != '0' || label[1] != 'x')
        return false;
    for (digits = 2; digits < size && g_ascii_isxdigit (label[digits]);)
        digits++;
    return digits == size;
}

/* Four numbers from 0 to 255, as they are always written. */
static bool
is_dotted_quad (const char *host)
{
    for (guint i = 0; i < 4; i++) {
        const char *first = host;
        guint value = 0;

        while (g_ascii_isdigit (*host) && host < first + 3)
            value = 10 * value + (guint)g_ascii_digit_value (*host++);
        if (host == first || value > 255 || (*first == '0' && host > first + 1))
            return false;
        if (*host++ != (i < 3 ? '.' : '\0'))
            return false;
    }
    return true;
}

/* A name in ASCII and lower case, with a dot behind or not, or a dotted quad. */
static bool
is_host (const char *host)
{
    const gsize size = strlen (host);
    gsize begin = 0;

    if (size == 0 || size > NAME_BYTES + 1u)
        return false;
    for (gsize i = 0; i <= size; i++) {
        const bool last = i == size || (host[i] == '.' && i + 1 == size);

        if (i < size && is_host_octet (host[i]))
            continue;
        if (i < size && host[i] != '.')
            return false;
        if (i == begin || i - begin > LABEL_BYTES)
            return false;
        if (last && is_number (host + begin, i - begin))
            return is_dotted_quad (host);
        if (last)
            return true;
        begin = i + 1;
    }
    return false;
}

/* Letters with their marks and digits, and the dots of other scripts: what all versions of Unicode that
 * know them map alike. They do not so for the capital sharp s. */
static bool
has_plain_letters (const char *host, gsize size)
{
    for (const char *p = host; p < host + size; p = g_utf8_next_char (p)) {
        const gunichar c = g_utf8_get_char (p);

        if (c < 0x80 || c == 0x3002 || c == 0xff0e)
            continue;
        if (c == 0x1e9e)
            return false;
        switch (g_unichar_type (c)) {
        case G_UNICODE_LOWERCASE_LETTER:
        case G_UNICODE_UPPERCASE_LETTER:
        case G_UNICODE_OTHER_LETTER:
        case G_UNICODE_MODIFIER_LETTER:
        case G_UNICODE_NON_SPACING_MARK:
        case G_UNICODE_SPACING_MARK:
        case G_UNICODE_DECIMAL_NUMBER: break;
        default: return false;
        }
    }
    return true;
}

/* The blocks of the scripts that are written from right to left. */
static bool
is_right_to_left (gunichar c)
{
    return (c >= 0x590 && c <= 0x8ff) || (c >= 0xfb1d && c <= 0xfdff) ||
           (c >= 0xfe70 && c <= 0xfeff) || (c >= 0x10800 && c <= 0x10fff) ||
           (c >= 0x1e800 && c <= 0x1efff);
}

/* Whether a name in Unicode has a direction that all agree on. libidn2 does not hold all of RFC 5893: with
 * letters from right to left anywhere in the name every label has to begin with a letter and to end with a
 * letter or digit, and digits and marks have to be of the same kind. So there are only those letters, and
 * ASCII. */
static bool
has_clear_direction (const char *name)
{
    bool found = false, clear = true, first = true;

    for (const char *p = name; *p != '\0'; p = g_utf8_next_char (p)) {
        const gunichar c = g_utf8_get_char (p);

        found |= is_right_to_left (c);
        clear &= !first || g_unichar_isalpha (c);
        clear &= c < 0x80 ? c != '-' && c != '_' : is_right_to_left (c) && !g_unichar_isdigit (c);
        first = c == '.';
    }
    return clear || !found;
}

/* Whether it needs IDNA: letters that are not ASCII, or labels that say they stand for such. */
static bool
needs_idna (const char *host)
{
    for (const char *p = host; *p != '\0'; p++)
        if ((guchar)*p >= 0x80 || ((p == host || p[-1] == '.') && g_str_has_prefix (p, "xn--")))
            return true;
    return false;
}

/* The name with A-labels for what is not ASCII in it, or NULL. */
static char *
to_a_labels (const char *name)
{
    guint8 *ascii = NULL;
    char *unicode = NULL, *host = NULL;

    if (has_plain_letters (name, strlen (name)) &&
        idn2_lookup_u8 ((const guint8 *)name, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) ==
            IDN2_OK &&
        idn2_to_unicode_8z8z ((const char *)ascii, &unicode, 0) == IDN2_OK &&
        has_clear_direction (unicode))
        host = g_strdup ((const char *)ascii);
    idn2_free (unicode);
    idn2_free (ascii);
    return host;
}

/* The host in ASCII, or NULL. */
static char *
parse_host (Span host)
{
    g_autofree char *lower = NULL;

    if (host.size > CLICK_HOST_BYTES)
        return NULL;
    lower = g_ascii_strdown (host.bytes, (gssize)host.size);
    if (needs_idna (lower)) {
        char *ascii = to_a_labels (lower);

        g_free (lower);
        lower = ascii;
    }
    return lower != NULL && is_host (lower) ? g_steal_pointer (&lower) : NULL;
}

/* Digits; all zeros in front count as one. -1: none that there is. */
static gint
parse_port (Span digits)
{
    gint port = 0;

    for (gsize i = 0; i < digits.size; i++) {
        if (!g_ascii_isdigit (digits.bytes[i]))
            return -1;
        port = 10 * port + g_ascii_digit_value (digits.bytes[i]);
        if (port > PORT_MAX)
            return -1;
    }
    return port;
}

/* Host and port; user-info and IPv6 have no result. */
static bool
append_authority (GString *url, Span authority, gint default_port)
{
    const Span host = take_until (&authority, ENDS_HOST);
    g_autofree char *name = parse_host (host);
    gint port;

    if (name == NULL)
        return false;
    g_string_append (url, name);
    if (authority.size <= 1)
        return true;
    port = parse_port ((Span){authority.bytes + 1, authority.size - 1});
    if (port >= 0 && port != default_port)
        g_string_append_printf (url, ":%d", port);
    return port >= 0;
}

/* --- The path -------------------------------------------------------------------------------------- */

/* How many dots a segment is made of, each as it is or escaped: 1 or 2; 0 for any other segment. */
static guint
count_dots (Span segment)
{
    guint dots = 0;

    while (segment.size > 0 && dots < 3) {
        if (!take_word (&segment, ".") && !take_word (&segment, "%2e"))
            return 0;
        dots++;
    }
    return dots < 3 ? dots : 0;
}

static void
drop_segment (GString *url, gsize root)
{
    gsize size = url->len;

    if (size == root)
        return;
    while (url->str[size - 1] != '/') /* there is one at `root` */
        size--;
    g_string_truncate (url, size - 1);
}

static bool
append_path (GString *url, Span path)
{
    const gsize root = url->len;

    for (gsize i = 0; i < path.size; i++)
        if (is_of (path.bytes[i], UNCLEAR_IN_PATH))
            return false;
    while (path.size > 0) {
        Span segment;
        guint dots;

        path.bytes++; /* its slash, or backslash */
        path.size--;
        segment = take_until (&path, ENDS_SEGMENT);
        dots = count_dots (segment);
        if (dots == 2)
            drop_segment (url, root);
        if (dots == 0 || path.size == 0)
            g_string_append_c (url, '/');
        if (dots == 0)
            append_encoded (url, segment, UNSAFE_IN_PATH);
    }
    if (url->len == root)
        g_string_append_c (url, '/');
    return true;
}

/* --- All of it ------------------------------------------------------------------------------------- */

char *
click_url_serialize (const char *href, gsize size, bool utf8)
{
    g_autoptr (GString) text = clean (href, size), url = NULL;
    Span rest, authority, path;
    bool secure;

    if (text == NULL || !has_known_characters (text, utf8))
        return NULL;
    rest = (Span){text->str, text->len};
    secure = take_word (&rest, "https://");
    if (!secure && !take_word (&rest, "http://"))
        return NULL;
    url = g_string_sized_new (text->len + 16);
    g_string_append (url, secure ? "https://" : "http://");
    authority = take_until (&rest, ENDS_AUTHORITY);
    path = take_until (&rest, ENDS_PATH);
    if (!append_authority (url, authority, secure ? 443 : 80) || !append_path (url, path))
        return NULL;
    if (rest.size > 0 && rest.bytes[0] == '?') {
        const Span query = take_until (&rest, ENDS_QUERY);

        append_encoded (url, query, UNSAFE_IN_QUERY);
    }
    if (rest.size > 0) {
        g_string_append_c (url, '#');
        append_encoded (url, (Span){rest.bytes + 1, rest.size - 1}, UNSAFE_IN_FRAGMENT);
    }
    return url->len <= CLICK_URL_BYTES ? g_string_free (g_steal_pointer (&url), FALSE) : NULL;
}
