/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/tls/ports: sockets that were inherited go to the section of their name or address, others are opened, and what
 * fits nowhere is refused with words that help. Descriptors are handed over in a child, where 3 and up are free to be
 * anything.
 */
#include "config.h"

#include "tls/ports-private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const loopback[] = {"127.0.0.1", NULL};

/* A socket on a free port of loopback; it listens unless it is a datagram one or `deaf`. */
static int
make_socket (int type, bool deaf, guint16 *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    const int fd = socket (AF_INET, type, 0);

    g_assert_cmpint (bind (fd, (const struct sockaddr *)&address, sizeof address), ==, 0);
    if (type == SOCK_STREAM && !deaf)
        g_assert_cmpint (listen (fd, 1), ==, 0);
    g_assert_cmpint (getsockname (fd, (struct sockaddr *)&address, &size), ==, 0);
    *port = ntohs (address.sin_port);
    return fd;
}

/* As a service manager does it: descriptors from 3 on, and the environment. */
static void
hand_over (const int *fds, int n, const char *names, bool to_us)
{
    g_autofree char *count = g_strdup_printf ("%d", n);
    g_autofree char *pid = g_strdup_printf ("%d", (int)getpid () + (to_us ? 0 : 1));
    int high[4];

    for (int i = 0; i < n; i++)
        high[i] = fcntl (fds[i], F_DUPFD, 64);
    for (int i = 0; i < n; i++)
        g_assert_cmpint (dup2 (high[i], 3 + i), ==, 3 + i);
    g_setenv ("LISTEN_FDS", count, TRUE);
    g_setenv ("LISTEN_PID", pid, TRUE);
    if (names != NULL)
        g_setenv ("LISTEN_FDNAMES", names, TRUE);
}

static void
in_child (gconstpointer data)
{
    void (*func) (void) = *(void (*const *) (void))data;
    int status = 0;
    pid_t child = fork ();

    if (child == 0) {
        func ();
        _exit (0);
    }
    g_assert_cmpint (waitpid (child, &status, 0), ==, child);
    g_assert_cmpint (status, ==, 0);
}

static RelaisPorts *
inherit (void)
{
    RelaisPorts *ports = relais_ports_new ();
    g_autoptr (GError) error = NULL;

    g_assert_true (relais_ports_inherit (ports, &error));
    g_assert_no_error (error);
    return ports;
}

static void
by_name (void)
{
    guint16 first, second;
    const int fds[] = {make_socket (SOCK_STREAM, false, &first),
                       make_socket (SOCK_STREAM, false, &second)};
    const RelaisPortWish wish = {"listener", "mx", loopback, 1};
    g_autoptr (GPtrArray) set = NULL;
    RelaisPorts *ports;

    hand_over (fds, 2, "mx:mx", true);
    ports = inherit ();
    g_assert_null (g_getenv ("LISTEN_FDS"));
    g_assert_null (g_getenv ("LISTEN_PID"));
    g_assert_null (g_getenv ("LISTEN_FDNAMES"));
    /* Port 1 is not opened. */
    g_assert_true (relais_ports_open (ports, &wish, NULL));
    g_assert_true (relais_ports_all_used (ports, NULL));
    set = relais_ports_take (ports, &wish, NULL);
    g_assert_cmpuint (set->len, ==, 2);
    for (int i = 0; i < 2; i++) {
        const RelaisPort *port = g_ptr_array_index (set, (guint)i);
        g_autofree char *wanted = g_strdup_printf ("127.0.0.1:%u", i == 0 ? first : second);

        g_assert_cmpint (port->fd, ==, 3 + i);
        g_assert_cmpstr (port->name, ==, wanted);
        g_assert_cmpint (fcntl (port->fd, F_GETFD) & FD_CLOEXEC, !=, 0);
        g_assert_cmpint (fcntl (port->fd, F_GETFL) & O_NONBLOCK, !=, 0);
    }
    relais_ports_free (ports);
}

static void
by_address (void)
{
    guint16 number;
    const int fds[] = {make_socket (SOCK_STREAM, false, &number)};
    const RelaisPortWish other = {"http", "t", loopback, 0};
    RelaisPortWish wish = {"listener", "mx", loopback, 0};
    g_autoptr (GPtrArray) set = NULL, rest = NULL;
    RelaisPorts *ports;

    hand_over (fds, 1, "relais.socket", true);
    ports = inherit ();
    wish.port = number;
    g_assert_true (relais_ports_open (ports, &other, NULL));
    g_assert_true (relais_ports_open (ports, &wish, NULL));
    g_assert_true (relais_ports_all_used (ports, NULL));
    set = relais_ports_take (ports, &wish, NULL);
    rest = relais_ports_take (ports, &other, NULL);
    g_assert_cmpint (((RelaisPort *)g_ptr_array_index (set, 0))->fd, ==, 3);
    g_assert_cmpint (((RelaisPort *)g_ptr_array_index (rest, 0))->fd, >, 3);
    relais_ports_free (ports);
}

