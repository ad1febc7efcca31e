/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The ports by section, and those that were inherited and belong to none yet. See the header.
 */
#include "config.h"

#include "tls/ports-private.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/net-private.h"
#include "tls/listen-private.h"

enum { FIRST_FD = 3, MAX_INHERITED = 1024 }; /* SD_LISTEN_FDS_START */

typedef struct {
    RelaisPort *port;
    char *label; /* FileDescriptorName= */
} Inherited;

struct RelaisPorts {
    GHashTable *sections; /* "KIND NAME" -> GPtrArray of RelaisPort */
    GPtrArray *inherited; /* Inherited, that nobody has yet */
};

void
relais_port_free (RelaisPort *port)
{
    if (port == NULL)
        return;
    if (port->fd >= 0)
        close (port->fd);
    g_free (port->name);
    g_free (port);
}

static GPtrArray *
new_set (void)
{
    return g_ptr_array_new_with_free_func ((GDestroyNotify)relais_port_free);
}

static void
inherited_free (gpointer data)
{
    Inherited *inherited = data;

    relais_port_free (inherited->port);
    g_free (inherited->label);
    g_free (inherited);
}

RelaisPorts *
relais_ports_new (void)
{
    RelaisPorts *ports = g_new (RelaisPorts, 1);

    *ports = (RelaisPorts){
        g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref),
        g_ptr_array_new_with_free_func (inherited_free)};
    return ports;
}

void
relais_ports_free (RelaisPorts *ports)
{
    if (ports == NULL)
        return;
    g_hash_table_unref (ports->sections);
    g_ptr_array_unref (ports->inherited);
    g_free (ports);
}

/* --- What is inherited ------------------------------------------------------------------------ */

/* What stops it from being a port of ours, or NULL. */
static const char *
find_fault (int fd)
{
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof bound, int_size = sizeof (int);
    int type = 0, listens = 0;

    if (getsockname (fd, (struct sockaddr *)&bound, &size) < 0)
        return g_strerror (errno);
    if (bound.ss_family != AF_INET && bound.ss_family != AF_INET6)
        return _ ("it is of another family than IPv4 and IPv6");
    if (getsockopt (fd, SOL_SOCKET, SO_TYPE, &type, &int_size) < 0 || type != SOCK_STREAM)
        return _ ("it is no stream; use ListenStream=");
    int_size = sizeof (int);
    if (getsockopt (fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &int_size) < 0 || listens == 0)
        return _ ("it does not listen; use Accept=no");
    return NULL;
}

static bool
take_descriptor (RelaisPorts *ports, int fd, const char *label, GError **error)
{
    const int flags = fcntl (fd, F_GETFL);
    const char *fault;
    Inherited *inherited;

    if (flags < 0 || fcntl (fd, F_SETFD, FD_CLOEXEC) < 0 ||
        fcntl (fd, F_SETFL, flags | O_NONBLOCK) < 0)
        fault = g_strerror (errno);
    else
        fault = find_fault (fd);
    if (fault != NULL) {
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                     _ ("the socket '%s' that the service manager handed over: %s"), label, fault);
        return false;
    }
    inherited = g_new (Inherited, 1);
    *inherited = (Inherited){g_new (RelaisPort, 1), g_strdup (label)};
    *inherited->port = (RelaisPort){fd, relais_listen_name (fd)};
    g_ptr_array_add (ports->inherited, inherited);
    return true;
}

static bool
take_descriptors (RelaisPorts *ports, guint n, const char *names, GError **error)
{
    g_auto (GStrv) labels = g_strsplit (names != NULL ? names : "", ":", -1);
    const guint n_labels = g_strv_length (labels);

    for (guint i = 0; i < n; i++)
        if (!take_descriptor (ports, FIRST_FD + (int)i, i < n_labels ? labels[i] : "unknown",
                              error))
            return false;
    return true;
}

/* The number that a variable holds; 0 if it holds none. */
static guint64
read_number (const char *name, guint64 most)
{
    const char *text = g_getenv (name);
    guint64 number;

    return text != NULL && g_ascii_string_to_unsigned (text, 10, 1, most, &number, NULL) ? number
                                                                                         : 0;
}

bool
relais_ports_inherit (RelaisPorts *ports, GError **error)
{
    const bool ours = read_number ("LISTEN_PID", G_MAXINT32) == (guint64)getpid ();
    const guint n = ours ? (guint)read_number ("LISTEN_FDS", MAX_INHERITED) : 0;
    const bool done = take_descriptors (ports, n, g_getenv ("LISTEN_FDNAMES"), error);

    g_unsetenv ("LISTEN_PID");
    g_unsetenv ("LISTEN_FDS");
    g_unsetenv ("LISTEN_FDNAMES");
    return done;
}

/* --- Opening ---------------------------------------------------------------------------------- */

