/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/notify: what a service manager hears, by a path and by an abstract name, and that without one nothing is said.
 */
#include "config.h"

#include "notify-private.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The manager's socket, bound to `path` (with @ for an abstract name). */
static int
bind_manager (const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const gsize size = strlen (path);
    const struct timeval patience = {.tv_sec = 20};
    const int fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    memcpy (address.sun_path, path, size);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    g_assert_cmpint (bind (fd, (const struct sockaddr *)&address,
                           (socklen_t)(G_STRUCT_OFFSET (struct sockaddr_un, sun_path) + size)),
                     ==, 0);
    (void)setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static void
assert_hears (int fd, const char *wanted)
{
    char text[512] = "";
    const gssize n = recv (fd, text, sizeof text - 1, 0);

    g_assert_cmpint (n, >, 0);
    text[n] = '\0';
    g_assert_true (g_pattern_match_simple (wanted, text));
}

static void
talk (const char *path)
{
    RelaisLoop *loop = relais_loop_new (NULL, NULL);
    const int manager = bind_manager (path);
    RelaisNotifier *notifier;

    g_setenv ("NOTIFY_SOCKET", path, TRUE);
    notifier = relais_notifier_new (loop);
    g_assert_null (g_getenv ("NOTIFY_SOCKET"));
    relais_notifier_ready (notifier, "takes mail");
    assert_hears (manager, "READY=1\nSTATUS=takes mail");
    relais_notifier_reloading (notifier);
    assert_hears (manager, "RELOADING=1\nMONOTONIC_USEC=*\nSTATUS=*");
    relais_notifier_ready (notifier, "takes mail again");
    assert_hears (manager, "READY=1\nSTATUS=takes mail again");
    relais_notifier_stopping (notifier, "drains");
    assert_hears (manager, "STOPPING=1\nSTATUS=drains");
    relais_notifier_free (notifier);
    close (manager);
    relais_loop_free (loop);
}

static void
test_path (void)
{
    g_autofree char *dir = g_dir_make_tmp ("relais-notify-XXXXXX", NULL);
    g_autofree char *path = g_build_filename (dir, "manager", NULL);

    talk (path);
    g_unlink (path);
    g_rmdir (dir);
}

static void
test_abstract (void)
{
    g_autofree char *name = g_strdup_printf ("@relais-test-notify-%d", (int)getpid ());

    talk (name);
}

/* A manager that does not read: what it was to be told last is told once it does. */
static void
test_busy (void)
{
    RelaisLoop *loop = relais_loop_new (NULL, NULL);
    g_autofree char *name = g_strdup_printf ("@relais-test-busy-%d", (int)getpid ());
    const int manager = bind_manager (name);
    RelaisNotifier *notifier;
    char text[512] = "";
    guint told = 0;

    g_setenv ("NOTIFY_SOCKET", name, TRUE);
    notifier = relais_notifier_new (loop);
    for (guint i = 0; i < 5000; i++) /* more than any queue of datagrams takes */
        relais_notifier_ready (notifier, "takes mail");
    relais_notifier_stopping (notifier, "drains");
    while (!g_str_has_prefix (text, "STOPPING=1")) {
        gssize n = recv (manager, text, sizeof text - 1, MSG_DONTWAIT);

        text[MAX (n, 0)] = '\0';
        if (n > 0)
            told++;
        else
            relais_loop_turn (loop, true);
    }
    g_assert_cmpuint (told, <, 5001);
    relais_notifier_free (notifier);
    close (manager);
    relais_loop_free (loop);
}

/* The first at once, others from the loop; none where the watchdog is another process's. */
static void
test_watchdog (void)
{
    RelaisLoop *loop = relais_loop_new (NULL, NULL);
    g_autofree char *name = g_strdup_printf ("@relais-test-watchdog-%d", (int)getpid ());
    g_autofree char *pid = g_strdup_printf ("%d", (int)getpid ());
    const int manager = bind_manager (name);
    RelaisNotifier *notifier;

    g_setenv ("NOTIFY_SOCKET", name, TRUE);
    g_setenv ("WATCHDOG_USEC", "2000", TRUE);
    g_setenv ("WATCHDOG_PID", pid, TRUE);
    notifier = relais_notifier_new (loop);
    g_assert_null (g_getenv ("WATCHDOG_USEC"));
    g_assert_null (g_getenv ("WATCHDOG_PID"));
    relais_notifier_ready (notifier, "");
    assert_hears (manager, "READY=1\n*");
    assert_hears (manager, "WATCHDOG=1");
    for (int heard = 0; heard < 2;) {
        char text[64];

        if (recv (manager, text, sizeof text, MSG_DONTWAIT) > 0)
            heard++;
        else
            relais_loop_turn (loop, true);
    }
    relais_notifier_free (notifier);
    while (recv (manager, (char[64]){0}, 64, MSG_DONTWAIT) > 0)
        continue;

    g_setenv ("NOTIFY_SOCKET", name, TRUE);
    g_setenv ("WATCHDOG_USEC", "2000", TRUE);
    g_setenv ("WATCHDOG_PID", "1", TRUE);
    notifier = relais_notifier_new (loop);
    relais_notifier_ready (notifier, "");
    assert_hears (manager, "READY=1\n*");
    relais_notifier_stopping (notifier, "");
    assert_hears (manager, "STOPPING=1\n*");
    relais_notifier_free (notifier);
    close (manager);
    relais_loop_free (loop);
}

static void
test_nobody (void)
{
    RelaisLoop *loop = relais_loop_new (NULL, NULL);
    RelaisNotifier *notifier = relais_notifier_new (loop);
    static const char *const wrong[] = {"relative", "@", "/nonexistent/relais/manager"};

    relais_notifier_ready (notifier, "takes mail");
    relais_notifier_free (notifier);
    relais_notifier_free (NULL);
    for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++) {
        g_setenv ("NOTIFY_SOCKET", wrong[i], TRUE);
        g_test_expect_message (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "*cannot be reached*");
        notifier = relais_notifier_new (loop);
        g_test_assert_expected_messages ();
        relais_notifier_ready (notifier, "takes mail");
        relais_notifier_free (notifier);
    }
    relais_loop_free (loop);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/notify/path", test_path);
    g_test_add_func ("/notify/abstract", test_abstract);
    g_test_add_func ("/notify/watchdog", test_watchdog);
    g_test_add_func ("/notify/busy", test_busy);
    g_test_add_func ("/notify/nobody", test_nobody);
    return g_test_run ();
}
