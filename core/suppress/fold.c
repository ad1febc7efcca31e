/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Folding addresses. What it makes is folded again to itself.
 */
#include "config.h"

#include "suppress/fold-private.h"

#include "message/address-private.h"

#include <string.h>

enum { MAX_INPUT_BYTES = 4096 };

/* The mailbox in "@a,@b:local@domain" (RFC 5321 section 4.1.2, A-d-l). */
static const char *
skip_route (const char *text, const char *end)
{
    const char *colon = text < end && *text == '@' ? memchr (text, ':', (gsize)(end - text)) : NULL;

    return colon != NULL ? colon + 1 : text;
}

static bool
is_ascii (const char *text)
{
    while ((guint8)*text >= 0x20 && (guint8)*text < 0x7f)
        text++;
    return *text == '\0';
}

/* RFC 6531 leaves the comparison to the owner of the mailbox; what people see as the same is the same
 * here, but no character becomes another one that means something in an address. */
static char *
fold_local_part (const char *text, gsize size)
{
    g_autofree char *part = g_strndup (text, size);
    g_autofree char *normal = NULL;
    g_autofree char *folded = NULL;

    if (is_ascii (part))
        return g_ascii_strdown (part, -1);
    normal = g_utf8_normalize (part, -1, G_NORMALIZE_NFC);
    folded = g_utf8_casefold (normal != NULL ? normal : part, -1);
    g_free (normal);
    normal = g_utf8_normalize (folded, -1, G_NORMALIZE_NFC);
    return g_strdup (normal != NULL && strlen (normal) <= RELAIS_LOCAL_PART_BYTES ? normal : part);
}

static bool
is_pair (const char *text, const char *end, char first, char last)
{
    return end - text >= 2 && text[0] == first && end[-1] == last;
}

char *
relais_suppress_fold (const char *address)
{
    const char *text = address, *end = address + strlen (address);
    g_autofree char *mailbox = NULL;
    g_autofree char *local = NULL;
    const char *domain;

    if (end - text > MAX_INPUT_BYTES)
        return NULL;
    while (text < end && g_ascii_isspace (*text))
        text++;
    while (end > text && g_ascii_isspace (end[-1]))
        end--;
    if (is_pair (text, end, '<', '>')) {
        text++;
        end--;
    }
    text = skip_route (text, end);
    if (end > text && end[-1] == '.')
        end--;
    if (relais_address_parse (text, (gsize)(end - text), true, &mailbox, NULL) != RELAIS_ADDRESS_OK)
        return NULL;
    domain = relais_address_domain (mailbox);
    local = fold_local_part (mailbox, (gsize)(domain - 1 - mailbox));
    return g_strconcat (local, "@", domain, NULL);
}

char *
relais_suppress_hash (const char *folded)
{
    return g_compute_checksum_for_string (G_CHECKSUM_SHA256, folded, -1);
}
