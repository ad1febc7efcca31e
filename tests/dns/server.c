/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The scripted server. The script is fixed before the thread starts; the counts are under the mutex.
 */
#include "config.h"

#include "dns/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    TYPE_A = 1,
    TYPE_CNAME = 5,
    TYPE_SOA = 6,
    TYPE_PTR = 12,
    TYPE_MX = 15,
    TYPE_TXT = 16,
    TYPE_AAAA = 28
};

typedef struct {
    char *name;
    guint type;
    char *value;
} Line;

struct TestDns {
    GThread *thread;
    int udp, tcp, stop;
    char *address;
    GArray *lines; /* Line */
    GMutex mutex;
    GHashTable *counts; /* "name/type" to a number; under mutex */
    guint n_tcp;        /* under mutex */
};

static const struct {
    const char *name;
    guint type;
} types[] = {{"A", TYPE_A},     {"CNAME", TYPE_CNAME}, {"PTR", TYPE_PTR}, {"MX", TYPE_MX},
             {"TXT", TYPE_TXT}, {"AAAA", TYPE_AAAA},   {"TLSA", 52}};

static guint
type_from_name (const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS (types); i++)
        if (strcmp (types[i].name, name) == 0)
            return types[i].type;
    g_error ("no type \"%s\"", name);
}

/* --- Building answers --------------------------------------------------------------------------- */

static void
put_u16 (GByteArray *to, guint value)
{
    guint8 bytes[] = {(guint8)(value >> 8), (guint8)value};

    g_byte_array_append (to, bytes, 2);
}

static void
put_u32 (GByteArray *to, guint value)
{
    put_u16 (to, value >> 16);
    put_u16 (to, value & 0xffff);
}

static void
put_name (GByteArray *to, const char *name)
{
    g_auto (GStrv) labels = g_strsplit (name, ".", -1);

    for (gsize i = 0; labels[i] != NULL; i++) {
        guint8 size = (guint8)strlen (labels[i]);

        if (size == 0)
            continue;
        g_byte_array_append (to, &size, 1);
        g_byte_array_append (to, (const guint8 *)labels[i], size);
    }
    g_byte_array_append (to, (const guint8 *)"", 1);
}

static void
put_data (GByteArray *to, guint type, const char *value)
{
    guint8 bytes[16];
    char *rest;
    gsize size = strlen (value);

    switch (type) {
    case TYPE_A:
        g_assert_cmpint (inet_pton (AF_INET, value, bytes), ==, 1);
        g_byte_array_append (to, bytes, 4);
        break;
    case TYPE_AAAA:
        g_assert_cmpint (inet_pton (AF_INET6, value, bytes), ==, 1);
        g_byte_array_append (to, bytes, 16);
        break;
    case TYPE_MX:
        put_u16 (to, (guint)strtoul (value, &rest, 10));
        put_name (to, g_strchug (rest));
        break;
    case TYPE_TXT:
        for (gsize at = 0; at < size; at += 255) {
            guint8 piece = (guint8)MIN (size - at, 255u);

            g_byte_array_append (to, &piece, 1);
            g_byte_array_append (to, (const guint8 *)value + at, piece);
        }
        break;
    default: put_name (to, value);
    }
}

static void
put_record (GByteArray *to, const char *owner, guint type, const char *value, gboolean bad)
{
    guint place;

    put_name (to, owner);
    put_u16 (to, type);
    put_u16 (to, 1);
    put_u32 (to, 300);
    place = to->len;
    put_u16 (to, 0);
    put_data (to, type, value);
    if (bad)
        g_byte_array_set_size (to, to->len - 1);
    to->data[place] = (guint8)((to->len - place - 2) >> 8);
    to->data[place + 1] = (guint8)(to->len - place - 2);
}

static void
put_soa (GByteArray *to)
{
    put_name (to, "");
    put_u16 (to, TYPE_SOA);
    put_u16 (to, 1);
    put_u32 (to, 300);
    put_u16 (to, 22);
    put_name (to, "");
    put_name (to, "");
    for (int i = 0; i < 5; i++)
        put_u32 (to, 60);
}

/* --- The script --------------------------------------------------------------------------------- */

static const Line *
find_line (const TestDns *server, const char *name, guint type, gboolean words, guint from)
{
    for (guint i = from; i < server->lines->len; i++) {
        const Line *line = &g_array_index (server->lines, Line, i);

        if ((line->value[0] == '!') == words && strcmp (line->name, name) == 0 &&
            (type == 0 || line->type == type))
            return line;
    }
    return NULL;
}

