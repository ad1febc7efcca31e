/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who the client is behind proxies: the connection's peer, or, as long as those who speak are trusted,
 * whom they name in Forwarded (RFC 7239) or X-Forwarded-For. Pure; any thread.
 */
#pragma once

#include <glib.h>
#include <netinet/in.h>
#include <stdbool.h>

/* An address of either family, without the size of a sockaddr_storage. */
typedef union {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
} RelaisHttpAddress;

/* The fields' values, those of several fields of a name joined by commas in their order; NULL where
 * there is none. With Forwarded the other two are not looked at. */
typedef struct {
    const char *forwarded, *x_forwarded_for, *x_forwarded_proto;
} RelaisHttpForwarding;

typedef struct {
    RelaisHttpAddress address;
    bool tls_is_known; /* a trusted proxy said how the client came */
    bool tls;
} RelaisHttpClient;

/* Walks from the peer through what was said, last first: whoever is in `trusted` (RelaisNet; NULL is
 * empty) is believed about the one before. Stops at the first who is not, and before what is no address
 * (garbage, "unknown", a hidden name). */
void relais_http_find_client (const GArray *trusted, const RelaisHttpAddress *peer,
                              const RelaisHttpForwarding *said, RelaisHttpClient *client);
