/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/http, the client: where a stranger's URL does not lead. The test runs in a network of its own in which every
 * address is this machine's, so that one sink hears of each connection, wherever it was meant to go. That it does is
 * shown first, with an address that may be fetched from.
 */
#include "config.h"

#include "http/fetch-bed.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PUBLIC "93.184.216.34"

static const char zone[] = "public.test A " PUBLIC "\n"
                           "once.test A " PUBLIC "\n"
                           "once.test A !ANSWER SERVFAIL\n"
                           "loop.test A 127.0.0.1\n"
                           "any.test A 0.0.0.0\n"
                           "ten.test A 10.1.2.3\n"
                           "twelve.test A 172.31.255.254\n"
                           "home.test A 192.168.1.1\n"
                           "carrier.test A 100.64.0.1\n"
                           "meta.test A 169.254.169.254\n"
                           "alias.test CNAME meta.test\n"
                           "six.test AAAA ::1\n"
                           "mapped.test AAAA ::ffff:127.0.0.1\n"
                           "compatible.test AAAA ::127.0.0.1\n"
                           "nat64.test AAAA 64:ff9b::7f00:1\n"
                           "sixtofour.test AAAA 2002:7f00:1::\n"
                           "teredo.test AAAA 2001:0:7f00:1::\n"
                           "unique.test AAAA fd00::1\n"
                           "link.test AAAA fe80::1\n"
                           "mixed.test A " PUBLIC "\n"
                           "mixed.test A 127.0.0.1\n"
                           "mixed-six.test A " PUBLIC "\n"
                           "mixed-six.test AAAA fd00::1\n";

static const char *const hosts[] = {
    /* loopback, in every spelling that somebody's resolver takes */
    "127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "2130706433", "017700000001", "0177.0.0.1",
    "0x7f000001", "0x7f.0.0.1", "0x7F.1", "0x7f.0x0.0x0.0x1", "00000177.0.0.01", "127.0.0.1.",
    "127.0.0.0x1", "localhost", "localhost.", "LOCALHOST", "foo.localhost", "[::1]",
    "[0:0:0:0:0:0:0:1]", "[::127.0.0.1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]", "0", "0.0.0.0", "0x0", "00", "[::]",
    /* private, link-local, shared, reserved, multicast */
    "10.0.0.1", "10.255.255.255", "167772161", "172.16.0.1", "172.31.255.255", "192.168.0.1",
    "0300.0250.0.1", "100.64.0.1", "169.254.169.254", "2852039166", "0xa9fea9fe",
    "0251.0376.0251.0376", "[::ffff:169.254.169.254]", "192.0.0.192", "198.18.0.1", "224.0.0.1",
    "255.255.255.255", "240.0.0.1", "[fc00::1]", "[fd00:ec2::254]", "[fe80::1]", "[fec0::1]",
    "[ff02::1]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[2002:7f00:1::]",
    /* names that lead there */
    "loop.test", "any.test", "ten.test", "twelve.test", "home.test", "carrier.test", "meta.test",
    "META.test.", "alias.test", "six.test", "mapped.test", "compatible.test", "nat64.test",
    "sixtofour.test", "teredo.test", "unique.test", "link.test", "mixed.test", "mixed-six.test",
    /* what hides the host */
    PUBLIC "@127.0.0.1", "u:p@127.0.0.1", "127.0.0.1%2f." PUBLIC, "127.0.0.1\\." PUBLIC,
    "%31%32%37.0.0.1", "127\u30020\u30020\u30021", "\u2460\u2461\u2466.0.0.1", "[::1%25lo]",
    "[fe80::1%25lo]"};

/* --- A network in which every address is ours ---------------------------------------------------- */

static void
raise_loopback (void)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    request.ifr_flags = IFF_UP | IFF_RUNNING;
    g_assert_cmpint (ioctl (fd, SIOCSIFFLAGS, &request), ==, 0);
    close (fd);
}

