/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reads forwarding fields from their end. What the client itself wrote stands in front, what our own
 * proxies added behind, so nothing in front, not even an open quote, may change how the end is read.
 * Pure; any thread.
 */
#include "config.h"

#include "http/forwarded-private.h"

#include "conf/net-private.h"

#include <string.h>

/* A piece of text. */
typedef struct {
    const char *text;
    gsize size;
} Piece;

static Piece
trim (Piece piece)
{
    while (piece.size > 0 && (piece.text[0] == ' ' || piece.text[0] == '\t')) {
        piece.text++;
        piece.size--;
    }
    while (piece.size > 0 &&
           (piece.text[piece.size - 1] == ' ' || piece.text[piece.size - 1] == '\t'))
        piece.size--;
    return piece;
}

static bool
piece_is (Piece piece, const char *word)
{
    return piece.size == strlen (word) && g_ascii_strncasecmp (piece.text, word, piece.size) == 0;
}

/* A quote with an odd number of backslashes before it is a character of the text. */
static bool
is_quote (const char *text, gsize at)
{
    gsize n = 0;

    if (text[at] != '"')
        return false;
    while (n < at && text[at - 1 - n] == '\\')
        n++;
    return n % 2 == 0;
}

/* Takes the last element off `rest`, cut at `mark` outside of quotes. False once nothing is left. */
static bool
take_last (Piece *rest, char mark, Piece *last)
{
    bool quoted = false;
    gsize at = rest->size;

    if (rest->text == NULL)
        return false;
    while (at > 0 && (quoted || rest->text[at - 1] != mark)) {
        at--;
        if (is_quote (rest->text, at))
            quoted = !quoted;
    }
    *last = trim ((Piece){rest->text + at, rest->size - at});
    if (at == 0)
        rest->text = NULL;
    else
        rest->size = at - 1;
    return true;
}

/* The text inside of quotes. A backslash has no place in an address or a scheme, so none is undone. */
static Piece
unquote (Piece piece)
{
    if (piece.size >= 2 && piece.text[0] == '"' && piece.text[piece.size - 1] == '"')
        return (Piece){piece.text + 1, piece.size - 2};
    return piece;
}

/* --- Addresses -------------------------------------------------------------------------------- */

/* As they stand in nodes of RFC 7239: a port is digits, or a hidden one. */
static bool
is_port (Piece port)
{
    for (gsize i = 0; i < port.size; i++)
        if (!g_ascii_isalnum (port.text[i]) && strchr ("._-", port.text[i]) == NULL)
            return false;
    return port.size > 0;
}

static bool
address_from (Piece piece, RelaisHttpAddress *address)
{
    char text[INET6_ADDRSTRLEN];
    struct sockaddr_storage storage;
    socklen_t size;

    if (piece.size == 0 || piece.size >= sizeof text ||
        memchr (piece.text, '\0', piece.size) != NULL)
        return false;
    memcpy (text, piece.text, piece.size);
    text[piece.size] = '\0';
    if (!relais_address_from_text (text, 0, &storage, &size))
        return false;
    memset (address, 0, sizeof *address);
    memcpy (address, &storage, size);
    return true;
}

/* "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]", "[2001:db8::1]:80", and, as X-Forwarded-For has it,
 * "2001:db8::1". */
static bool
node_address (Piece node, RelaisHttpAddress *address)
{
    const char *close, *colon;
    Piece inside, behind;

    if (node.size == 0)
        return false;
    if (node.text[0] == '[') {
        close = memchr (node.text, ']', node.size);
        if (close == NULL)
            return false;
        inside = (Piece){node.text + 1, (gsize)(close - node.text) - 1};
        behind = (Piece){close + 1, node.size - inside.size - 2};
        if (behind.size > 0 &&
            (behind.text[0] != ':' || !is_port ((Piece){behind.text + 1, behind.size - 1})))
            return false;
        return address_from (inside, address) && address->any.sa_family == AF_INET6;
    }
    colon = memchr (node.text, ':', node.size);
    inside = (Piece){node.text, colon != NULL ? (gsize)(colon - node.text) : node.size};
    behind = (Piece){colon, node.size - inside.size};
    if (colon == NULL || memchr (colon + 1, ':', behind.size - 1) != NULL)
        return address_from (node, address);
    return is_port ((Piece){behind.text + 1, behind.size - 1}) && address_from (inside, address) &&
           address->any.sa_family == AF_INET;
}

/* --- What was said ---------------------------------------------------------------------------- */

typedef struct {
    RelaisHttpAddress address;
    bool has_address;
    bool tls_is_known, tls;
} Hop;

static void
set_proto (Hop *hop, Piece proto)
{
    hop->tls = piece_is (proto, "https");
    hop->tls_is_known = hop->tls || piece_is (proto, "http");
}

/* "for=192.0.2.1;proto=https;by=..." */
static Hop
read_forwarded (Piece element)
{
    Hop hop = {0};
    guint n_for = 0, n_proto = 0;
    Piece pair;

    while (take_last (&element, ';', &pair)) {
        const char *equals = pair.size > 0 ? memchr (pair.text, '=', pair.size) : NULL;
        Piece name, value;

        if (equals == NULL)
            continue;
        name = (Piece){pair.text, (gsize)(equals - pair.text)};
        value = unquote ((Piece){equals + 1, pair.size - name.size - 1});
        if (piece_is (name, "for")) {
            n_for++;
            hop.has_address = node_address (value, &hop.address);
        } else if (piece_is (name, "proto")) {
            n_proto++;
            set_proto (&hop, value);
        }
    }
    hop.has_address &= n_for == 1;
    hop.tls_is_known &= n_proto == 1;
    return hop;
}

typedef struct {
    Piece hops, protos;
    bool standard; /* Forwarded, not the X- fields */
} Said;

static Piece
piece_of (const char *text)
{
    return (Piece){text, text != NULL ? strlen (text) : 0};
}

/* The X- fields have lists of their own; a proxy that lists fewer schemes than addresses means the
 * last ones, and the only one is meant for all. */
static bool
next_hop (Said *said, Hop *hop)
{
    Piece element, proto;

    if (!take_last (&said->hops, ',', &element))
        return false;
    if (said->standard) {
        *hop = read_forwarded (element);
        return true;
    }
    *hop = (Hop){0};
    hop->has_address = node_address (element, &hop->address);
    if (take_last (&said->protos, ',', &proto))
        set_proto (hop, proto);
    return true;
}

void
relais_http_find_client (const GArray *trusted, const RelaisHttpAddress *peer,
                         const RelaisHttpForwarding *said, RelaisHttpClient *client)
{
    const bool standard = said->forwarded != NULL;
    Said rest = {piece_of (standard ? said->forwarded : said->x_forwarded_for),
                 piece_of (standard ? NULL : said->x_forwarded_proto), standard};
    Hop hop;

    *client = (RelaisHttpClient){.address = *peer};
    if (!relais_nets_contain (trusted, &peer->any))
        return;
    if (rest.hops.text == NULL && rest.protos.text != NULL) {
        Piece proto;

        take_last (&rest.protos, ',', &proto);
        hop = (Hop){0};
        set_proto (&hop, proto);
        client->tls_is_known = hop.tls_is_known;
        client->tls = hop.tls;
    }
    while (relais_nets_contain (trusted, &client->address.any) && next_hop (&rest, &hop)) {
        if (hop.tls_is_known) {
            client->tls_is_known = true;
            client->tls = hop.tls;
        }
        if (!hop.has_address)
            return;
        client->address = hop.address;
    }
}
