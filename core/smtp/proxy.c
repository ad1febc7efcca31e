/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The PROXY header. Of what it tells only the client's address and port are taken; TLVs are skipped.
 * Nothing is kept between calls: an incomplete header is looked at again when more has come, which its
 * small bound makes cheap.
 */
#include "config.h"

#include "smtp/proxy-private.h"

#include "conf/net-private.h"

#include <netinet/in.h>
#include <string.h>

enum { V1_BYTES = 107, V2_HEAD_BYTES = 16, V2_IPV4_BYTES = 12, V2_IPV6_BYTES = 36 };

static const guint8 v2_signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                        0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

static bool
parse_port (const char *text, guint16 *port)
{
    guint64 value;

    if (!g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT16, &value, NULL))
        return false;
    *port = (guint16)value;
    return true;
}

/* "PROXY TCP4 SOURCE DESTINATION SPORT DPORT", without its CRLF. */
static RelaisProxyStatus
parse_v1_line (const char *line, struct sockaddr_storage *address)
{
    g_auto (GStrv) words = g_strsplit (line, " ", 7);
    const guint n = g_strv_length (words);
    struct sockaddr_storage destination;
    socklen_t size;
    guint16 port, ignored;
    int family;

    if (n >= 2 && g_str_equal (words[1], "UNKNOWN"))
        return RELAIS_PROXY_UNKNOWN;
    if (n != 6 || !g_str_equal (words[0], "PROXY"))
        return RELAIS_PROXY_BAD;
    if (g_str_equal (words[1], "TCP4"))
        family = AF_INET;
    else if (g_str_equal (words[1], "TCP6"))
        family = AF_INET6;
    else
        return RELAIS_PROXY_BAD;
    if (!parse_port (words[4], &port) || !parse_port (words[5], &ignored) ||
        !relais_address_from_text (words[2], port, address, &size) ||
        !relais_address_from_text (words[3], ignored, &destination, &size))
        return RELAIS_PROXY_BAD;
    return address->ss_family == family && destination.ss_family == family ? RELAIS_PROXY_CLIENT
                                                                           : RELAIS_PROXY_BAD;
}

static RelaisProxyStatus
parse_v1 (const guint8 *bytes, gsize size, gsize *used, struct sockaddr_storage *address)
{
    static const char start[] = "PROXY ";
    const gsize seen = MIN (size, V1_BYTES);
    const guint8 *lf = memchr (bytes, '\n', seen);
    g_autofree char *line = NULL;
    gsize line_size;

    if (memcmp (bytes, start, MIN (size, sizeof start - 1)) != 0)
        return RELAIS_PROXY_BAD;
    if (lf == NULL)
        return size >= V1_BYTES ? RELAIS_PROXY_BAD : RELAIS_PROXY_MORE;
    line_size = (gsize)(lf - bytes);
    if (line_size < sizeof start || bytes[line_size - 1] != '\r' ||
        memchr (bytes, '\0', line_size) != NULL)
        return RELAIS_PROXY_BAD;
    line = g_strndup ((const char *)bytes, line_size - 1);
    *used = line_size + 1;
    return parse_v1_line (line, address);
}

static void
set_ipv4 (struct sockaddr_storage *address, const guint8 *block)
{
    struct sockaddr_in in = {.sin_family = AF_INET};

    memcpy (&in.sin_addr, block, 4);
    memcpy (&in.sin_port, block + 8, 2);
    memset (address, 0, sizeof *address);
    memcpy (address, &in, sizeof in);
}

static void
set_ipv6 (struct sockaddr_storage *address, const guint8 *block)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

    memcpy (&in6.sin6_addr, block, 16);
    memcpy (&in6.sin6_port, block + 32, 2);
    memset (address, 0, sizeof *address);
    memcpy (address, &in6, sizeof in6);
}

/* No protocol, or one that is not served, datagrams and local sockets: as if nothing was told (section 2.2 of
 * the specification). Whatever else stands there must be refused. */
static RelaisProxyStatus
other_family (guint8 family)
{
    switch (family) {
    case 0x00:
    case 0x12:
    case 0x22:
    case 0x31:
    case 0x32: return RELAIS_PROXY_UNKNOWN;
    default: return RELAIS_PROXY_BAD;
    }
}

static RelaisProxyStatus
parse_v2_block (guint8 command, guint8 family, const guint8 *block, gsize size,
                struct sockaddr_storage *address)
{
    if (command == 0x20) /* LOCAL: the proxy's own, a health check */
        return RELAIS_PROXY_UNKNOWN;
    if (command != 0x21)
        return RELAIS_PROXY_BAD;
    if (family == 0x11 && size >= V2_IPV4_BYTES) {
        set_ipv4 (address, block);
        return RELAIS_PROXY_CLIENT;
    }
    if (family == 0x21 && size >= V2_IPV6_BYTES) {
        set_ipv6 (address, block);
        return RELAIS_PROXY_CLIENT;
    }
    return other_family (family);
}

static RelaisProxyStatus
parse_v2 (const guint8 *bytes, gsize size, gsize *used, struct sockaddr_storage *address)
{
    gsize block_size;

    if (size < V2_HEAD_BYTES)
        return RELAIS_PROXY_MORE;
    block_size = (gsize)bytes[14] << 8 | bytes[15];
    if (V2_HEAD_BYTES + block_size > RELAIS_PROXY_BYTES)
        return RELAIS_PROXY_BAD;
    if (size < V2_HEAD_BYTES + block_size)
        return RELAIS_PROXY_MORE;
    *used = V2_HEAD_BYTES + block_size;
    return parse_v2_block (bytes[12], bytes[13], bytes + V2_HEAD_BYTES, block_size, address);
}

RelaisProxyStatus
relais_proxy_parse (const guint8 *bytes, gsize size, gsize *used, struct sockaddr_storage *address)
{
    if (size == 0)
        return RELAIS_PROXY_MORE;
    if (memcmp (bytes, v2_signature, MIN (size, sizeof v2_signature)) == 0)
        return parse_v2 (bytes, size, used, address);
    return parse_v1 (bytes, size, used, address);
}