/* As `ip route add local default dev lo`. */
static void
make_local (guchar family)
{
    struct {
        struct nlmsghdr head;
        struct rtmsg route;
        struct rtattr attribute;
        int device;
    } request = {
        .head = {.nlmsg_len = sizeof request,
                 .nlmsg_type = RTM_NEWROUTE,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK},
        .route = {.rtm_family = family,
                  .rtm_table = RT_TABLE_LOCAL,
                  .rtm_protocol = RTPROT_BOOT,
                  .rtm_scope = RT_SCOPE_HOST,
                  .rtm_type = RTN_LOCAL},
        .attribute = {.rta_len = RTA_LENGTH (sizeof (int)), .rta_type = RTA_OIF},
        .device = (int)if_nametoindex ("lo"),
    };
    struct {
        struct nlmsghdr head;
        struct nlmsgerr error;
        char rest[256];
    } answer;
    int fd = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    g_assert_cmpint (send (fd, &request, sizeof request, 0), ==, sizeof request);
    g_assert_cmpint (recv (fd, &answer, sizeof answer, 0), >=, (int)sizeof answer.head);
    g_assert_cmpint (answer.error.error, ==, 0);
    close (fd);
}

static gboolean
leave_network (void)
{
    if (unshare (CLONE_NEWNET) < 0 && unshare (CLONE_NEWUSER | CLONE_NEWNET) < 0)
        return FALSE;
    raise_loopback ();
    make_local (AF_INET);
    make_local (AF_INET6);
    return TRUE;
}

/* --- The sink ------------------------------------------------------------------------------------- */

typedef struct {
    int fd, stop[2];
    guint port;
    GThread *thread;
    gint connections, elsewhere; /* atomic; the second, to another address than PUBLIC */
    char *answer;
} Sink;

static void
take (Sink *sink)
{
    struct sockaddr_in6 to;
    socklen_t size = sizeof to;
    char text[INET6_ADDRSTRLEN] = "", block[4096];
    int fd = accept4 (sink->fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0)
        return;
    g_atomic_int_inc (&sink->connections);
    g_assert_cmpint (getsockname (fd, (struct sockaddr *)&to, &size), ==, 0);
    inet_ntop (AF_INET6, &to.sin6_addr, text, sizeof text);
    if (strcmp (text, "::ffff:" PUBLIC) != 0) {
        g_test_message ("a connection to %s", text);
        g_atomic_int_inc (&sink->elsewhere);
    }
    if (recv (fd, block, sizeof block, 0) > 0)
        (void)!send (fd, sink->answer, strlen (sink->answer), MSG_NOSIGNAL);
    close (fd);
}

static gpointer
serve (gpointer data)
{
    Sink *sink = data;
    struct pollfd fds[] = {{sink->fd, POLLIN, 0}, {sink->stop[0], POLLIN, 0}};

    while (poll (fds, G_N_ELEMENTS (fds), -1) >= 0 || errno == EINTR) {
        if (fds[1].revents != 0)
            break;
        if (fds[0].revents != 0)
            take (sink);
    }
    return NULL;
}

