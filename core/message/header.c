/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fields of a header block: stepping, finding, unfolding. Pure, linear; pointers go into the
 * caller's block. Lines end in CRLF alone; a fold is CRLF before a blank.
 */
#include "config.h"

#include "message/header-private.h"

#include <string.h>

enum { LINE_BYTES = 998 }; /* without CRLF (RFC 5322 section 2.1.1) */

/* Octets of a field's name up to its colon; 0 if the line is no field (RFC 5322 section 2.2). */
static gsize
name_size (const guint8 *line, gsize size)
{
    gsize n = 0;

    while (n < size && line[n] > 0x20 && line[n] < 0x7f && line[n] != ':')
        n++;
    return n < size && line[n] == ':' ? n : 0;
}

/* Octets up to and with the CRLF that ends the field; all if there is none. */
static gsize
field_size (const guint8 *field, gsize size)
{
    gsize at = 0;

    while (at < size) {
        const guint8 *lf = memchr (field + at, '\n', size - at);
        gsize end;

        if (lf == NULL)
            return size;
        end = (gsize)(lf - field) + 1;
        if (end >= 2 && field[end - 2] == '\r' &&
            (end == size || (field[end] != ' ' && field[end] != '\t')))
            return end;
        at = end;
    }
    return size;
}

bool
relais_header_next (const guint8 *block, gsize size, gsize *position, RelaisField *field)
{
    const guint8 *start;
    gsize left, name, whole, end;

    if (*position >= size) /* of an empty block, which may be nowhere */
        return false;
    start = block + *position;
    left = size - *position;
    name = name_size (start, left);
    if (name == 0)
        return false;
    whole = field_size (start, left);
    end = whole >= 2 && memcmp (start + whole - 2, "\r\n", 2) == 0 ? whole - 2 : whole;
    *field = (RelaisField){.name = (const char *)start,
                           .name_size = name,
                           .value = (const char *)start + name + 1,
                           .value_size = end - name - 1,
                           .offset = *position,
                           .size = whole};
    *position += whole;
    return true;
}

bool
relais_header_next_lenient (const guint8 *block, gsize size, gsize *position, RelaisField *field)
{
    const guint8 *start, *colon;
    gsize name, whole;

    if (relais_header_next (block, size, position, field))
        return true;
    if (*position >= size)
        return false;
    start = block + *position;
    whole = field_size (start, size - *position);
    colon = memchr (start, ':', whole);
    name = colon != NULL ? (gsize)(colon - start) : 0;
    while (name > 0 && (start[name - 1] == ' ' || start[name - 1] == '\t'))
        name--;
    *field = (RelaisField){.name = (const char *)start,
                           .name_size = name,
                           .value = (const char *)(colon != NULL ? colon + 1 : start + whole),
                           .value_size = colon != NULL ? whole - (gsize)(colon + 1 - start) : 0,
                           .offset = *position,
                           .size = whole};
    *position += whole;
    return true;
}

/* No NUL, and CR and LF as pairs only. */
static bool
has_clean_lines (const guint8 *bytes, gsize size)
{
    const guint8 *at = bytes, *end = bytes + size;

    if (memchr (bytes, '\0', size) != NULL)
        return false;
    while (at < end) {
        const guint8 *cr = memchr (at, '\r', (gsize)(end - at));
        const guint8 *stop = cr != NULL ? cr : end;

        if (memchr (at, '\n', (gsize)(stop - at)) != NULL)
            return false;
        if (cr == NULL)
            return true;
        if (end - cr < 2 || cr[1] != '\n')
            return false;
        at = cr + 2;
    }
    return true;
}

bool
relais_header_is_well_formed (const guint8 *block, gsize size)
{
    RelaisField field;
    gsize position = 0;

    if (size == 0)
        return true;
    if (!has_clean_lines (block, size))
        return false;
    while (relais_header_next (block, size, &position, &field))
        continue;
    return position == size || (size - position == 2 && memcmp (block + position, "\r\n", 2) == 0);
}

static bool
line_begins_field (const char *line, gsize size)
{
    return name_size ((const guint8 *)line, size) > 0;
}

guint
relais_header_count_fields (const char *bytes, gsize size)
{
    guint n = 0;

    for (gsize at = 0, length; at < size; at += length) {
        const char *line = bytes + at;
        const char *lf = memchr (line, '\n', size - at);
        const bool folded = at > 0 && (line[0] == ' ' || line[0] == '\t');

        length = lf != NULL ? (gsize)(lf - line) + 1 : 0;
        if (length < 3 || line[length - 2] != '\r' || length - 2 > LINE_BYTES ||
            memchr (line, '\r', length - 2) != NULL || memchr (line, '\0', length) != NULL ||
            (!folded && !line_begins_field (line, length - 2)))
            return 0;
        n += !folded;
    }
    return n;
}

bool
relais_field_is (const RelaisField *field, const char *name)
{
    return strlen (name) == field->name_size &&
           g_ascii_strncasecmp (field->name, name, field->name_size) == 0;
}

char *
relais_field_unfold (const RelaisField *field)
{
    GString *text = g_string_sized_new (field->value_size);
    const char *at = field->value, *end = field->value + field->value_size;

    while (at < end) {
        const char *cr = memchr (at, '\r', (gsize)(end - at));
        const char *stop = cr != NULL ? cr : end;

        g_string_append_len (text, at, stop - at);
        at = stop;
        if (end - at >= 3 && at[1] == '\n' && (at[2] == ' ' || at[2] == '\t'))
            at += 2;
        else if (at < end)
            g_string_append_c (text, *at++);
    }
    return g_strstrip (g_string_free (text, FALSE));
}

bool
relais_header_find (const guint8 *block, gsize size, const char *name, RelaisField *field)
{
    gsize position = 0;

    while (relais_header_next (block, size, &position, field))
        if (relais_field_is (field, name))
            return true;
    return false;
}
