/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Finding members by their octets. Pure; any thread.
 */
#include "config.h"

#include "event/event-private.h"
#include "event/member-private.h"

#include <json-glib/json-glib.h>
#include <string.h>

enum { NAME_BYTES = 40 };

/* What stands behind `,"NAME":` and `before`; NULL if there is none. */
static const char *
find (const char *line, gsize size, const char *name, const char *before)
{
    char needle[NAME_BYTES + sizeof ",\"\":\""];
    const int n = g_snprintf (needle, sizeof needle, ",\"%s\":%s", name, before);
    const char *found;

    g_assert (n > 0 && (gsize)n < sizeof needle);
    found = memmem (line, size, needle, (gsize)n);
    return found != NULL ? found + n : NULL;
}

bool
relais_event_find_text (const char *line, gsize size, const char *name, RelaisEventText *found)
{
    const char *end = line + size, *start = find (line, size, name, "\""), *p = start;

    if (start == NULL)
        return false;
    while (p < end && *p != '"')
        p += *p == '\\' ? 2 : 1;
    *found = (RelaisEventText){start, (gsize)(p - start)};
    return p < end;
}

gint64
relais_event_find_int (const char *line, gsize size, const char *name, gint64 missing)
{
    const char *end = line + size, *p = find (line, size, name, "");
    gint64 number = 0;

    if (p == NULL || p == end || !g_ascii_isdigit (*p))
        return missing;
    for (int n = 0; p < end && n < 18 && g_ascii_isdigit (*p); p++, n++)
        number = number * 10 + (*p - '0');
    return number;
}

bool
relais_event_text_is (const RelaisEventText *text, const char *word)
{
    return text->size == strlen (word) && memcmp (text->start, word, text->size) == 0;
}

char *
relais_event_escape (const char *value)
{
    RelaisEventLine *line = relais_event_line_new ("", 0, "", 0, 0);
    g_autoptr (GBytes) bytes = NULL;
    RelaisEventText text;
    const char *start;
    gsize size;
    bool found;

    relais_event_line_add (line, "value", value);
    bytes = relais_event_line_end (line);
    start = g_bytes_get_data (bytes, &size);
    found = relais_event_find_text (start, size, "value", &text);
    g_assert (found);
    return g_strndup (text.start, text.size);
}

char *
relais_event_unescape (const RelaisEventText *text)
{
    g_autofree char *array = g_strdup_printf ("[\"%.*s\"]", (int)text->size, text->start);
    g_autoptr (JsonNode) node = json_from_string (array, NULL);

    return g_strdup (node != NULL ? json_array_get_string_element (json_node_get_array (node), 0)
                                  : "");
}