static guint
line_index (const TestDns *server, const Line *line)
{
    return (guint)(line - (const Line *)(gconstpointer)server->lines->data);
}

static char *
word_for (const TestDns *server, const char *name, guint type, guint nth)
{
    const Line *line = find_line (server, name, type, TRUE, 0);
    g_auto (GStrv) words = NULL;

    if (line == NULL)
        return g_strdup ("ANSWER");
    words = g_strsplit (line->value + 1, " ", -1);
    return g_strdup (words[MIN (nth, g_strv_length (words) - 1)]);
}

static guint
put_answers (const TestDns *server, GByteArray *to, const char *asked, guint type, gboolean bad)
{
    const char *name = asked;
    const Line *line;
    guint n = 0;

    while (n < 50 && (line = find_line (server, name, TYPE_CNAME, FALSE, 0)) != NULL) {
        put_record (to, name, TYPE_CNAME, line->value, FALSE);
        name = line->value;
        n++;
    }
    for (line = find_line (server, name, type, FALSE, 0); line != NULL;
         line = find_line (server, name, type, FALSE, line_index (server, line) + 1)) {
        put_record (to, name, type, line->value, bad);
        n++;
    }
    return n;
}

/* The answer to `query`, or NULL. */
static GByteArray *
answer_to (TestDns *server, const guint8 *query, gsize size, gboolean by_tcp)
{
    g_autoptr (GByteArray) to = g_byte_array_new ();
    g_autoptr (GString) name = g_string_new (NULL);
    g_autofree char *key = NULL;
    g_autofree char *word = NULL;
    guint type, nth, flags = 0x8180, n = 0;
    gsize at = 12;

    while (at < size && query[at] != 0) {
        if (name->len > 0)
            g_string_append_c (name, '.');
        for (guint i = 1; i <= query[at]; i++)
            g_string_append_c (name, g_ascii_tolower ((char)query[at + i]));
        at += query[at] + 1u;
    }
    type = (guint)(query[at + 1] << 8 | query[at + 2]);
    key = g_strdup_printf ("%s/%u", name->str, type);
    g_mutex_lock (&server->mutex);
    nth = GPOINTER_TO_UINT (g_hash_table_lookup (server->counts, key));
    g_hash_table_insert (server->counts, g_strdup (key), GUINT_TO_POINTER (nth + 1));
    server->n_tcp += by_tcp ? 1 : 0;
    g_mutex_unlock (&server->mutex);
    word = word_for (server, name->str, type, nth);
    if (strcmp (word, "DROP") == 0)
        return NULL;
    if (strcmp (word, "TRUNCATE") == 0 && !by_tcp)
        flags |= 0x0200;
    if (strcmp (word, "SERVFAIL") == 0)
        flags |= 2;
    else if (strcmp (word, "REFUSED") == 0)
        flags |= 5;
    else if (strcmp (word, "NXDOMAIN") == 0 || find_line (server, name->str, 0, FALSE, 0) == NULL)
        flags |= find_line (server, name->str, 0, TRUE, 0) == NULL || strcmp (word, "NXDOMAIN") == 0
                     ? 3
                     : 0;
    g_byte_array_append (to, query, 2);
    put_u16 (to, flags);
    put_u16 (to, 1);
    put_u32 (to, 0);
    put_u16 (to, 0);
    g_byte_array_append (to, query + 12, (guint)(at + 5 - 12));
    if ((flags & 0x020f) == 0)
        n = put_answers (server, to, name->str, type, strcmp (word, "BADDATA") == 0);
    to->data[7] = (guint8)n;
    to->data[6] = (guint8)(n >> 8);
    if (n == 0 && (flags & 15) != 2 && (flags & 15) != 5) {
        to->data[9] = 1;
        put_soa (to);
    }
    if (strcmp (word, "WRONGID") == 0)
        to->data[0] ^= 0x55;
    if (strcmp (word, "GARBAGE") == 0)
        memset (to->data + 2, 0xc0, to->len - 2);
    return g_steal_pointer (&to);
}

/* --- The thread --------------------------------------------------------------------------------- */

static void
serve_udp (TestDns *server)
{
    guint8 query[4096];
    struct sockaddr_storage from;
    socklen_t from_size = sizeof from;
    gssize n = recvfrom (server->udp, query, sizeof query, 0, (struct sockaddr *)&from, &from_size);
    g_autoptr (GByteArray) answer = n > 16 ? answer_to (server, query, (gsize)n, FALSE) : NULL;

    if (answer != NULL)
        (void)!sendto (server->udp, answer->data, answer->len, 0, (struct sockaddr *)&from,
                       from_size);
}