static RelaisPort *
steal_inherited (RelaisPorts *ports, guint index)
{
    Inherited *inherited = g_ptr_array_index (ports->inherited, index);
    RelaisPort *port = g_steal_pointer (&inherited->port);

    g_ptr_array_remove_index (ports->inherited, index);
    return port;
}

static void
adopt_by_label (RelaisPorts *ports, const char *label, GPtrArray *set)
{
    for (guint i = 0; ports != NULL && i < ports->inherited->len;) {
        const Inherited *inherited = g_ptr_array_index (ports->inherited, i);

        if (g_str_equal (inherited->label, label))
            g_ptr_array_add (set, steal_inherited (ports, i));
        else
            i++;
    }
}

/* The inherited socket that is bound to `name`, or NULL. */
static RelaisPort *
adopt_by_address (RelaisPorts *ports, const char *name)
{
    for (guint i = 0; ports != NULL && i < ports->inherited->len; i++) {
        const Inherited *inherited = g_ptr_array_index (ports->inherited, i);

        if (g_str_equal (inherited->port->name, name))
            return steal_inherited (ports, i);
    }
    return NULL;
}

static RelaisPort *
open_address (RelaisPorts *ports, const RelaisPortWish *wish, const char *address, GError **error)
{
    struct sockaddr_storage parsed;
    socklen_t size;
    g_autofree char *section = g_strconcat (wish->kind, " ", wish->name, NULL);
    g_autofree char *wanted = NULL;
    g_autoptr (RelaisPort) port = NULL;

    if (wish->port != 0 && relais_address_from_text (address, wish->port, &parsed, &size)) {
        wanted = relais_address_name ((const struct sockaddr *)&parsed);
        port = adopt_by_address (ports, wanted);
    }
    if (port != NULL)
        return g_steal_pointer (&port);
    port = g_new0 (RelaisPort, 1);
    port->fd = relais_listen (section, address, wish->port, &port->name, error);
    return port->fd >= 0 ? g_steal_pointer (&port) : NULL;
}

static GPtrArray *
open_set (RelaisPorts *ports, const RelaisPortWish *wish, GError **error)
{
    g_autoptr (GPtrArray) set = new_set ();

    adopt_by_label (ports, wish->name, set);
    if (set->len > 0)
        return g_steal_pointer (&set);
    for (gsize i = 0; wish->addresses[i] != NULL; i++) {
        RelaisPort *port = open_address (ports, wish, wish->addresses[i], error);

        if (port == NULL)
            return NULL;
        g_ptr_array_add (set, port);
    }
    return g_steal_pointer (&set);
}

bool
relais_ports_open (RelaisPorts *ports, const RelaisPortWish *wish, GError **error)
{
    GPtrArray *set = open_set (ports, wish, error);

    if (set == NULL)
        return false;
    g_hash_table_insert (ports->sections, g_strconcat (wish->kind, " ", wish->name, NULL), set);
    return true;
}

bool
relais_ports_open_all (RelaisPorts *ports, RelaisConfig *config, const char *kind, GError **error)
{
    for (guint i = 0; i < relais_config_n_sections (config, kind); i++) {
        const RelaisSection *listener = relais_config_nth_section (config, kind, i);
        const RelaisPortWish wish = {kind, relais_section_get_name (listener),
                                     relais_section_get_list (listener, "address"),
                                     (guint16)relais_section_get_int (listener, "port")};

        if (!relais_ports_open (ports, &wish, error))
            return false;
    }
    return true;
}

static const Inherited *
find_unused (const RelaisPorts *ports)
{
    for (guint i = 0; i < ports->inherited->len; i++) {
        const Inherited *inherited = g_ptr_array_index (ports->inherited, i);

        if (!g_str_equal (inherited->label, RELAIS_PORTS_KEPT))
            return inherited;
    }
    return NULL;
}

bool
relais_ports_all_used (const RelaisPorts *ports, GError **error)
{
    const Inherited *first = find_unused (ports);

    if (first == NULL)
        return true;
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                 _ ("the service manager handed over the socket '%s' (%s), and no listener has "
                    "this name or this address: name it as the listener (FileDescriptorName=), add "
                    "a [listener %s], or take it out of the socket unit"),
                 first->label, first->port->name, first->label);
    return false;
}

void
relais_ports_each (const RelaisPorts *ports, void (*func) (gpointer data, int fd), gpointer data)
{
    GHashTableIter iter;
    GPtrArray *set;

    g_hash_table_iter_init (&iter, ports->sections);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&set))
        for (guint i = 0; i < set->len; i++)
            func (data, ((const RelaisPort *)g_ptr_array_index (set, i))->fd);
}

GPtrArray *
relais_ports_take (RelaisPorts *ports, const RelaisPortWish *wish, GError **error)
{
    g_autofree char *section = g_strconcat (wish->kind, " ", wish->name, NULL);
    gpointer key, set;

    if (ports == NULL || !g_hash_table_steal_extended (ports->sections, section, &key, &set))
        return open_set (ports, wish, error);
    g_free (key);
    return set;
}
