/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Mailboxes and domain names. Pure, bounded, any thread. What a local part means is its host's
 * affair: here it is data, checked for form and length and otherwise left alone.
 */
#include "config.h"

#include "message/address-private.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <string.h>

#include "message/lines-private.h"

enum {
    LABEL_BYTES = 63,
    DOMAIN_TEXT_BYTES = RELAIS_DOMAIN_BYTES - 2,
    /* Octets of a domain in UTF-8 that could still fit as A-labels; more is not looked at. */
    DOMAIN_INPUT_BYTES = 4 * RELAIS_DOMAIN_BYTES,
    LITERAL_BYTES = 64
};

/* atext of RFC 5321 (RFC 5322 section 3.2.3), and what RFC 6531 adds. */
static bool
is_atext (guint8 c)
{
    return g_ascii_isalnum (c) || c >= 0x80 || (c != '\0' && strchr ("!#$%&'*+-/=?^_`{|}~", c));
}

/* Whether text is valid UTF-8 without C1 controls and separators of lines or paragraphs. */
static bool
is_clean_utf8 (const char *text, gsize size)
{
    if (!g_utf8_validate (text, (gssize)size, NULL))
        return false;
    for (const char *p = text; p < text + size; p = g_utf8_next_char (p)) {
        gunichar c = g_utf8_get_char (p);

        if ((c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029)
            return false;
    }
    return true;
}

/* --- Domains ---------------------------------------------------------------------------------- */

/* LDH rules, on a name in lower case without trailing dot. */
static bool
is_host_name (const char *name)
{
    gsize label = 0, size = strlen (name);

    if (size == 0 || size > DOMAIN_TEXT_BYTES)
        return false;
    for (gsize i = 0; i <= size; i++) {
        if (name[i] == '.' || name[i] == '\0') {
            if (label == 0 || label > LABEL_BYTES || name[i - 1] == '-' || name[i - label] == '-')
                return false;
            label = 0;
        } else {
            if (!g_ascii_islower (name[i]) && !g_ascii_isdigit (name[i]) && name[i] != '-')
                return false;
            label++;
        }
    }
    return true;
}

static char *
to_a_labels (const char *text, gsize size)
{
    g_autofree char *copy = g_strndup (text, size);
    guint8 *ascii = NULL;
    char *name;

    if (!is_clean_utf8 (text, size) ||
        idn2_lookup_u8 ((const guint8 *)copy, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) !=
            IDN2_OK)
        return NULL;
    name = g_ascii_strdown ((const char *)ascii, -1);
    idn2_free (ascii);
    return name;
}

char *
relais_domain_normalise (const char *text, gsize size)
{
    g_autofree char *name = NULL;

    if (size > 0 && text[size - 1] == '.')
        size--;
    if (size > DOMAIN_INPUT_BYTES || memchr (text, '\0', size) != NULL)
        return NULL;
    name = relais_has_eight_bit ((const guint8 *)text, size) ? to_a_labels (text, size)
                                                             : g_ascii_strdown (text, (gssize)size);
    return name != NULL && is_host_name (name) ? g_steal_pointer (&name) : NULL;
}

char *
relais_domain_normalise_pattern (const char *text)
{
    const bool wild = g_str_has_prefix (text, "*.");
    g_autofree char *name = NULL;

    if (strcmp (text, "*") == 0)
        return g_strdup (text);
    text += wild ? strlen ("*.") : 0;
    name = relais_domain_normalise (text, strlen (text));
    if (name == NULL || !wild)
        return g_steal_pointer (&name);
    return g_strconcat ("*.", name, NULL);
}

bool
relais_domain_is_literal (const char *domain)
{
    return domain[0] == '[';
}

bool
relais_domain_matches (const char *pattern, const char *domain)
{
    gsize suffix, size;

    if (strcmp (pattern, "*") == 0)
        return true;
    if (pattern[0] != '*' || pattern[1] != '.')
        return strcmp (pattern, domain) == 0;
    suffix = strlen (pattern + 1);
    size = strlen (domain);
    return size > suffix && strcmp (domain + size - suffix, pattern + 1) == 0;
}

const char *
relais_address_domain (const char *address)
{
    const char *at = strrchr (address, '@');

    return at != NULL ? at + 1 : address + strlen (address);
}

/* --- Mailboxes -------------------------------------------------------------------------------- */

typedef struct {
    const char *at, *end;
} Cursor;

/* Dot-string; stops at the first octet that is none of it. */
static bool
take_dot_string (Cursor *cursor, GString *local)
{
    const char *start = cursor->at;

    while (cursor->at < cursor->end && (is_atext ((guint8)*cursor->at) || *cursor->at == '.')) {
        const bool dot = *cursor->at == '.';

        if (dot && (cursor->at == start || cursor->at[-1] == '.'))
            return false;
        cursor->at++;
    }
    g_string_append_len (local, start, cursor->at - start);
    return cursor->at > start && cursor->at[-1] != '.';
}

/* The content of a Quoted-string without its escapes. */
static bool
take_quoted (Cursor *cursor, GString *content)
{
    for (cursor->at++; cursor->at < cursor->end; cursor->at++) {
        const bool escape = *cursor->at == '\\';
        guint8 c;

        if (*cursor->at == '"') {
            cursor->at++;
            return true;
        }
        if (escape && ++cursor->at == cursor->end)
            return false;
        c = (guint8)*cursor->at;
        if (c < 0x20 || c == 0x7f || (escape && c >= 0x80))
            return false;
        g_string_append_c (content, (char)c);
    }
    return false;
}

static bool
is_dot_string (const char *text)
{
    g_autoptr (GString) copy = g_string_new (NULL);
    Cursor cursor = {text, text + strlen (text)};

    return take_dot_string (&cursor, copy) && cursor.at == cursor.end;
}

static char *
quote (const char *content)
{
    GString *text = g_string_new ("\"");

    for (; *content != '\0'; content++) {
        if (*content == '"' || *content == '\\')
            g_string_append_c (text, '\\');
        g_string_append_c (text, *content);
    }
    g_string_append_c (text, '"');
    return g_string_free (text, FALSE);
}

static char *
take_local_part (Cursor *cursor)
{
    g_autoptr (GString) text = g_string_new (NULL);

    if (cursor->at == cursor->end)
        return NULL;
    if (*cursor->at != '"')
        return take_dot_string (cursor, text) ? g_strdup (text->str) : NULL;
    if (!take_quoted (cursor, text))
        return NULL;
    return is_dot_string (text->str) ? g_strdup (text->str) : quote (text->str);
}

/* [IPv4] or [IPv6:...] (RFC 5321 section 4.1.3) in canonical form. */
static char *
take_literal (Cursor *cursor)
{
    static const char tag[] = "IPv6:";
    const char *close = memchr (cursor->at, ']', (gsize)(cursor->end - cursor->at));
    char text[LITERAL_BYTES] = "", canonical[INET6_ADDRSTRLEN];
    guint8 address[16];
    gsize size;
    bool six;

    if (close == NULL || (size = (gsize)(close - cursor->at) - 1) >= sizeof text)
        return NULL;
    memcpy (text, cursor->at + 1, size);
    if (strlen (text) != size)
        return NULL;
    cursor->at = close + 1;
    six = g_ascii_strncasecmp (text, tag, sizeof tag - 1) == 0;
    if (inet_pton (six ? AF_INET6 : AF_INET, six ? text + sizeof tag - 1 : text, address) != 1 ||
        inet_ntop (six ? AF_INET6 : AF_INET, address, canonical, sizeof canonical) == NULL)
        return NULL;
    return g_strdup_printf ("[%s%s]", six ? tag : "", canonical);
}

static char *
take_domain (Cursor *cursor, RelaisAddressStatus *status)
{
    const char *start = cursor->at;
    char *domain;

    *status = RELAIS_ADDRESS_SYNTAX;
    if (cursor->at < cursor->end && *cursor->at == '[')
        return take_literal (cursor);
    while (cursor->at < cursor->end && (g_ascii_isalnum (*cursor->at) || *cursor->at == '-' ||
                                        *cursor->at == '.' || (guint8)*cursor->at >= 0x80))
        cursor->at++;
    if (cursor->at == start || cursor->at[-1] == '.')
        return NULL;
    domain = relais_domain_normalise (start, (gsize)(cursor->at - start));
    if (domain == NULL && cursor->at - start > DOMAIN_TEXT_BYTES)
        *status = RELAIS_ADDRESS_TOO_LONG;
    return domain;
}

static RelaisAddressStatus
parse_mailbox (Cursor *cursor, char **address)
{
    RelaisAddressStatus status = RELAIS_ADDRESS_SYNTAX;
    g_autofree char *local = take_local_part (cursor);
    g_autofree char *domain = NULL;

    if (local == NULL || !is_clean_utf8 (local, strlen (local)))
        return status;
    if (cursor->at == cursor->end || *cursor->at != '@')
        return status;
    cursor->at++;
    domain = take_domain (cursor, &status);
    if (domain == NULL)
        return status;
    if (strlen (local) > RELAIS_LOCAL_PART_BYTES ||
        strlen (local) + 1 + strlen (domain) > RELAIS_PATH_BYTES)
        return RELAIS_ADDRESS_TOO_LONG;
    *address = g_strconcat (local, "@", domain, NULL);
    return RELAIS_ADDRESS_OK;
}

RelaisAddressStatus
relais_address_parse (const char *text, gsize size, bool utf8, char **address, gsize *used)
{
    Cursor cursor = {text, text + size};
    g_autofree char *parsed = NULL;
    RelaisAddressStatus status = parse_mailbox (&cursor, &parsed);

    if (status != RELAIS_ADDRESS_OK)
        return status;
    if (used == NULL && cursor.at != cursor.end)
        return RELAIS_ADDRESS_SYNTAX;
    if (!utf8 && relais_has_eight_bit ((const guint8 *)text, (gsize)(cursor.at - text)))
        return RELAIS_ADDRESS_NEEDS_UTF8;
    if (used != NULL)
        *used = (gsize)(cursor.at - text);
    *address = g_steal_pointer (&parsed);
    return RELAIS_ADDRESS_OK;
}
