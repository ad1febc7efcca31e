/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The HTTP request head (core/http/head.c) and forwarding fields (core/http/forwarded.c). Properties of
 * the head: pieces give what the whole gives; every shorter prefix of a head that is taken says "more", and
 * what follows it changes nothing; it ends in an empty line, holds no CR or LF but in CRLF and no control
 * but HTAB; its parts lie inside it; it has no Transfer-Encoding, one Host on 1.1, a body on POST alone. Of
 * the fields: the client is the peer unless the peer is trusted, and what is written in front of an
 * untrusted proxy's word changes nothing.
 *
 * Parsers: core/http/forwarded.c, core/http/head.c.
 */
#include "config.h"

#include "fuzz.h"

#include "conf/net-private.h"
#include "http/forwarded-private.h"
#include "http/head-private.h"

enum { LIMIT = 2048 };

static const char *const words[] = {"GET / HTTP/1.1\r\n",
                                    "POST /x?y HTTP/1.0\r\n",
                                    "HEAD ",
                                    "Host: a.test:80\r\n",
                                    "Host: [::1]\r\n",
                                    "Content-Length: ",
                                    "Transfer-Encoding: chunked\r\n",
                                    "Connection: close, keep-alive\r\n",
                                    "Expect: 100-continue\r\n",
                                    "for=",
                                    "proto=https",
                                    "\"[2001:db8::1]:80\"",
                                    "127.0.0.1",
                                    "192.0.2.1",
                                    NULL};
const FuzzTarget fuzz_target = {50000, words};

static RelaisHttpHeadResult
parse (RelaisHttpHead *head, const guint8 *bytes, gsize size)
{
    guint8 *exact = fuzz_exact (bytes, size);
    RelaisHttpHeadResult result = relais_http_head_parse (head, exact, size);

    free (exact);
    return result;
}

static RelaisHttpHeadResult
parse_pieces (RelaisHttpHead *head, const guint8 *bytes, gsize size, guint way, FuzzRandom *random)
{
    RelaisHttpHeadResult result = RELAIS_HTTP_HEAD_MORE;
    gsize shown = 0;

    relais_http_head_init (head, LIMIT);
    while (result == RELAIS_HTTP_HEAD_MORE && shown < size) {
        shown += fuzz_next_piece (random, way, size - shown);
        result = parse (head, bytes, shown);
    }
    return result;
}

static void
check_span (const RelaisHttpHead *head, RelaisHttpSpan span)
{
    g_assert_true (span.at <= head->size && span.size <= head->size - span.at);
}

static void
check_taken (const RelaisHttpHead *head, const guint8 *bytes)
{
    g_assert_true (head->size <= LIMIT);
    fuzz_assert_same (bytes + head->size - 4, 4, "\r\n\r\n", 4);
    for (guint32 i = 0; i < head->size; i++) {
        g_assert_true ((bytes[i] == '\n') == (i > 0 && bytes[i - 1] == '\r'));
        g_assert_true (bytes[i] >= 0x20 || bytes[i] == '\t' || bytes[i] == '\r' ||
                       bytes[i] == '\n');
        g_assert_cmpuint (bytes[i], !=, 0x7f);
    }
    check_span (head, head->path);
    check_span (head, head->query);
    check_span (head, head->host);
    g_assert_cmpuint (bytes[head->path.at], ==, '/');
    for (guint i = 0; i < head->n_fields; i++) {
        check_span (head, head->fields[i].name);
        check_span (head, head->fields[i].value);
        g_assert_cmpuint (bytes[head->fields[i].name.at + head->fields[i].name.size], ==, ':');
    }
    g_assert_cmpuint (head->known[RELAIS_HTTP_TRANSFER_ENCODING], ==, 0);
    g_assert_true (head->minor == 0 || head->host.size > 0);
    g_assert_true (head->method == RELAIS_HTTP_METHOD_POST || head->content_length == 0);
}

static void
check_head (const guint8 *bytes, gsize size, FuzzRandom *random)
{
    static RelaisHttpHead whole, other;
    const RelaisHttpHeadResult result = parse_pieces (&whole, bytes, size, 0, random);

    for (guint way = 1; way <= 2; way++) {
        g_assert_cmpint (parse_pieces (&other, bytes, size, way, random), ==, result);
        g_assert_cmpuint (other.status, ==, whole.status);
        g_assert_cmpuint (other.size, ==, whole.size);
        g_assert_cmpuint (other.n_fields, ==, whole.n_fields);
        g_assert_cmpuint (other.content_length, ==, whole.content_length);
    }
    if (result == RELAIS_HTTP_HEAD_BAD)
        g_assert_true (whole.status >= 400 && whole.status < 600 && whole.text != NULL);
    if (result != RELAIS_HTTP_HEAD_WHOLE)
        return;
    check_taken (&whole, bytes);
    relais_http_head_init (&other, LIMIT);
    g_assert_cmpint (parse (&other, bytes, fuzz_random_below (random, whole.size)), ==,
                     RELAIS_HTTP_HEAD_MORE);
    g_assert_cmpint (parse (&other, bytes, whole.size), ==, RELAIS_HTTP_HEAD_WHOLE);
}

static void
set (RelaisHttpAddress *address, const char *text)
{
    struct sockaddr_storage storage;
    socklen_t size;

    g_assert_true (relais_address_from_text (text, 0, &storage, &size));
    memset (address, 0, sizeof *address);
    memcpy (address, &storage, size);
}

static void
check_forwarded (const guint8 *bytes, gsize size)
{
    static const char *const nets[] = {"127.0.0.0/8", NULL};
    const char *bad = NULL;
    g_autoptr (GArray) trusted = relais_nets_parse (nets, &bad);
    g_autofree char *text = fuzz_string (bytes, size);
    g_autofree char *longer = g_strconcat (text, ",for=192.0.2.7", NULL);
    g_autofree char *longer_x = g_strconcat (text, ", 192.0.2.7", NULL);
    RelaisHttpAddress peer, seven;
    RelaisHttpClient client;

    set (&peer, "192.0.2.9");
    set (&seven, "192.0.2.7");
    relais_http_find_client (trusted, &peer, &(RelaisHttpForwarding){text, text, text}, &client);
    fuzz_assert_same (&client.address, sizeof peer, &peer, sizeof peer);
    set (&peer, "127.0.0.1");
    relais_http_find_client (trusted, &peer, &(RelaisHttpForwarding){text, NULL, NULL}, &client);
    relais_http_find_client (trusted, &peer, &(RelaisHttpForwarding){NULL, text, text}, &client);
    relais_http_find_client (trusted, &peer, &(RelaisHttpForwarding){longer, NULL, NULL}, &client);
    fuzz_assert_same (&client.address, sizeof seven, &seven, sizeof seven);
    relais_http_find_client (trusted, &peer, &(RelaisHttpForwarding){NULL, longer_x, NULL},
                             &client);
    fuzz_assert_same (&client.address, sizeof seven, &seven, sizeof seven);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    FuzzRandom random = fuzz_random_from (bytes, size);

    check_head (bytes, size, &random);
    check_forwarded (bytes, size);
    return 0;
}
