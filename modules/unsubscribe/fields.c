/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The fields List-Unsubscribe (RFC 2369) and List-Unsubscribe-Post (RFC 8058), and what a header says. Pure.
 */
#include "unsubscribe.h"

#include <string.h>

static const char name[] = "List-Unsubscribe", post_name[] = "List-Unsubscribe-Post";

/* The longest line that a link stands on is "List-Unsubscribe: <LINK>,". */
bool
unsubscribe_link_fits (const char *link)
{
    return strlen (link) + strlen ("List-Unsubscribe: <>,") <= UNSUBSCRIBE_LINE_BYTES;
}

/* A link is never folded: each half stands on a line of its own. */
char *
unsubscribe_fields (const char *link, const char *address)
{
    if (link != NULL && !unsubscribe_link_fits (link))
        link = NULL;
    if (link != NULL && address != NULL)
        return g_strdup_printf ("%s: <%s>,\r\n <mailto:%s>\r\n"
                                "%s: List-Unsubscribe=One-Click\r\n",
                                name, link, address, post_name);
    if (link != NULL)
        return g_strdup_printf ("%s: <%s>\r\n%s: List-Unsubscribe=One-Click\r\n", name, link,
                                post_name);
    if (address != NULL)
        return g_strdup_printf ("%s: <mailto:%s>\r\n", name, address);
    return NULL;
}

static bool
is_named (const RelaisHeaderField *field, const char *wanted)
{
    return field->name_size == strlen (wanted) &&
           g_ascii_strncasecmp (field->name, wanted, field->name_size) == 0;
}

bool
unsubscribe_has_fields (const guint8 *header, guint64 size)
{
    guint64 position = 0;
    RelaisHeaderField field;

    while (relais_header_next_field (header, size, &position, &field))
        if (is_named (&field, name) || is_named (&field, post_name))
            return true;
    return false;
}

/* "auto-replied (vacation)": the first word, which "no" is, too. */
static bool
says_no (const RelaisHeaderField *field)
{
    const char *at = field->value, *end = at + field->value_size, *from;

    while (at < end && g_ascii_isspace (*at))
        at++;
    for (from = at; at < end && (g_ascii_isalnum (*at) || *at == '-'); at++)
        ;
    return at - from == 2 && g_ascii_strncasecmp (from, "no", 2) == 0;
}

bool
unsubscribe_is_automatic (const guint8 *header, guint64 size)
{
    guint64 position = 0;
    RelaisHeaderField field;

    while (relais_header_next_field (header, size, &position, &field))
        if (is_named (&field, "Auto-Submitted") && !says_no (&field))
            return true;
    return false;
}
