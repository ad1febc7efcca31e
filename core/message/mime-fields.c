/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Content-Type and Content-Transfer-Encoding of one part (RFC 2045 sections 5 and 6). Pure, linear.
 */
#include "config.h"

#include "message/mime-private.h"

#include <string.h>

#include "message/header-private.h"

enum { BOUNDARY_BYTES = 200 }; /* RFC 2046 allows 70 */

static const char *const encodings[] = {"7bit", "8bit", "binary", "quoted-printable", "base64"};

/* Blanks and comments; to the end if a comment is not closed. */
static const char *
skip_cfws (const char *p)
{
    guint depth = 0;

    for (; *p != '\0'; p++) {
        if (*p == '(')
            depth++;
        else if (depth > 0 && *p == ')')
            depth--;
        else if (depth > 0 && *p == '\\' && p[1] != '\0')
            p++;
        else if (depth == 0 && *p != ' ' && *p != '\t')
            return p;
    }
    return p;
}

static bool
is_token (char c)
{
    return c > ' ' && c < 0x7f && strchr ("()<>@,;:\\\"/[]?=", c) == NULL;
}

/* A token or quoted string; NULL, and `*p` anywhere, if there is none. */
static char *
take_word (const char **p)
{
    g_autoptr (GString) word = g_string_new (NULL);

    if (**p != '"') {
        while (is_token (**p))
            g_string_append_c (word, *(*p)++);
        return word->len > 0 ? g_strdup (word->str) : NULL;
    }
    for ((*p)++; **p != '"'; (*p)++) {
        if (**p == '\\')
            (*p)++;
        if (**p == '\0')
            return NULL;
        g_string_append_c (word, **p);
    }
    (*p)++;
    return g_strdup (word->str);
}

/* "type/subtype" in lower case. */
static char *
take_type (const char **p)
{
    g_autofree char *type = NULL, *subtype = NULL, *both = NULL;

    *p = skip_cfws (*p);
    type = is_token (**p) ? take_word (p) : NULL;
    *p = skip_cfws (*p);
    if (type == NULL || **p != '/')
        return NULL;
    *p = skip_cfws (*p + 1);
    subtype = is_token (**p) ? take_word (p) : NULL;
    if (subtype == NULL)
        return NULL;
    both = g_strconcat (type, "/", subtype, NULL);
    return g_ascii_strdown (both, -1);
}

/* A boundary as this splitter can compare it: not empty, not too long, no blank at its end. */
static bool
is_usable (const char *boundary)
{
    gsize size = strlen (boundary);

    return size > 0 && size <= BOUNDARY_BYTES && boundary[size - 1] != ' ' &&
           boundary[size - 1] != '\t' && strpbrk (boundary, "\r\n") == NULL;
}

/* The one parameter of that name in a list; NULL if there is none. False when in doubt: a list that is not
 * well-formed, the parameter twice, or in the
 * pieces of RFC 2231 ("boundary*0"). */
static bool
take_parameter (const char *p, const char *wanted, char **out)
{
    const gsize size = strlen (wanted);
    g_autofree char *found = NULL;

    *out = NULL;
    for (p = skip_cfws (p); *p == ';'; p = skip_cfws (p)) {
        g_autofree char *name = NULL, *value = NULL;

        p = skip_cfws (p + 1);
        if (*p == '\0' || *p == ';')
            continue;
        name = is_token (*p) ? take_word (&p) : NULL;
        p = skip_cfws (p);
        if (name == NULL || *p != '=')
            return false;
        p = skip_cfws (p + 1);
        value = take_word (&p);
        if (value == NULL)
            return false;
        if (g_ascii_strncasecmp (name, wanted, size) != 0)
            continue;
        if (found != NULL || name[size] != '\0')
            return false;
        found = g_steal_pointer (&value);
    }
    *out = g_steal_pointer (&found);
    return *p == '\0';
}

static char *
take_boundary (const char *p)
{
    g_autofree char *boundary = NULL;

    if (!take_parameter (p, "boundary", &boundary) || boundary == NULL || !is_usable (boundary))
        return NULL;
    return g_steal_pointer (&boundary);
}

static char *
take_charset (const char *p)
{
    g_autofree char *charset = NULL;

    if (!take_parameter (p, "charset", &charset))
        return g_strdup ("");
    return charset != NULL ? g_ascii_strdown (charset, -1) : NULL;
}

static void
read_type (RelaisMimeFields *fields, const RelaisField *field)
{
    g_autofree char *value = relais_field_unfold (field);
    const char *p = value;

    if (fields->has_type)
        fields->doubtful = true;
    fields->has_type = true;
    g_clear_pointer (&fields->type, g_free);
    g_clear_pointer (&fields->boundary, g_free);
    g_clear_pointer (&fields->charset, g_free);
    fields->type = take_type (&p);
    if (fields->type != NULL) {
        fields->boundary = take_boundary (p);
        fields->charset = take_charset (p);
    }
    /* A reader that is less strict may take this for a multipart. */
    else if (g_ascii_strncasecmp (skip_cfws (value), "multipart", 9) == 0 ||
             g_ascii_strncasecmp (skip_cfws (value), "message", 7) == 0)
        fields->doubtful = true;
}

static guint8
find_encoding (const RelaisField *field)
{
    g_autofree char *value = relais_field_unfold (field);
    const char *p = skip_cfws (value);
    g_autofree char *word = take_word (&p);

    if (word == NULL && *p == '\0')
        return RELAIS_MIME_7BIT;
    if (*skip_cfws (p) == '\0')
        for (guint i = 0; word != NULL && i < G_N_ELEMENTS (encodings); i++)
            if (g_ascii_strcasecmp (word, encodings[i]) == 0)
                return (guint8)i;
    return RELAIS_MIME_OTHER;
}

/* Whatever it is called: only "inline" is shown in its place for sure (RFC 2183 section 2.8). */
static bool
is_attachment (const RelaisField *field)
{
    g_autofree char *value = relais_field_unfold (field);
    const char *p = skip_cfws (value);
    g_autofree char *word = take_word (&p);

    return word == NULL || g_ascii_strcasecmp (word, "inline") != 0;
}

void
relais_mime_fields_read (RelaisMimeFields *fields, const guint8 *header, gsize size)
{
    RelaisField field;
    gsize position = 0;
    guint n_encodings = 0;

    *fields = (RelaisMimeFields){0};
    while (relais_header_next (header, size, &position, &field)) {
        if (relais_field_is (&field, "Content-Type")) {
            read_type (fields, &field);
        } else if (relais_field_is (&field, "Content-Transfer-Encoding")) {
            fields->encoding = find_encoding (&field);
            n_encodings++;
        } else if (relais_field_is (&field, "Content-Disposition")) {
            fields->attachment |= is_attachment (&field);
        } else if (relais_field_is (&field, "MIME-Version")) {
            fields->has_version = true;
        }
    }
    if (n_encodings > 1 || fields->encoding == RELAIS_MIME_OTHER)
        fields->doubtful = true;
}

void
relais_mime_fields_clear (RelaisMimeFields *fields)
{
    g_clear_pointer (&fields->type, g_free);
    g_clear_pointer (&fields->boundary, g_free);
    g_clear_pointer (&fields->charset, g_free);
}
