/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The pages that the tracking modules share: what a person sees whose link leads nowhere. They are in his language,
 * which a screen reader is told, need no script, load nothing, and leave sizes and colours to his browser. HTTP thread.
 */
#include "tracking.h"

#include <relais/translate.h>
#include <string.h>

static char *
page_of (const char *language, const char *title, const char *text)
{
    g_autofree char *heading = g_markup_escape_text (title, -1);
    g_autofree char *sentence = g_markup_escape_text (text, -1);

    return g_strdup_printf (
        "<!DOCTYPE html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<title>%s</title>\n</head>\n<body>\n<main>\n<h1>%s</h1>\n<p>%s</p>\n</main>\n</body>\n"
        "</html>\n",
        language, heading, heading, sentence);
}

void
tracking_answer_page (RelaisHttpRequest *request, guint32 status, const char *title,
                      const char *text)
{
    const char *accept = relais_http_get_header (request, "Accept-Language");
    const char *language = relais_translate_language (GETTEXT_PACKAGE, accept);
    char *page = page_of (language, relais_translate (GETTEXT_PACKAGE, accept, title),
                          relais_translate (GETTEXT_PACKAGE, accept, text));
    g_autoptr (GBytes) body = g_bytes_new_take (page, strlen (page));

    relais_http_set_header (request, "Cache-Control", "no-store");
    relais_http_set_header (request, "Content-Language", language);
    relais_http_set_header (request, "Content-Security-Policy",
                            "default-src 'none'; base-uri 'none'; frame-ancestors 'none'");
    relais_http_set_header (request, "Vary", "Accept-Language");
    relais_http_answer (request, status, "text/html; charset=utf-8", body);
}
