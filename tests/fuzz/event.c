/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lines of the event log (core/event/line.c) with hostile values. Properties: the line is one JSON
 * object in valid UTF-8 without a control character; a reader gets the value back, octet for octet, unless it
 * was too long and cut.
 *
 * Parsers: core/event/line.c.
 */
#include "config.h"

#include <json-glib/json-glib.h>

#include "event/event-private.h"
#include "fuzz.h"

static const char *const words[] = {"\"",
                                    "\\u0000",
                                    "\\",
                                    "\n",
                                    "\xe2\x80\xa8",
                                    "\xed\xa0\x80",
                                    "\xf4\x90\x80\x80",
                                    "\xc0\x80",
                                    "\xef\xbf\xbf",
                                    "\xee\xbe\x85",
                                    "</script>",
                                    NULL};
const FuzzTarget fuzz_target = {20000, words};

enum { VALUE_BYTES = 8192 };

/* What a value stands for, as event-private.h says. */
static char *
octets_of (const char *text)
{
    GString *octets = g_string_new (NULL);

    for (; *text != '\0'; text = g_utf8_next_char (text)) {
        const gunichar c = g_utf8_get_char (text);

        if (c >= 0xef80 && c <= 0xefff)
            g_string_append_c (octets, (char)(c & 0xff));
        else
            g_string_append_unichar (octets, c);
    }
    return g_string_free (octets, FALSE);
}

static void
check_line (const char *line, gsize size)
{
    g_assert_true (size > 2 && line[0] == '{' && line[size - 1] == '}');
    g_assert_true (g_utf8_validate_len (line, size, NULL));
    for (gsize i = 0; i < size; i++)
        g_assert_true ((guint8)line[i] >= 0x20 && line[i] != 0x7f);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    g_autofree char *value = fuzz_string (bytes, size);
    RelaisEventLine *line =
        size % 2 == 0 ? relais_event_line_new ("deferred", (gint64)size, value, 3, 2)
                      : relais_event_line_new_module ("fuzz", "deferred", (gint64)size, value, 3);
    g_autoptr (JsonParser) parser = json_parser_new ();
    g_autoptr (GBytes) done = NULL;
    g_autofree char *octets = NULL;
    JsonObject *object;
    const char *text;

    relais_event_line_add (line, "recipient", value);
    relais_event_line_add (line, "none", NULL);
    relais_event_line_add_int (line, "n", G_MININT64);
    relais_event_line_add_bool (line, "b", true);
    done = relais_event_line_end (line);
    text = g_bytes_get_data (done, &size);
    check_line (text, size);
    g_assert_true (json_parser_load_from_data (parser, text, (gssize)size, NULL));
    object = json_node_get_object (json_parser_get_root (parser));
    g_assert_cmpstr (json_object_get_string_member (object, "type"), ==, "deferred");
    g_assert_false (json_object_has_member (object, "none"));
    g_assert_true (json_object_get_boolean_member (object, "b"));
    octets = octets_of (json_object_get_string_member (object, "recipient"));
    if (strlen (value) <= VALUE_BYTES)
        g_assert_cmpstr (octets, ==, value);
    return 0;
}
