/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Networks as 128 bits and a prefix length; an IPv4 address is its IPv4-mapped IPv6 one, so that one
 * comparison does for both families and a mapped client cannot slip past an IPv4 rule. Pure.
 */
#include "config.h"

#include "conf/net-private.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

static const guint8 MAPPED[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* `bits` is the length of the family's addresses. */
static bool
parse_address (const char *text, guint8 bytes[16], guint *bits)
{
    memcpy (bytes, MAPPED, sizeof MAPPED);
    if (inet_pton (AF_INET, text, bytes + sizeof MAPPED) == 1) {
        *bits = 32;
        return true;
    }
    *bits = 128;
    return inet_pton (AF_INET6, text, bytes) == 1;
}

/* "0" .. "128": digits alone, no leading zero. */
static bool
parse_length (const char *text, guint most, guint *length)
{
    guint value = 0;

    if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
        return false;
    for (; *text != '\0'; text++) {
        if (!g_ascii_isdigit (*text))
            return false;
        value = value * 10 + (guint)g_ascii_digit_value (*text);
        if (value > most)
            return false;
    }
    *length = value;
    return true;
}

static bool
bits_equal (const guint8 *a, const guint8 *b, guint bits)
{
    guint whole = bits / 8, rest = bits % 8;
    guint8 mask = (guint8)(0xff00u >> rest);

    if (memcmp (a, b, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ b[whole]) & mask) == 0;
}

bool
relais_net_parse (const char *text, RelaisNet *net)
{
    const char *slash = strchr (text, '/');
    char address[INET6_ADDRSTRLEN];
    gsize size = slash != NULL ? (gsize)(slash - text) : strlen (text);
    guint bits, length;

    if (size >= sizeof address)
        return false;
    memcpy (address, text, size);
    address[size] = '\0';
    if (!parse_address (address, net->bytes, &bits))
        return false;
    length = bits;
    if (slash != NULL && !parse_length (slash + 1, bits, &length))
        return false;
    net->bits = (guint8)(128 - bits + length);
    return true;
}

static bool
address_bytes (const struct sockaddr *address, guint8 bytes[16])
{
    if (address->sa_family == AF_INET) {
        memcpy (bytes, MAPPED, sizeof MAPPED);
        memcpy (bytes + sizeof MAPPED, &((const struct sockaddr_in *)address)->sin_addr, 4);
        return true;
    }
    if (address->sa_family == AF_INET6) {
        memcpy (bytes, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
        return true;
    }
    return false;
}

/* "::/0" means every IPv6 address; it holds IPv4 ones only if it was written as a mapped net, since
 * whoever opens a rule to all of IPv6 has not spoken of IPv4. */
static bool
net_contains_bytes (const RelaisNet *net, const guint8 bytes[16])
{
    bool net_is_mapped = net->bits >= 96 && memcmp (net->bytes, MAPPED, sizeof MAPPED) == 0;
    bool is_mapped = memcmp (bytes, MAPPED, sizeof MAPPED) == 0;

    return net_is_mapped == is_mapped && bits_equal (net->bytes, bytes, net->bits);
}

bool
relais_net_contains (const RelaisNet *net, const struct sockaddr *address)
{
    guint8 bytes[16];

    return address_bytes (address, bytes) && net_contains_bytes (net, bytes);
}

bool
relais_nets_contain (const GArray *nets, const struct sockaddr *address)
{
    guint8 bytes[16];

    if (nets == NULL || !address_bytes (address, bytes))
        return false;
    for (guint i = 0; i < nets->len; i++)
        if (net_contains_bytes (&g_array_index (nets, RelaisNet, i), bytes))
            return true;
    return false;
}

GArray *
relais_nets_parse (const char *const *items, const char **bad)
{
    g_autoptr (GArray) nets = g_array_new (FALSE, FALSE, sizeof (RelaisNet));

    for (gsize i = 0; items[i] != NULL; i++) {
        RelaisNet net;

        if (!relais_net_parse (items[i], &net)) {
            *bad = items[i];
            return NULL;
        }
        g_array_append_val (nets, net);
    }
    return g_steal_pointer (&nets);
}

bool
relais_address_from_bytes (const guint8 *bytes, gsize n, guint16 port,
                           struct sockaddr_storage *address, socklen_t *size)
{
    struct sockaddr_in *four = (struct sockaddr_in *)address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;

    memset (address, 0, sizeof *address);
    if (n == sizeof four->sin_addr) {
        four->sin_family = AF_INET;
        four->sin_port = g_htons (port);
        memcpy (&four->sin_addr, bytes, n);
        *size = sizeof *four;
        return true;
    }
    if (n == sizeof six->sin6_addr) {
        six->sin6_family = AF_INET6;
        six->sin6_port = g_htons (port);
        memcpy (&six->sin6_addr, bytes, n);
        *size = sizeof *six;
        return true;
    }
    return false;
}

bool
relais_address_from_text (const char *text, guint16 port, struct sockaddr_storage *address,
                          socklen_t *size)
{
    guint8 bytes[sizeof (struct in6_addr)];

    if (inet_pton (AF_INET, text, bytes) == 1)
        return relais_address_from_bytes (bytes, sizeof (struct in_addr), port, address, size);
    return inet_pton (AF_INET6, text, bytes) == 1 &&
           relais_address_from_bytes (bytes, sizeof (struct in6_addr), port, address, size);
}

bool
relais_address_is_unix (const char *text)
{
    return g_str_has_prefix (text, "unix:");
}

bool
relais_address_from_unix (const char *text, struct sockaddr_storage *address, socklen_t *size)
{
    struct sockaddr_un *un = (struct sockaddr_un *)address;
    const char *path = text + strlen ("unix:");
    gsize length;

    G_STATIC_ASSERT (sizeof un->sun_path > RELAIS_UNIX_PATH_BYTES);
    if (!relais_address_is_unix (text) || path[0] != '/')
        return false;
    length = strlen (path);
    if (length > RELAIS_UNIX_PATH_BYTES)
        return false;
    memset (address, 0, sizeof *address);
    un->sun_family = AF_UNIX;
    memcpy (un->sun_path, path, length);
    *size = (socklen_t)(offsetof (struct sockaddr_un, sun_path) + length + 1);
    return true;
}

char *
relais_address_to_text (const struct sockaddr *address)
{
    char text[INET6_ADDRSTRLEN];
    guint8 bytes[16];
    bool mapped;

    if (!address_bytes (address, bytes))
        return g_strdup ("unknown");
    mapped = memcmp (bytes, MAPPED, sizeof MAPPED) == 0;
    inet_ntop (mapped ? AF_INET : AF_INET6, mapped ? bytes + sizeof MAPPED : bytes, text,
               sizeof text);
    return g_strdup (text);
}

guint16
relais_address_port (const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return g_ntohs (((const struct sockaddr_in *)address)->sin_port);
    if (address->sa_family == AF_INET6)
        return g_ntohs (((const struct sockaddr_in6 *)address)->sin6_port);
    return 0;
}

void
relais_client_key (const struct sockaddr *address, guint8 key[16])
{
    const struct in6_addr *in6 = &((const struct sockaddr_in6 *)address)->sin6_addr;

    memset (key, 0, 16);
    if (address->sa_family == AF_INET6)
        memcpy (key, in6, IN6_IS_ADDR_V4MAPPED (in6) ? 16 : 8);
    else if (address->sa_family == AF_INET) {
        key[10] = key[11] = 0xff;
        memcpy (key + 12, &((const struct sockaddr_in *)address)->sin_addr, 4);
    }
}

void
relais_client_net_key (const guint8 client[16], guint8 net[16])
{
    static const guint8 mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    const gsize size = memcmp (client, mapped, sizeof mapped) == 0 ? 15 : 6;

    memset (net, 0, 16);
    memcpy (net, client, size);
}

guint
relais_client_key_hash (gconstpointer key)
{
    guint words[4];

    memcpy (words, key, sizeof words);
    return words[0] ^ words[1] * 31 ^ words[2] * 131 ^ words[3] * 2654435761u;
}

gboolean
relais_client_key_equal (gconstpointer a, gconstpointer b)
{
    return memcmp (a, b, 16) == 0;
}
