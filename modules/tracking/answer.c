/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Answers that the tracking modules share. HTTP thread.
 */
#include "tracking.h"

#include <string.h>

void
tracking_answer_text (RelaisHttpRequest *request, guint32 status, const char *text)
{
    g_autoptr (GBytes) body = g_bytes_new (text, strlen (text));

    relais_http_set_header (request, "Cache-Control", "no-store");
    relais_http_answer (request, status, "text/plain; charset=utf-8", body);
}
