/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * URLs and header lines of the HTTP client: what may be asked for. Pure; any thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/socket.h>

enum {
    RELAIS_FETCH_URL_BYTES = 8192,
    RELAIS_FETCH_HEADERS = 100,       /* of a request */
    RELAIS_FETCH_HEADER_BYTES = 8192, /* of one of them */
    RELAIS_FETCH_LOWEST_PORT = 1024   /* but 80 and 443 */
};

typedef struct {
    char *url;  /* as it will be asked for, without fragment */
    char *host; /* lower case; a literal without brackets */
    guint16 port;
    bool tls;
    bool is_literal;
    struct sockaddr_storage address; /* of a literal, with port */
    socklen_t size;
} RelaisFetchUrl;

/* Reads `text`. On failure nothing is kept, and `problem` (static, English) says what is wrong. */
bool relais_fetch_url_parse (const char *text, RelaisFetchUrl *url, const char **problem);
void relais_fetch_url_clear (RelaisFetchUrl *url);
/* Whether a port may be asked for unless the host is exempt. */
bool relais_fetch_port_is_good (guint16 port);

bool relais_fetch_method_is_good (const char *method);
/* "Name: value", and not a field that is the client's own affair. */
bool relais_fetch_header_is_good (const char *line);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RelaisFetchUrl, relais_fetch_url_clear)