static void
serve_tcp (TestDns *server)
{
    int fd = accept (server->tcp, NULL, NULL);
    guint8 query[4096], length[2];
    gsize size;

    if (fd < 0)
        return;
    while (recv (fd, length, 2, MSG_WAITALL) == 2) {
        g_autoptr (GByteArray) answer = NULL;

        size = (gsize)(length[0] << 8 | length[1]);
        if (size > sizeof query || recv (fd, query, size, MSG_WAITALL) != (gssize)size)
            break;
        answer = answer_to (server, query, size, TRUE);
        if (answer == NULL)
            continue;
        length[0] = (guint8)(answer->len >> 8);
        length[1] = (guint8)answer->len;
        (void)!send (fd, length, 2, MSG_NOSIGNAL);
        (void)!send (fd, answer->data, answer->len, MSG_NOSIGNAL);
        break; /* one question a connection: a second one would block the UDP side */
    }
    close (fd);
}

static gpointer
serve (gpointer data)
{
    TestDns *server = data;
    struct pollfd fds[] = {
        {server->udp, POLLIN, 0}, {server->tcp, POLLIN, 0}, {server->stop, POLLIN, 0}};

    while (poll (fds, G_N_ELEMENTS (fds), -1) >= 0 || errno == EINTR) {
        if (fds[2].revents != 0)
            break;
        if (fds[0].revents != 0)
            serve_udp (server);
        if (fds[1].revents != 0)
            serve_tcp (server);
    }
    return NULL;
}

static void
line_clear (gpointer data)
{
    Line *line = data;

    g_free (line->name);
    g_free (line->value);
}

static void
read_script (TestDns *server, const char *script)
{
    g_auto (GStrv) lines = g_strsplit (script, "\n", -1);

    for (gsize i = 0; lines[i] != NULL; i++) {
        g_auto (GStrv) words = g_strsplit (g_strstrip (lines[i]), " ", 3);
        Line line;

        if (g_strv_length (words) < 3)
            continue;
        line = (Line){g_strdup (words[0]), type_from_name (words[1]), g_strdup (words[2])};
        g_array_append_val (server->lines, line);
    }
}

/* UDP and TCP on one port: tried until both get it. */
static guint16
open_sockets (TestDns *server)
{
    for (int i = 0; i < 100; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = g_htonl (INADDR_LOOPBACK)};
        socklen_t size = sizeof address;

        server->udp = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        server->tcp = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (bind (server->udp, (struct sockaddr *)&address, size) == 0 &&
            getsockname (server->udp, (struct sockaddr *)&address, &size) == 0 &&
            bind (server->tcp, (struct sockaddr *)&address, size) == 0 &&
            listen (server->tcp, 16) == 0)
            return g_ntohs (address.sin_port);
        close (server->udp);
        close (server->tcp);
    }
    g_error ("no port for a DNS server");
}

TestDns *
test_dns_new (const char *script)
{
    TestDns *server = g_new0 (TestDns, 1);

    server->lines = g_array_new (FALSE, FALSE, sizeof (Line));
    g_array_set_clear_func (server->lines, line_clear);
    read_script (server, script);
    server->counts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    g_mutex_init (&server->mutex);
    server->address = g_strdup_printf ("127.0.0.1@%u", open_sockets (server));
    server->stop = eventfd (0, EFD_CLOEXEC);
    server->thread = g_thread_new ("test-dns", serve, server);
    return server;
}

void
test_dns_free (TestDns *server)
{
    const guint64 one = 1;

    if (server == NULL)
        return;
    g_assert_cmpint (write (server->stop, &one, sizeof one), ==, sizeof one);
    g_thread_join (server->thread);
    close (server->udp);
    close (server->tcp);
    close (server->stop);
    g_array_unref (server->lines);
    g_hash_table_unref (server->counts);
    g_mutex_clear (&server->mutex);
    g_free (server->address);
    g_free (server);
}

const char *
test_dns_address (const TestDns *server)
{
    return server->address;
}

guint
test_dns_count (TestDns *server, const char *name, guint type)
{
    g_autofree char *key = g_strdup_printf ("%s/%u", name, type);
    guint count;

    g_mutex_lock (&server->mutex);
    count = GPOINTER_TO_UINT (g_hash_table_lookup (server->counts, key));
    g_mutex_unlock (&server->mutex);
    return count;
}

guint
test_dns_tcp_count (TestDns *server)
{
    guint count;

    g_mutex_lock (&server->mutex);
    count = server->n_tcp;
    g_mutex_unlock (&server->mutex);
    return count;
}
