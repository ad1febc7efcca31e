/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which language a reader wants: Accept-Language (RFC 9110 section 12.5.4) and what there is, matched by the lookup of
 * RFC 4647 section 3.4. Pure, bounded; any thread.
 */
#pragma once

#include <glib.h>

enum {
    RELAIS_ACCEPT_BYTES = 512,   /* of the field that are read; a range that goes beyond is none */
    RELAIS_LANGUAGE_RANGES = 32, /* of them that count */
    RELAIS_LANGUAGE_TAG_BYTES = 35 /* RFC 5646 section 4.4.1 */
};

/* Which of `tags` ("fr", "pt-BR") serves the value of the field best; -1: none, or English, which the texts
 * themselves are in. `accept` may be NULL and hostile. */
int relais_language_choose (const char *accept, const char *const *tags, guint n);
