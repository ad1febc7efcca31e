/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * URLs are read by the same parser (libcurl's) that later makes the request, so that there are no two
 * opinions of what the host is; what we do not want to see at all is refused before and after. Pure.
 */
#include "config.h"

#include "http/fetch-url-private.h"

#include "conf/net-private.h"

#include <curl/curl.h>
#include <string.h>

void
relais_fetch_url_clear (RelaisFetchUrl *url)
{
    g_clear_pointer (&url->url, g_free);
    g_clear_pointer (&url->host, g_free);
}

static const char *
look_at_text (const char *text)
{
    gsize size = strnlen (text, RELAIS_FETCH_URL_BYTES + 1);
    const char *rest;

    if (size > RELAIS_FETCH_URL_BYTES)
        return "the URL is too long";
    for (gsize i = 0; i < size; i++)
        if (!g_ascii_isgraph (text[i]))
            return "the URL has a space, a control character or one that is not ASCII";
    if (strchr (text, '\\') != NULL)
        return "the URL has a backslash";
    if (g_ascii_strncasecmp (text, "http://", 7) == 0)
        rest = text + 7;
    else if (g_ascii_strncasecmp (text, "https://", 8) == 0)
        rest = text + 8;
    else
        return "the URL does not begin with http:// or https://";
    if (strcspn (rest, "/?#") == 0)
        return "the URL names no host";
    if (memchr (rest, '%', strcspn (rest, "/?#")) != NULL)
        return "the URL's host is written with %";
    return NULL;
}

static char *
part (CURLU *parsed, CURLUPart which)
{
    char *text = NULL, *copy;

    if (curl_url_get (parsed, which, &text, which == CURLUPART_PORT ? CURLU_DEFAULT_PORT : 0) !=
        CURLUE_OK)
        return NULL;
    copy = g_strdup (text);
    curl_free (text);
    return copy;
}

static bool
has_part (CURLU *parsed, CURLUPart which)
{
    g_autofree char *text = part (parsed, which);

    return text != NULL;
}

/* A last label that is a number makes it an address in somebody's eyes (WHATWG URL, 3.5). */
static bool
ends_in_number (const char *name)
{
    const char *dot = strrchr (name, '.');
    const char *label = dot != NULL ? dot + 1 : name;

    return g_ascii_isdigit (label[0]) &&
           (label[0] == '0' || strspn (label, "0123456789") == strlen (label));
}

static bool
name_is_good (const char *name)
{
    gsize size = strlen (name);

    if (size == 0 || size > 253 || name[0] == '.' || strstr (name, "..") != NULL)
        return false;
    if (strspn (name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != size)
        return false;
    return !ends_in_number (name);
}

/* Host and port of what libcurl read. */
static const char *
take_host (CURLU *parsed, RelaisFetchUrl *url)
{
    g_autofree char *host = part (parsed, CURLUPART_HOST);
    g_autofree char *port = part (parsed, CURLUPART_PORT);
    g_autofree char *bare = NULL;
    guint64 number;
    gsize size;

    if (host == NULL || port == NULL ||
        !g_ascii_string_to_unsigned (port, 10, 1, 65535, &number, NULL))
        return "the URL's host or port cannot be read";
    size = strlen (host);
    url->port = (guint16)number;
    bare = host[0] == '[' && size > 2 ? g_strndup (host + 1, size - 2) : g_strdup (host);
    url->host = g_ascii_strdown (bare, -1);
    url->is_literal = relais_address_from_text (url->host, url->port, &url->address, &url->size);
    if (url->is_literal)
        return NULL;
    /* The root's dot would make another name of the same host. */
    size = strlen (url->host);
    if (size > 1 && url->host[size - 1] == '.')
        url->host[size - 1] = '\0';
    return host[0] != '[' && name_is_good (url->host) ? NULL : "the URL's host is no host name";
}

static const char *
take (CURLU *parsed, const char *text, RelaisFetchUrl *url)
{
    g_autofree char *scheme = NULL;

    if (curl_url_set (parsed, CURLUPART_URL, text, CURLU_DISALLOW_USER) != CURLUE_OK)
        return "the URL is not well-formed, or has a user name";
    if (has_part (parsed, CURLUPART_USER) || has_part (parsed, CURLUPART_PASSWORD))
        return "the URL has a user name";
    if (has_part (parsed, CURLUPART_ZONEID))
        return "the URL's address has a zone";
    (void)curl_url_set (parsed, CURLUPART_FRAGMENT, NULL, 0);
    scheme = part (parsed, CURLUPART_SCHEME);
    if (g_strcmp0 (scheme, "http") != 0 && g_strcmp0 (scheme, "https") != 0)
        return "the URL does not begin with http:// or https://";
    url->tls = strcmp (scheme, "https") == 0;
    url->url = part (parsed, CURLUPART_URL);
    return url->url != NULL ? take_host (parsed, url) : "the URL is not well-formed";
}

bool
relais_fetch_url_parse (const char *text, RelaisFetchUrl *url, const char **problem)
{
    g_auto (RelaisFetchUrl) made = {0};
    CURLU *parsed;

    *problem = look_at_text (text);
    if (*problem != NULL)
        return false;
    parsed = curl_url ();
    *problem = parsed != NULL ? take (parsed, text, &made) : "out of memory";
    curl_url_cleanup (parsed);
    if (*problem != NULL)
        return false;
    *url = made;
    made = (RelaisFetchUrl){0};
    return true;
}

bool
relais_fetch_port_is_good (guint16 port)
{
    return port == 80 || port == 443 || port >= RELAIS_FETCH_LOWEST_PORT;
}

bool
relais_fetch_method_is_good (const char *method)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", NULL};

    return g_strv_contains (methods, method);
}

bool
relais_fetch_header_is_good (const char *line)
{
    static const char *const ours[] = {"connection", "content-length",    "expect",  "host", "te",
                                       "trailer",    "transfer-encoding", "upgrade", NULL};
    static const char more[] = "!#$%&'*+-.^_`|~"; /* RFC 9110 section 5.6.2 */
    gsize size = strnlen (line, RELAIS_FETCH_HEADER_BYTES + 1), end = 0;
    g_autofree char *name = NULL;

    if (size > RELAIS_FETCH_HEADER_BYTES)
        return false;
    while (g_ascii_isalnum (line[end]) || (line[end] != '\0' && strchr (more, line[end]) != NULL))
        end++;
    if (end == 0 || line[end] != ':')
        return false;
    for (const char *c = line + end; *c != '\0'; c++)
        if (g_ascii_iscntrl (*c) && *c != '\t')
            return false;
    name = g_ascii_strdown (line, (gssize)end);
    return !g_strv_contains (ours, name) && !g_str_has_prefix (name, "proxy-");
}
