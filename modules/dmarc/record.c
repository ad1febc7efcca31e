/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DMARC records as they stand in the DNS (RFC 9989 section 4.7). Pure; any thread.
 */
#include "dmarc.h"

#include <string.h>

typedef struct {
    const char *name, *value;
    gsize name_size, value_size;
} Tag;

static void
trim (const char **text, gsize *size)
{
    while (*size > 0 && (**text == ' ' || **text == '\t')) {
        ++*text;
        --*size;
    }
    while (*size > 0 && ((*text)[*size - 1] == ' ' || (*text)[*size - 1] == '\t'))
        --*size;
}

/* The next "name=value" up to a semicolon; false at the end. A piece without "=" has an empty name. */
static bool
next_tag (const char *text, gsize size, gsize *at, Tag *tag)
{
    const char *start = text + *at;
    const char *end, *equals;

    if (*at >= size)
        return false;
    end = memchr (start, ';', size - *at);
    if (end == NULL)
        end = text + size;
    *at = (gsize)(end - text) + 1;
    equals = memchr (start, '=', (gsize)(end - start));
    *tag = (Tag){start, equals != NULL ? equals + 1 : end,
                 equals != NULL ? (gsize)(equals - start) : 0,
                 equals != NULL ? (gsize)(end - equals - 1) : 0};
    trim (&tag->name, &tag->name_size);
    trim (&tag->value, &tag->value_size);
    return true;
}

static bool
is (const char *text, gsize size, const char *wanted)
{
    return size == strlen (wanted) && g_ascii_strncasecmp (text, wanted, size) == 0;
}

static DmarcPolicy
policy_of (const Tag *tag)
{
    if (is (tag->value, tag->value_size, "none"))
        return DMARC_NONE;
    if (is (tag->value, tag->value_size, "quarantine"))
        return DMARC_QUARANTINE;
    if (is (tag->value, tag->value_size, "reject"))
        return DMARC_REJECT;
    return DMARC_INVALID;
}

/* Whether one of the comma-separated addresses could be one (RFC 3986: a scheme, a colon, more). */
static bool
names_somebody (const Tag *tag)
{
    const char *colon = memchr (tag->value, ':', tag->value_size);

    return colon != NULL && colon > tag->value && g_ascii_isalpha (tag->value[0]) &&
           (gsize)(colon + 1 - tag->value) < tag->value_size;
}

static void
take_tag (DmarcRecord *record, const Tag *tag)
{
    const bool yes = is (tag->value, tag->value_size, "y");
    const bool strict = is (tag->value, tag->value_size, "s");

    if (is (tag->name, tag->name_size, "p"))
        record->p = policy_of (tag);
    else if (is (tag->name, tag->name_size, "sp"))
        record->sp = policy_of (tag);
    else if (is (tag->name, tag->name_size, "np"))
        record->np = policy_of (tag);
    else if (is (tag->name, tag->name_size, "adkim"))
        record->strict_dkim = strict;
    else if (is (tag->name, tag->name_size, "aspf"))
        record->strict_spf = strict;
    else if (is (tag->name, tag->name_size, "t"))
        record->testing = yes;
    else if (is (tag->name, tag->name_size, "rua"))
        record->has_rua = names_somebody (tag);
    else if (is (tag->name, tag->name_size, "psd"))
        record->psd = yes ? 'y' : is (tag->value, tag->value_size, "n") ? 'n' : 'u';
}

bool
dmarc_record_parse (const char *text, gsize size, DmarcRecord *record)
{
    gsize at = 0;
    Tag tag;

    *record = (DmarcRecord){.psd = 'u'};
    /* The version stands first, and in these very letters. */
    if (!next_tag (text, size, &at, &tag) || tag.name_size != 1 || tag.name[0] != 'v' ||
        tag.value_size != 6 || memcmp (tag.value, "DMARC1", 6) != 0)
        return false;
    while (next_tag (text, size, &at, &tag))
        take_tag (record, &tag);
    return true;
}

const char *
dmarc_policy_to_string (DmarcPolicy policy)
{
    switch (policy) {
    case DMARC_QUARANTINE: return "quarantine";
    case DMARC_REJECT: return "reject";
    case DMARC_UNSET:
    case DMARC_NONE:
    case DMARC_INVALID: break;
    }
    return "none";
}
