/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lines of the control socket (core/control/wire.c). Properties: whatever a line holds, getters
 * answer with the type asked for or nothing, however deep it is; text that is quoted comes back,
 * what is no UTF-8 of it replaced.
 *
 * Parsers: core/control/wire.c.
 */
#include "config.h"

#include "control/wire-private.h"
#include "fuzz.h"

static const char *const words[] = {
    "{\"word\":", "\"args\":[", "\"options\":{", "\"a\"", "null", "1e999", "-0", "\\ud800",
    "[[[[",       "]]]]",       "{\"n\":",       "true",  "},{",  "/*",    "'",  NULL};
const FuzzTarget fuzz_target = {20000, words};

static void
look_at (JsonObject *object)
{
    static const char *const names[] = {"word", "verb", "args", "options", "file", "data", "n"};

    for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
        const char *text = relais_wire_get_string (object, names[i]);
        JsonArray *array = relais_wire_get_array (object, names[i]);
        JsonObject *inner = relais_wire_get_object (object, names[i]);

        g_assert_true (text == NULL || g_utf8_validate (text, -1, NULL));
        g_assert_true ((text != NULL) + (array != NULL) + (inner != NULL) <= 1);
        relais_wire_get_int (object, names[i], -1);
    }
}

static void
check_quoting (const guint8 *bytes, gsize size)
{
    g_autofree char *text = fuzz_string (bytes, size);
    g_autoptr (GString) line = g_string_new ("{\"word\":");
    JsonObject *object;
    const char *back;

    relais_wire_append_string (line, text);
    g_string_append_c (line, '}');
    object = relais_wire_parse (line->str, line->len);
    g_assert_nonnull (object);
    back = relais_wire_get_string (object, "word");
    g_assert_nonnull (back);
    g_assert_true (g_utf8_validate (back, -1, NULL));
    if (g_utf8_validate (text, -1, NULL))
        g_assert_cmpstr (back, ==, text);
    json_object_unref (object);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    JsonObject *object = relais_wire_parse ((const char *)bytes, size);

    if (object != NULL) {
        look_at (object);
        json_object_unref (object);
    }
    check_quoting (bytes, size);
    return 0;
}
