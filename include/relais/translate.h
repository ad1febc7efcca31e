/* SPDX-License-Identifier: MIT
 *
 * Text in the language of a request: the process has one locale, a page has its reader's. Catalogues are the
 * installed ones of gettext, in UTF-8, of the domains that modules name in their descriptors; they are read when the
 * modules start. The locale need not exist on the machine. Any thread, and nothing is waited for.
 */
#pragma once

#include <relais/types.h>

G_BEGIN_DECLS

/* The translation of `text` (as marked by N_ (), without plural forms) into the language that serves `accept`
 * best; `text` itself if its catalogue has none, or nothing serves. The same `accept` gives the same language for all
 * texts. `accept` is the value of an Accept-Language field (RFC 9110 section 12.5.4), bounded to 512 octets;
 * "fr-CA" is served by French; NULL: none. Borrowed for ever. */
RELAIS_API const gchar *
relais_translate (const gchar *domain, const gchar *accept, const gchar *text);
/* The language that this gives, "fr"; "en" if it is the text itself. Borrowed for ever. */
RELAIS_API const gchar *relais_translate_language (const gchar *domain, const gchar *accept);

G_END_DECLS
