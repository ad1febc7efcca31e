/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Log lines of modules: through GLib's structured log with the module's name, one line each. Any
 * thread.
 */
#include "config.h"

#include "module/module-private.h"

#include <relais/log.h>

enum { LOG_TEXT_BYTES = 4096 };

/* One line: control characters and what is not UTF-8 come as \xNN. */
static char *
escape (const char *text)
{
    GString *to = g_string_new (NULL);

    while (*text != '\0' && to->len < LOG_TEXT_BYTES) {
        gunichar c = g_utf8_get_char_validated (text, -1);

        if (c == (gunichar)-1 || c == (gunichar)-2 || g_unichar_iscntrl (c)) {
            g_string_append_printf (to, "\\x%02x", (guint)(guchar)*text);
            text++;
        } else {
            g_string_append_unichar (to, c);
            text = g_utf8_next_char (text);
        }
    }
    return g_string_free (to, FALSE);
}

void
relais_log_text (RelaisModule *module, RelaisLogLevel level, const gchar *text)
{
    static const GLogLevelFlags levels[] = {G_LOG_LEVEL_WARNING, G_LOG_LEVEL_WARNING,
                                            G_LOG_LEVEL_MESSAGE, G_LOG_LEVEL_DEBUG};
    static const char *const priorities[] = {"3", "4", "5", "7"};
    guint i = level <= RELAIS_LOG_DEBUG ? level : RELAIS_LOG_NOTICE;
    g_autofree char *safe = escape (text);
    g_autofree char *line = g_strdup_printf ("%s: %s", module->descriptor.name, safe);
    const GLogField fields[] = {
        {"MESSAGE", line, -1},
        {"PRIORITY", priorities[i], -1},
        {"GLIB_DOMAIN", G_LOG_DOMAIN, -1},
        {"RELAIS_MODULE", module->descriptor.name, -1},
    };

    g_log_structured_array (levels[i], fields, G_N_ELEMENTS (fields));
}

void
relais_log (RelaisModule *module, RelaisLogLevel level, const gchar *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start (args, format);
    text = g_strdup_vprintf (format, args);
    va_end (args);
    relais_log_text (module, level, text);
}
