/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The multi handle. What libcurl asks for (watch this descriptor, call me then) is noted as it asks;
 * what it says in answer to an event (a transfer is done) is read after each call into it. Loop
 * thread only.
 *
 * The authorities are read once, at start: libcurl would read and parse the file on the loop.
 */
#include "config.h"

#include "http/curl-private.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <sys/epoll.h>

enum { KEPT_CONNECTIONS = 32 };

struct RelaisCurl {
    RelaisLoop *loop;
    CURLM *multi;
    X509_STORE *store;
    RelaisTimer timer;
    RelaisCurlFunc func;
    GHashTable *sockets; /* Socket, by itself */
};

typedef struct {
    RelaisCurl *curl;
    curl_socket_t fd;
    RelaisIo *io;
} Socket;

static void
socket_free (gpointer data)
{
    Socket *watched = data;

    relais_io_free (watched->io);
    g_free (watched);
}

/* --- What libcurl says ------------------------------------------------------------------------ */

static void
tell_done (RelaisCurl *curl)
{
    CURLMsg *message;
    int n;

    while ((message = curl_multi_info_read (curl->multi, &n)) != NULL) {
        CURLcode code = message->data.result;
        CURL *easy = message->easy_handle;
        char *data = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo (easy, CURLINFO_PRIVATE, &data);
        (void)curl_multi_remove_handle (curl->multi, easy);
        curl->func (data, code);
    }
}

static void
act (RelaisCurl *curl, curl_socket_t fd, int events)
{
    int running;

    (void)curl_multi_socket_action (curl->multi, fd, events, &running);
    tell_done (curl);
}

/* The watch may be gone when libcurl returns. */
static void
on_io (gpointer data, guint32 events)
{
    const Socket *watched = data;
    int what = 0;

    if ((events & (EPOLLIN | EPOLLHUP)) != 0)
        what |= CURL_CSELECT_IN;
    if ((events & EPOLLOUT) != 0)
        what |= CURL_CSELECT_OUT;
    if ((events & (EPOLLERR | EPOLLHUP)) != 0)
        what |= CURL_CSELECT_ERR;
    act (watched->curl, watched->fd, what);
}

static void
on_timer (gpointer data)
{
    act (data, CURL_SOCKET_TIMEOUT, 0);
}

/* --- What libcurl asks for -------------------------------------------------------------------- */

static int
ask_timer (CURLM *multi, long timeout_ms, void *data)
{
    RelaisCurl *curl = data;

    if (timeout_ms < 0)
        relais_timer_stop (&curl->timer);
    else
        relais_timer_set (&curl->timer, timeout_ms * RELAIS_USEC_PER_MSEC);
    return 0;
}

static Socket *
watch (RelaisCurl *curl, curl_socket_t fd, guint32 events)
{
    Socket *watched = g_new0 (Socket, 1);

    *watched = (Socket){curl, fd, NULL};
    watched->io = relais_io_new (curl->loop, fd, events, on_io, watched, NULL);
    if (watched->io == NULL) {
        g_free (watched);
        return NULL;
    }
    g_hash_table_add (curl->sockets, watched);
    (void)curl_multi_assign (curl->multi, fd, watched);
    return watched;
}

static int
ask_socket (CURL *easy, curl_socket_t fd, int what, void *data, void *socket_data)
{
    RelaisCurl *curl = data;
    Socket *watched = socket_data;
    guint32 events = 0;

    if (what == CURL_POLL_REMOVE) {
        if (watched != NULL)
            g_hash_table_remove (curl->sockets, watched);
        (void)curl_multi_assign (curl->multi, fd, NULL);
        return 0;
    }
    if ((what & CURL_POLL_IN) != 0)
        events |= EPOLLIN;
    if ((what & CURL_POLL_OUT) != 0)
        events |= EPOLLOUT;
    if (watched != NULL)
        relais_io_set_events (watched->io, events);
    else if (watch (curl, fd, events) == NULL)
        return -1;
    return 0;
}

/* --- Life ------------------------------------------------------------------------------------- */

static bool
read_authorities (RelaisCurl *curl, const char *ca_file, GError **error)
{
    const curl_version_info_data *info = curl_version_info (CURLVERSION_NOW);
    const char *file = ca_file != NULL ? ca_file : info->cainfo;

    if (info->ssl_version == NULL || strstr (info->ssl_version, "OpenSSL") == NULL) {
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                     _ ("libcurl must be the one that is built with OpenSSL, this one has %s"),
                     info->ssl_version != NULL ? info->ssl_version : _ ("no TLS"));
        return false;
    }
    curl->store = X509_STORE_new ();
    if (file != NULL && X509_STORE_load_file (curl->store, file) == 1)
        return true;
    /* Without the system's authorities no certificate is trusted; http goes on. */
    if (ca_file == NULL)
        return file != NULL || X509_STORE_set_default_paths (curl->store) == 1;
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                 _ ("ca_file: no certificates can be read from \"%s\""), ca_file);
    return false;
}

static bool
make_multi (RelaisCurl *curl, GError **error)
{
    curl->multi = curl_multi_init ();
    if (curl->multi == NULL) {
        g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED, "cannot make a libcurl handle");
        return false;
    }
    (void)curl_multi_setopt (curl->multi, CURLMOPT_SOCKETFUNCTION, ask_socket);
    (void)curl_multi_setopt (curl->multi, CURLMOPT_SOCKETDATA, curl);
    (void)curl_multi_setopt (curl->multi, CURLMOPT_TIMERFUNCTION, ask_timer);
    (void)curl_multi_setopt (curl->multi, CURLMOPT_TIMERDATA, curl);
    (void)curl_multi_setopt (curl->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    (void)curl_multi_setopt (curl->multi, CURLMOPT_MAXCONNECTS, (long)KEPT_CONNECTIONS);
    return true;
}

RelaisCurl *
relais_curl_new (RelaisLoop *loop, const char *ca_file, RelaisCurlFunc func, GError **error)
{
    g_autoptr (RelaisCurl) curl = g_new0 (RelaisCurl, 1);

    (void)curl_global_init (CURL_GLOBAL_DEFAULT);
    curl->loop = loop;
    curl->func = func;
    curl->sockets = g_hash_table_new_full (NULL, NULL, socket_free, NULL);
    relais_timer_init (&curl->timer, loop, on_timer, curl);
    if (!read_authorities (curl, ca_file, error) || !make_multi (curl, error))
        return NULL;
    return g_steal_pointer (&curl);
}

void
relais_curl_free (RelaisCurl *curl)
{
    if (curl == NULL)
        return;
    if (curl->multi != NULL)
        (void)curl_multi_cleanup (curl->multi);
    relais_timer_stop (&curl->timer);
    g_hash_table_unref (curl->sockets);
    X509_STORE_free (curl->store);
    curl_global_cleanup ();
    g_free (curl);
}

bool
relais_curl_add (RelaisCurl *curl, CURL *easy)
{
    return curl_multi_add_handle (curl->multi, easy) == CURLM_OK;
}

void
relais_curl_remove (RelaisCurl *curl, CURL *easy)
{
    (void)curl_multi_remove_handle (curl->multi, easy);
}

X509_STORE *
relais_curl_store (const RelaisCurl *curl)
{
    return curl->store;
}
