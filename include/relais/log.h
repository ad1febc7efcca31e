/* SPDX-License-Identifier: MIT
 *
 * Log lines of a module: one line each, English, untrusted text is escaped by the core. Any thread.
 */
#pragma once

#include <relais/types.h>

G_BEGIN_DECLS

typedef guint32 RelaisLogLevel;
enum {
    RELAIS_LOG_ERROR = 0,   /* something does not work */
    RELAIS_LOG_WARNING = 1, /* something is not as it should be */
    RELAIS_LOG_NOTICE = 2,  /* the default for an unknown level */
    RELAIS_LOG_DEBUG = 3
};

RELAIS_API void relais_log (RelaisModule *module, RelaisLogLevel level, const gchar *format, ...)
    G_GNUC_PRINTF (3, 4);
/* The same without format. */
RELAIS_API void relais_log_text (RelaisModule *module, RelaisLogLevel level, const gchar *text);

G_END_DECLS
