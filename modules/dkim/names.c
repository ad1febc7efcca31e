/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Names: what may stand as a domain, as a selector, as the name of a header field. Pure.
 */
#include "dkim.h"

#include <string.h>

bool
dkim_is_made_of_labels (const char *text, gsize most)
{
    gsize size = strlen (text), label = 0;

    if (size == 0 || size > most)
        return false;
    for (gsize i = 0; i < size; i++) {
        if (text[i] == '.' ? label == 0
                           : !g_ascii_isalnum (text[i]) && text[i] != '-' && text[i] != '_')
            return false;
        label = text[i] == '.' ? 0 : label + 1;
        if (label > 63)
            return false;
    }
    return label > 0;
}

bool
dkim_domain_is_good (const char *domain)
{
    return dkim_is_made_of_labels (domain, 253) && strchr (domain, '.') != NULL;
}

bool
dkim_selector_is_good (const char *selector)
{
    return dkim_is_made_of_labels (selector, 63);
}

bool
dkim_field_name_is_good (const char *name)
{
    gsize size = strlen (name);

    for (gsize i = 0; i < size; i++)
        if (name[i] <= ' ' || name[i] >= 127 || name[i] == ':' || name[i] == ';')
            return false;
    return size > 0 && size <= DKIM_FIELD_NAME_BYTES;
}