/* Of the program before us: one fits, one is of a listener that is no more. */
static void
by_kept (void)
{
    guint16 number, gone;
    const int fds[] = {make_socket (SOCK_STREAM, false, &number),
                       make_socket (SOCK_STREAM, false, &gone)};
    RelaisPortWish wish = {"listener", "mx", loopback, 0};
    g_autoptr (GPtrArray) set = NULL;
    RelaisPorts *ports;

    hand_over (fds, 2, RELAIS_PORTS_KEPT ":" RELAIS_PORTS_KEPT, true);
    ports = inherit ();
    wish.port = number;
    g_assert_true (relais_ports_open (ports, &wish, NULL));
    g_assert_true (relais_ports_all_used (ports, NULL));
    set = relais_ports_take (ports, &wish, NULL);
    g_assert_cmpuint (set->len, ==, 1);
    g_assert_cmpint (((RelaisPort *)g_ptr_array_index (set, 0))->fd, ==, 3);
    relais_ports_free (ports);
    g_assert_cmpint (fcntl (4, F_GETFD), ==, -1);
}

static void
by_nothing (void)
{
    guint16 number;
    const int fds[] = {make_socket (SOCK_STREAM, false, &number)};
    const RelaisPortWish wish = {"listener", "mx", loopback, 0};
    g_autofree char *address = NULL;
    g_autoptr (GError) error = NULL;
    RelaisPorts *ports;

    hand_over (fds, 1, "smtp", true);
    ports = inherit ();
    address = g_strdup_printf ("'smtp' (127.0.0.1:%u)", number);
    g_assert_true (relais_ports_open (ports, &wish, NULL));
    g_assert_false (relais_ports_all_used (ports, &error));
    g_assert_nonnull (strstr (error->message, address));
    g_assert_nonnull (strstr (error->message, "[listener smtp]"));
    relais_ports_free (ports);
}

static void
for_another (void)
{
    guint16 number;
    const int fds[] = {make_socket (SOCK_STREAM, false, &number)};
    const RelaisPortWish wish = {"listener", "mx", loopback, 0};
    g_autoptr (GPtrArray) set = NULL;
    RelaisPorts *ports;

    hand_over (fds, 1, "mx", false);
    ports = inherit ();
    g_assert_null (g_getenv ("LISTEN_FDS"));
    set = relais_ports_take (ports, &wish, NULL);
    g_assert_cmpint (((RelaisPort *)g_ptr_array_index (set, 0))->fd, !=, 3);
    relais_ports_free (ports);
}

static void
assert_refused (int fd, const char *wanted)
{
    RelaisPorts *ports = relais_ports_new ();
    g_autoptr (GError) error = NULL;

    hand_over (&fd, 1, "mx", true);
    g_assert_false (relais_ports_inherit (ports, &error));
    g_assert_nonnull (strstr (error->message, wanted));
    relais_ports_free (ports);
}

static void
wrong_ones (void)
{
    guint16 number;
    int pair[2];

    assert_refused (make_socket (SOCK_DGRAM, true, &number), "ListenStream=");
    assert_refused (make_socket (SOCK_STREAM, true, &number), "Accept=no");
    g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    assert_refused (pair[0], "another family");
    assert_refused (open ("/dev/null", O_RDONLY | O_CLOEXEC), g_strerror (ENOTSOCK));
}

/* Of what nobody took, none stays open. */
static void
test_own (void)
{
    const RelaisPortWish wish = {"listener", "mx", loopback, 0};
    const RelaisPortWish bad = {"http", "t", (const char *const[]){"here", NULL}, 0};
    RelaisPorts *ports = relais_ports_new ();
    g_autoptr (GPtrArray) set = NULL, now = NULL;
    g_autoptr (GError) error = NULL;

    g_assert_true (relais_ports_open (ports, &wish, NULL));
    set = relais_ports_take (ports, &wish, NULL);
    g_assert_cmpuint (set->len, ==, 1);
    now = relais_ports_take (NULL, &wish, NULL);
    g_assert_cmpuint (now->len, ==, 1);
    g_assert_false (relais_ports_open (ports, &bad, &error));
    g_assert_cmpstr (error->message, ==, "[http t] address: \"here\" is no address");
    relais_ports_free (ports);
    relais_ports_free (NULL);
}

int
main (int argc, char **argv)
{
    static void (*const children[]) (void) = {by_name,    by_address,  by_kept,
                                              by_nothing, for_another, wrong_ones};
    static const char *const names[] = {"name", "address", "kept", "nothing", "another", "wrong"};

    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/ports/own", test_own);
    for (gsize i = 0; i < G_N_ELEMENTS (children); i++) {
        g_autofree char *path = g_strconcat ("/ports/inherited/", names[i], NULL);

        g_test_add_data_func (path, &children[i], in_child);
    }
    return g_test_run ();
}