static void
sink_open (Sink *sink)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6};
    socklen_t size = sizeof address;
    const int off = 0;

    *sink = (Sink){.fd = socket (AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    g_assert_cmpint (setsockopt (sink->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off), ==, 0);
    g_assert_cmpint (bind (sink->fd, (struct sockaddr *)&address, size), ==, 0);
    g_assert_cmpint (listen (sink->fd, 64), ==, 0);
    g_assert_cmpint (getsockname (sink->fd, (struct sockaddr *)&address, &size), ==, 0);
    sink->port = g_ntohs (address.sin6_port);
    sink->answer = g_strdup_printf ("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%u/\r\n"
                                    "Content-Length: 0\r\nConnection: close\r\n\r\n",
                                    sink->port);
    g_assert_cmpint (pipe (sink->stop), ==, 0);
    sink->thread = g_thread_new ("sink", serve, sink);
}

static void
sink_close (Sink *sink)
{
    g_assert_cmpint (write (sink->stop[1], "", 1), ==, 1);
    g_thread_join (sink->thread);
    close (sink->fd);
    close (sink->stop[0]);
    close (sink->stop[1]);
    g_free (sink->answer);
}

/* --- The test ------------------------------------------------------------------------------------- */

static void
fetch_host (Fixture *fixture, const Sink *sink, const char *host, Got *got)
{
    g_autofree char *url = g_strdup_printf ("http://%s:%u/", host, sink->port);

    fetch_info (fixture, &(RelaisFetchInfo){.url = url, .timeout_us = 5 * G_USEC_PER_SEC}, got);
}

static void
set_up (Fixture *fixture)
{
    const char *servers[2] = {NULL};
    const RelaisDnsOptions dns = {
        .servers = servers, .timeout_us = 20 * G_USEC_PER_SEC, .max_queries = 100};
    RelaisFetcherOptions options = {.max_fetches = 2, .max_waiting = 3};
    g_autoptr (GError) error = NULL;

    *fixture = (Fixture){.server = test_dns_new (zone), .loop = relais_loop_new (NULL, NULL)};
    servers[0] = test_dns_address (fixture->server);
    options.loop = fixture->loop;
    options.dns = fixture->dns = relais_dns_new (&dns, fixture->loop, &error);
    g_assert_no_error (error);
    fixture->fetcher = relais_fetcher_new (&options, &error);
    g_assert_no_error (error);
}

static void
tear_down (Fixture *fixture)
{
    relais_fetcher_free (fixture->fetcher);
    relais_dns_free (fixture->dns);
    relais_loop_free (fixture->loop);
    test_dns_free (fixture->server);
}

/* That the sink hears; what it says leads to loopback, and is not followed. */
static void
check_sink (Fixture *fixture, Sink *sink)
{
    static const char *const good[] = {PUBLIC, "1572395042", "public.test", "once.test"};
    g_auto (Got) got = {0};

    for (gsize i = 0; i < G_N_ELEMENTS (good); i++) {
        fetch_host (fixture, sink, good[i], &got);
        g_test_message ("%s", good[i]);
        assert_outcome (&got, RELAIS_FETCH_OK, NULL);
        g_assert_cmpuint (got.status, ==, 302);
        g_assert_cmpstr (got.address, ==, PUBLIC);
    }
    g_assert_cmpint (g_atomic_int_get (&sink->connections), ==, G_N_ELEMENTS (good));
    /* What was looked up is what is connected to: there is no second question to answer otherwise. */
    g_assert_cmpuint (test_dns_count (fixture->server, "once.test", RELAIS_DNS_A), ==, 1);
}

static void
test_refused (void)
{
    Fixture fixture;
    Sink sink;
    gint before;
    g_auto (Got) got = {0};

    sink_open (&sink);
    set_up (&fixture);
    check_sink (&fixture, &sink);
    before = g_atomic_int_get (&sink.connections);
    for (gsize i = 0; i < G_N_ELEMENTS (hosts); i++) {
        fetch_host (&fixture, &sink, hosts[i], &got);
        g_test_message ("%s: %s", hosts[i], got.text);
        if (got.outcome != RELAIS_FETCH_REFUSED_ADDRESS && got.outcome != RELAIS_FETCH_DNS_ABSENT)
            assert_outcome (&got, RELAIS_FETCH_BAD_URL, NULL);
    }
    tear_down (&fixture);
    sink_close (&sink);
    g_assert_cmpint (G_N_ELEMENTS (hosts), >=, 60);
    g_assert_cmpint (sink.connections, ==, before);
    g_assert_cmpint (sink.elsewhere, ==, 0);
}

int
main (int argc, char **argv)
{
    const gboolean apart = leave_network ();

    g_test_init (&argc, &argv, NULL);
    if (apart)
        g_test_add_func ("/http/fetch/refused-targets", test_refused);
    else
        g_test_message ("a network of its own cannot be had here");
    return apart ? g_test_run () : 77;
}
