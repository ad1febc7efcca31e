/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Tag lists (RFC 6376 section 3.2), as they stand in signatures and in key records. Pure; nothing is
 * copied but what a caller asks for.
 */
#include "verify.h"

#include <string.h>

static bool
is_blank (char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void
trim (const char **text, gsize *size)
{
    while (*size > 0 && is_blank (**text)) {
        (*text)++;
        (*size)--;
    }
    while (*size > 0 && is_blank ((*text)[*size - 1]))
        (*size)--;
}

static bool
name_is_good (const char *name, gsize size)
{
    if (size == 0 || !g_ascii_isalpha (name[0]))
        return false;
    for (gsize i = 1; i < size; i++)
        if (!g_ascii_isalnum (name[i]) && name[i] != '_')
            return false;
    return true;
}

/* Octets of UTF-8 pass: notes are written in it. */
static bool
value_is_good (const char *value, gsize size)
{
    for (gsize i = 0; i < size; i++)
        if (!is_blank (value[i]) && ((guchar)value[i] <= ' ' || value[i] == 127))
            return false;
    return true;
}

static bool
has_tag (const DkimTags *tags, const char *name, gsize size)
{
    for (guint i = 0; i < tags->n; i++)
        if (tags->tags[i].name_size == size && memcmp (tags->tags[i].name, name, size) == 0)
            return true;
    return false;
}

static bool
add_tag (DkimTags *tags, const char *spec, gsize size)
{
    const char *equals = memchr (spec, '=', size);
    DkimTag tag = {.name = spec};

    if (equals == NULL || tags->n == DKIM_TAGS)
        return false;
    tag.name_size = (gsize)(equals - spec);
    tag.value = equals + 1;
    tag.value_size = size - tag.name_size - 1;
    trim (&tag.name, &tag.name_size);
    trim (&tag.value, &tag.value_size);
    if (!name_is_good (tag.name, tag.name_size) || !value_is_good (tag.value, tag.value_size) ||
        has_tag (tags, tag.name, tag.name_size))
        return false;
    tags->tags[tags->n++] = tag;
    return true;
}

bool
dkim_tags_parse (DkimTags *tags, const char *text, gsize size)
{
    const char *end = text + size;

    tags->n = 0;
    while (text < end) {
        const char *semicolon = memchr (text, ';', (gsize)(end - text));
        const char *spec = text;
        gsize spec_size = (gsize)((semicolon != NULL ? semicolon : end) - text);

        trim (&spec, &spec_size);
        if (semicolon == NULL && spec_size == 0)
            break; /* after the last semicolon */
        if (!add_tag (tags, spec, spec_size))
            return false;
        text = semicolon != NULL ? semicolon + 1 : end;
    }
    return tags->n > 0;
}

const DkimTag *
dkim_tags_find (const DkimTags *tags, const char *name)
{
    gsize size = strlen (name);

    for (guint i = 0; i < tags->n; i++)
        if (tags->tags[i].name_size == size && memcmp (tags->tags[i].name, name, size) == 0)
            return &tags->tags[i];
    return NULL;
}

char *
dkim_tag_dup_solid (const DkimTag *tag)
{
    GString *text = g_string_sized_new (tag->value_size);

    for (gsize i = 0; i < tag->value_size; i++)
        if (!is_blank (tag->value[i]))
            g_string_append_c (text, tag->value[i]);
    return g_string_free (text, FALSE);
}

bool
dkim_tag_is (const DkimTag *tag, const char *value)
{
    return tag->value_size == strlen (value) && memcmp (tag->value, value, tag->value_size) == 0;
}

bool
dkim_tag_next_item (const DkimTag *tag, gsize *position, const char **item, gsize *size)
{
    const char *colon;

    if (*position > tag->value_size)
        return false;
    *item = tag->value + *position;
    *size = tag->value_size - *position;
    colon = memchr (*item, ':', *size);
    if (colon != NULL)
        *size = (gsize)(colon - *item);
    *position += *size + 1;
    trim (item, size);
    return true;
}

static bool
is_base64 (const char *text)
{
    gsize size = strlen (text), padding = 0;

    while (padding < 2 && padding < size && text[size - 1 - padding] == '=')
        padding++;
    for (gsize i = 0; i + padding < size; i++)
        if (!g_ascii_isalnum (text[i]) && text[i] != '+' && text[i] != '/')
            return false;
    return size > 0 && size % 4 == 0;
}

guint8 *
dkim_tag_decode (const DkimTag *tag, gsize *size)
{
    g_autofree char *text = dkim_tag_dup_solid (tag);

    return is_base64 (text) ? g_base64_decode (text, size) : NULL;
}
