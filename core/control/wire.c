/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * JSON as the control socket uses it: written by hand, as rows come by the million, and read through
 * json-glib behind a check of depth, since that parser recurses without a bound.
 */
#include "config.h"

#include "control/wire-private.h"

#include <string.h>

static void
append_escaped (GString *out, guchar c)
{
    switch (c) {
    case '"': g_string_append (out, "\\\""); break;
    case '\\': g_string_append (out, "\\\\"); break;
    case '\n': g_string_append (out, "\\n"); break;
    case '\r': g_string_append (out, "\\r"); break;
    case '\t': g_string_append (out, "\\t"); break;
    default: g_string_append_printf (out, "\\u%04x", c); break;
    }
}

void
relais_wire_append_string (GString *out, const char *text)
{
    g_autofree char *valid = g_utf8_validate (text, -1, NULL) ? NULL : g_utf8_make_valid (text, -1);
    const char *from = valid != NULL ? valid : text;
    const char *next;

    g_string_append_c (out, '"');
    for (next = from; *next != '\0'; next++) {
        guchar c = (guchar)*next;

        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
            continue;
        g_string_append_len (out, from, next - from);
        append_escaped (out, c);
        from = next + 1;
    }
    g_string_append_len (out, from, next - from);
    g_string_append_c (out, '"');
}

/* The four hex digits of an escape "\uXXXX" at the head of the bytes; -1 if none stands there. */
static int
escaped_unit (const char *bytes, gsize size)
{
    int unit = 0;

    if (size < 6 || bytes[0] != '\\' || bytes[1] != 'u')
        return -1;
    for (gsize i = 2; i < 6; i++) {
        if (!g_ascii_isxdigit (bytes[i]))
            return -1;
        unit = unit * 16 + g_ascii_xdigit_value (bytes[i]);
    }
    return unit;
}

/* Octets of an escape; 0 if it stands for no character. Of NUL, of half a surrogate pair and of octal digits, which are
 * no JSON (RFC 8259 section 7), json-glib would make a string that ends early or is no UTF-8. */
static gsize
escape_size (const char *bytes, gsize size)
{
    const int unit = escaped_unit (bytes, size);
    int low;

    if (size < 2 || bytes[1] != 'u')
        return size >= 2 && memchr ("\"\\/bfnrt", bytes[1], 8) != NULL ? 2 : 0;
    if (unit <= 0 || (unit >= 0xdc00 && unit < 0xe000))
        return 0;
    if (unit < 0xd800 || unit >= 0xe000)
        return 6;
    low = escaped_unit (bytes + 6, size - 6);
    return low >= 0xdc00 && low < 0xe000 ? 12 : 0;
}

/* No deep nesting, only escapes that stand for characters, and outside of strings neither quotes of '
 * nor comments, which json-glib would take. Whatever else is wrong is the parser's to find. */
static bool
is_plain (const char *bytes, gsize size)
{
    bool in_string = false;
    int depth = 0;

    for (gsize i = 0, n; i < size; i += n) {
        char c = bytes[i];

        n = in_string && c == '\\' ? escape_size (bytes + i, size - i) : 1;
        if (n == 0)
            return false;
        if (n > 1)
            continue;
        if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '\'' || c == '/'))
            return false;
        else if (!in_string && (c == '[' || c == '{'))
            depth++;
        else if (!in_string && (c == ']' || c == '}'))
            depth--;
        if (depth > RELAIS_WIRE_DEPTH)
            return false;
    }
    return true;
}

JsonObject *
relais_wire_parse (const char *bytes, gsize size)
{
    g_autoptr (JsonParser) parser = NULL;
    JsonNode *root;

    if (size == 0 || bytes[0] != '{' || memchr (bytes, '\n', size) != NULL ||
        !g_utf8_validate_len (bytes, size, NULL) || !is_plain (bytes, size))
        return NULL;
    parser = json_parser_new ();
    if (!json_parser_load_from_data (parser, bytes, (gssize)size, NULL))
        return NULL;
    root = json_parser_get_root (parser);
    if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
        return NULL;
    return json_object_ref (json_node_get_object (root));
}

const char *
relais_wire_get_string (JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member (object, name);

    return node != NULL && json_node_get_value_type (node) == G_TYPE_STRING
               ? json_node_get_string (node)
               : NULL;
}

JsonArray *
relais_wire_get_array (JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member (object, name);

    return node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
}

JsonObject *
relais_wire_get_object (JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member (object, name);

    return node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

gint64
relais_wire_get_int (JsonObject *object, const char *name, gint64 missing)
{
    JsonNode *node = json_object_get_member (object, name);

    return node != NULL && json_node_get_value_type (node) == G_TYPE_INT64
               ? json_node_get_int (node)
               : missing;
}
