/* SPDX-License-Identifier: MIT
 *
 * Text in the language of a request: the process has one locale, a page has its reader's. Catalogues are the
 * installed ones of gettext; the locale need not exist on the machine. Any thread.
 */
#pragma once

#include <relais/types.h>

G_BEGIN_DECLS

/* The translation of `text` (as marked by N_ ()) of a gettext domain into the first of the languages that there is
 * one for; `text` itself if there is none. `accept` is the value of an Accept-Language field (RFC 9110 section
 * 12.5.4), bounded to 512 octets; NULL: none. Borrowed for ever. */
RELAIS_API const gchar *
relais_translate (const gchar *domain, const gchar *accept, const gchar *text);
/* The language that this gives, "fr"; "en" if it is the text itself. Borrowed for ever. */
RELAIS_API const gchar *relais_translate_language (const gchar *domain, const gchar *accept);

G_END_DECLS
