/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a browser takes a link for (url.c). Pure; any thread. GLib and libidn2, nothing of the core.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

enum {
    CLICK_URL_BYTES = 8000, /* the longest URL that is made, or read but for tabs and line ends */
    CLICK_HOST_BYTES = 1000 /* the longest host that is read; one has at most 253 octets */
};

/* The URL that a browser makes of an absolute http or https link, byte for byte as `a.href` of the URL
 * standard, or NULL on any doubt: then the link is to be left as it is. `href` is the value of an
 * attribute with its character references decoded; `utf8` says that it is UTF-8, else what octets from
 * 0x80 on mean is not known, and there is no result if there are any. The result is printable ASCII
 * without spaces, quotes and angle brackets, and gives itself again. Owned by the caller; g_free (). */
char *click_url_serialize (const char *href, gsize size, bool utf8);

/* Whether a browser takes it for a link with the scheme http or https, be the rest what it may. */
bool click_url_is_web (const char *href, gsize size);
