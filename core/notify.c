/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The datagrams to the service manager. Owns the socket and the watchdog's timer. Main thread.
 */
#include "config.h"

#include "notify-private.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const gint64 RETRY_US = 100 * RELAIS_USEC_PER_MSEC;

struct RelaisNotifier {
    int fd; /* connected, or -1 */
    gint64 watchdog_us;
    RelaisTimer timer; /* of the watchdog */
    char *state;       /* what the manager was too busy to take; a later one makes up for it */
    RelaisTimer retry;
};

/* Without waiting: the loop has mail to move. False if the manager has too much to read already. */
static bool
tell (const RelaisNotifier *notifier, const char *text)
{
    if (notifier->fd < 0 ||
        send (notifier->fd, text, strlen (text), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        return true;
    if (errno == EAGAIN || errno == ENOBUFS)
        return false;
    g_warning ("the service manager could not be told \"%.*s\": %s", (int)strcspn (text, "\n"),
               text, g_strerror (errno));
    return true;
}

static void
tell_state (gpointer data)
{
    RelaisNotifier *notifier = data;

    if (tell (notifier, notifier->state))
        g_clear_pointer (&notifier->state, g_free);
    else
        relais_timer_set (&notifier->retry, RETRY_US);
}

/* Takes `text`. */
static void
set_state (RelaisNotifier *notifier, char *text)
{
    relais_timer_stop (&notifier->retry);
    g_free (notifier->state);
    notifier->state = text;
    tell_state (notifier);
}

/* A path, or a name of the abstract namespace, written with an @ for its zero octet. */
static int
connect_to (const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const gsize size = strlen (path);
    const socklen_t address_size =
        (socklen_t)(G_STRUCT_OFFSET (struct sockaddr_un, sun_path) + size);
    int fd;

    if ((path[0] != '/' && path[0] != '@') || size < 2 || size >= sizeof address.sun_path) {
        errno = EINVAL;
        return -1;
    }
    memcpy (address.sun_path, path, size);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect (fd, (const struct sockaddr *)&address, address_size) < 0) {
        const int saved = errno;

        close (fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static gint64
read_watchdog (void)
{
    const char *pid = g_getenv ("WATCHDOG_PID"), *text = g_getenv ("WATCHDOG_USEC");
    guint64 number;

    if (text == NULL || !g_ascii_string_to_unsigned (text, 10, 1, G_MAXINT64, &number, NULL))
        return 0;
    if (pid != NULL && g_ascii_strtoull (pid, NULL, 10) != (guint64)getpid ())
        return 0;
    return (gint64)number;
}

static void
on_watchdog (gpointer data)
{
    RelaisNotifier *notifier = data;

    (void)tell (notifier, "WATCHDOG=1"); /* there are more */
    relais_timer_set (&notifier->timer, notifier->watchdog_us / 2);
}

RelaisNotifier *
relais_notifier_new (RelaisLoop *loop)
{
    const char *path = g_getenv ("NOTIFY_SOCKET");
    RelaisNotifier *notifier = g_new0 (RelaisNotifier, 1);

    relais_timer_init (&notifier->timer, loop, on_watchdog, notifier);
    relais_timer_init (&notifier->retry, loop, tell_state, notifier);
    notifier->fd = -1;
    if (path != NULL) {
        notifier->fd = connect_to (path);
        if (notifier->fd < 0)
            g_warning ("the service manager cannot be reached at %s: %s", path, g_strerror (errno));
        else
            notifier->watchdog_us = read_watchdog ();
    }
    g_unsetenv ("NOTIFY_SOCKET");
    g_unsetenv ("WATCHDOG_USEC");
    g_unsetenv ("WATCHDOG_PID");
    return notifier;
}

void
relais_notifier_free (RelaisNotifier *notifier)
{
    if (notifier == NULL)
        return;
    relais_timer_stop (&notifier->timer);
    relais_timer_stop (&notifier->retry);
    if (notifier->fd >= 0)
        close (notifier->fd);
    g_free (notifier->state);
    g_free (notifier);
}

void
relais_notifier_ready (RelaisNotifier *notifier, const char *status)
{
    set_state (notifier, g_strdup_printf ("READY=1\nSTATUS=%s", status));
    if (notifier->watchdog_us > 0)
        on_watchdog (notifier);
}

void
relais_notifier_reloading (RelaisNotifier *notifier)
{
    set_state (notifier, g_strdup_printf ("RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT
                                          "\nSTATUS=reads its configuration again",
                                          g_get_monotonic_time ())); /* the machine's */
}

void
relais_notifier_stopping (RelaisNotifier *notifier, const char *status)
{
    set_state (notifier, g_strdup_printf ("STOPPING=1\nSTATUS=%s", status));
}
