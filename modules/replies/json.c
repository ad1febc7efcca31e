/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The head of a text as JSON. Pure, linear; any thread.
 */
#include "json.h"

#include <string.h>

/* The number of "\\uXXXX"; false for anything else. */
static bool
take_unit (const char *at, guint *unit)
{
    if (at[0] != '\\' || at[1] != 'u')
        return false;
    *unit = 0;
    for (guint i = 2; i < 6; i++) {
        if (!g_ascii_isxdigit (at[i]))
            return false;
        *unit = *unit << 4 | (guint)g_ascii_xdigit_value (at[i]);
    }
    return true;
}

/* Appends what a backslash begins, and returns what follows it; NULL for what is no escape. NUL and halves of pairs are
 * no characters, and JSON-GLib would hand them on: they become U+FFFD. */
static const char *
take_escape (const char *at, GString *to)
{
    guint unit, low;

    if (at[1] != 'u') {
        if (at[1] == '\0' || strchr ("\"\\/bfnrt", at[1]) == NULL)
            return NULL;
        g_string_append_len (to, at, 2);
        return at + 2;
    }
    if (!take_unit (at, &unit))
        return NULL;
    if (unit >= 0xd800 && unit < 0xdc00 && take_unit (at + 6, &low) && low >= 0xdc00 &&
        low < 0xe000) {
        g_string_append_len (to, at, 12);
        return at + 12;
    }
    if (unit == 0 || (unit >= 0xd800 && unit < 0xe000))
        g_string_append (to, "\\ufffd");
    else
        g_string_append_len (to, at, 6);
    return at + 6;
}

/* Appends the object, and returns what follows it; NULL if it has no end or is too deep. */
static const char *
take_object (const char *at, GString *to)
{
    bool quoted = false;
    guint depth = 0;

    while (at != NULL && *at != '\0') {
        if (quoted && *at == '\\') {
            at = take_escape (at, to);
            continue;
        }
        g_string_append_c (to, *at);
        if (*at == '"')
            quoted = !quoted;
        else if (!quoted && (*at == '{' || *at == '[') && ++depth > REPLIES_JSON_DEPTH)
            return NULL;
        else if (!quoted && (*at == '}' || *at == ']') && --depth == 0)
            return at + 1;
        at++;
    }
    return NULL;
}

static char *
dup_without_line_ends (const char *text)
{
    GString *joined = g_string_sized_new (strlen (text));

    while (*text != '\0') {
        const gsize size = strcspn (text, "\r\n");

        g_string_append_len (joined, text, (gssize)size);
        text += size + strspn (text + size, "\r\n");
    }
    return g_string_free (joined, FALSE);
}

JsonNode *
replies_json_read (const char *text, bool *is_all)
{
    g_autofree char *joined = *text == '{' ? dup_without_line_ends (text) : NULL;
    g_autoptr (GString) object = g_string_new (NULL);
    g_autoptr (JsonParser) parser = NULL;
    const char *behind = joined != NULL ? take_object (joined, object) : NULL;
    JsonNode *root;

    if (behind == NULL)
        return NULL;
    parser = json_parser_new_immutable ();
    if (!json_parser_load_from_data (parser, object->str, (gssize)object->len, NULL))
        return NULL;
    root = json_parser_get_root (parser);
    if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
        return NULL;
    if (is_all != NULL)
        *is_all = *behind == '\0';
    return json_node_ref (root);
}

/* --- Members -------------------------------------------------------------------------------------- */

static JsonNode *
member (JsonObject *object, const char *name)
{
    return object != NULL ? json_object_get_member (object, name) : NULL;
}

const char *
replies_json_string (JsonObject *object, const char *name)
{
    JsonNode *node = member (object, name);

    return node != NULL && JSON_NODE_HOLDS_VALUE (node) ? json_node_get_string (node) : NULL;
}

gint64
replies_json_int (JsonObject *object, const char *name)
{
    JsonNode *node = member (object, name);

    return node != NULL && JSON_NODE_HOLDS_VALUE (node) ? json_node_get_int (node) : 0;
}

JsonObject *
replies_json_object (JsonObject *object, const char *name)
{
    JsonNode *node = member (object, name);

    return node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

JsonArray *
replies_json_array (JsonObject *object, const char *name)
{
    JsonNode *node = member (object, name);

    return node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
}
