/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading an origin. Strict, since what it reads ends up in mail. Pure.
 */
#include "config.h"

#include "conf/origin-private.h"

#include <string.h>

enum { NAME_BYTES = 253, LABEL_BYTES = 63 };

void
relais_origin_clear (RelaisOrigin *origin)
{
    g_clear_pointer (&origin->host, g_free);
    g_clear_pointer (&origin->url, g_free);
}

static bool
label_is_good (const char *label)
{
    gsize size = strlen (label);

    return size >= 1 && size <= LABEL_BYTES &&
           strspn (label, "abcdefghijklmnopqrstuvwxyz0123456789-") == size && label[0] != '-' &&
           label[size - 1] != '-';
}

static bool
host_is_good (const char *host)
{
    g_auto (GStrv) labels = g_strsplit (host, ".", -1);
    guint n = g_strv_length (labels);

    if (n == 0 || strlen (host) > NAME_BYTES)
        return false;
    for (guint i = 0; i < n; i++)
        if (!label_is_good (labels[i]))
            return false;
    return g_ascii_isalpha (labels[n - 1][0]);
}

/* ":PORT", ":PORT/", "/" or nothing. */
static bool
read_port (const char *text, guint16 *port)
{
    g_autofree char *digits = NULL;
    guint64 number;

    if (text[0] == ':') {
        gsize size = strspn (text + 1, "0123456789");

        digits = g_strndup (text + 1, size);
        if (!g_ascii_string_to_unsigned (digits, 10, 1, 65535, &number, NULL))
            return false;
        *port = (guint16)number;
        text += 1 + size;
    }
    return text[0] == '\0' || strcmp (text, "/") == 0;
}

bool
relais_origin_parse (const char *text, RelaisOrigin *origin)
{
    static const char http[] = "http://", https[] = "https://";
    bool tls = g_ascii_strncasecmp (text, https, strlen (https)) == 0;
    guint16 usual = tls ? 443 : 80, port = usual;
    g_autofree char *host = NULL;
    const char *rest;
    gsize size;

    if (!tls && g_ascii_strncasecmp (text, http, strlen (http)) != 0)
        return false;
    rest = text + (tls ? strlen (https) : strlen (http));
    size = strcspn (rest, ":/");
    host = g_ascii_strdown (rest, (gssize)size);
    if (!host_is_good (host) || !read_port (rest + size, &port))
        return false;
    *origin = (RelaisOrigin){.tls = tls, .host = g_steal_pointer (&host), .port = port};
    origin->url = port == usual
                      ? g_strconcat (tls ? https : http, origin->host, NULL)
                      : g_strdup_printf ("%s%s:%u", tls ? https : http, origin->host, port);
    return true;
}
