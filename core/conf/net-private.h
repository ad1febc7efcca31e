/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Networks ("192.0.2.0/24", "2001:db8::/32", "127.0.0.1") and lists of them. IPv4-mapped IPv6
 * addresses count as IPv4 everywhere. Pure; any thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/socket.h>

typedef struct {
    guint8 bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
    guint8 bits;      /* 0 .. 128 */
} RelaisNet;

bool relais_net_parse (const char *text, RelaisNet *net);
bool relais_net_contains (const RelaisNet *net, const struct sockaddr *address);
bool relais_nets_contain (const GArray *nets,
                          const struct sockaddr *address); /* of RelaisNet; NULL is empty */
/* Parses all items or returns NULL and names the first bad one in `bad` (borrowed). */
GArray *relais_nets_parse (const char *const *items, const char **bad);
/* "ADDRESS" of either family, without port; false if it is neither. */
bool relais_address_from_text (const char *text, guint16 port, struct sockaddr_storage *address,
                               socklen_t *size);
/* "unix:/PATH": whether it is meant to be one; the address of the socket, false if the path is not
 * absolute or longer than RELAIS_UNIX_PATH_BYTES. */
enum { RELAIS_UNIX_PATH_BYTES = 107 };
bool relais_address_is_unix (const char *text);
bool relais_address_from_unix (const char *text, struct sockaddr_storage *address, socklen_t *size);
/* The address of 4 or 16 octets in network order, as in an A or AAAA record; false for any other size. */
bool relais_address_from_bytes (const guint8 *bytes, gsize n, guint16 port,
                                struct sockaddr_storage *address, socklen_t *size);
/* Owned text of the address without port; IPv4-mapped as IPv4. */
char *relais_address_to_text (const struct sockaddr *address);
guint16 relais_address_port (const struct sockaddr *address);

/* What counts as one client: an IPv4 address, mapped or not, or the /64 that an IPv6 one lies in, which is
 * the least that one customer of an access provider has. */
void relais_client_key (const struct sockaddr *address, guint8 key[16]);
/* The network that such a client lies in: /24 of IPv4, /48 of IPv6, which is what one customer of a
 * provider of machines may have. */
void relais_client_net_key (const guint8 client[16], guint8 net[16]);
/* For tables of clients by such keys. */
guint relais_client_key_hash (gconstpointer key);
gboolean relais_client_key_equal (gconstpointer a, gconstpointer b);
