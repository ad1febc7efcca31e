/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A call through the control socket: sends the request and its files, then reads lines until the
 * daemon says the end. Blocking; the daemon, which is trusted, sets the pace. While a request is
 * sent nothing is read: the daemon says nothing before it is complete but a refusal, after which it
 * stops listening; then the refusal is what is read. A file that comes in pieces is sent while the answer comes.
 */
#include "config.h"

#include "control/client-private.h"

#include "control/wire-private.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct {
    int fd;
    bool broken; /* the daemon takes no more */
} Sender;

static int
no_daemon (FILE *err, const char *path, int cause)
{
    if (cause == EACCES || cause == EPERM) {
        fprintf (err,
                 _ ("relaisctl: %s: %s; only root, the daemon's own user and the members of the "
                    "group control_group may give commands\n"),
                 path, g_strerror (cause));
        return RELAIS_EXIT_REFUSED;
    }
    fprintf (err, _ ("relaisctl: no daemon answers at %s (%s)\n"), path, g_strerror (cause));
    fputs (
        _ ("Is relaisd running? If it runs with another configuration, name that with --conf DIR, "
           "or its socket with --socket PATH.\n"),
        err);
    return RELAIS_EXIT_NO_DAEMON;
}

static int
connect_to (const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (strlen (path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy (address.sun_path, path, strlen (path) + 1);
    fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect (fd, (const struct sockaddr *)&address, sizeof address) < 0) {
        int cause = errno;

        close (fd);
        errno = cause;
        return -1;
    }
    return fd;
}

static void
send_text (Sender *sender, const GString *text)
{
    gsize sent = 0;

    while (!sender->broken && sent < text->len) {
        ssize_t n = send (sender->fd, text->str + sent, text->len - sent, MSG_NOSIGNAL);

        if (n >= 0)
            sent += (gsize)n;
        else if (errno != EINTR)
            sender->broken = true;
    }
}

static void
send_file (gpointer data, const char *name, GBytes *bytes)
{
    gsize size, at = 0;
    const guint8 *content = g_bytes_get_data (bytes, &size);

    do { /* an empty file is a chunk too */
        gsize step = MIN (size - at, RELAIS_WIRE_CHUNK_BYTES);
        g_autofree char *base64 =
            g_base64_encode (step > 0 ? content + at : (const guchar *)"", step);
        g_autoptr (GString) line = g_string_new ("{\"file\":");

        relais_wire_append_string (line, name);
        g_string_append_printf (line, ",\"data\":\"%s\"}\n", base64);
        send_text (data, line);
        at += step;
    } while (at < size);
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* True, with the status, once `object` is the end. */
static bool
take_object (JsonObject *object, RelaisRender *render, FILE *err, int *status)
{
    const char *error;

    if (!json_object_has_member (object, "end")) {
        relais_render_object (render, object);
        return false;
    }
    relais_render_end (render);
    *status = (int)CLAMP (relais_wire_get_int (object, "end", RELAIS_EXIT_REFUSED), 0, 125);
    error = relais_wire_get_string (object, "error");
    if (error != NULL) {
        g_autofree char *clean = relais_render_clean (error);

        fprintf (err, "relaisctl: %s\n", clean);
    }
    return true;
}

/* Takes the whole lines off `input`. True once the end was among them. */
static bool
take_lines (GString *input, RelaisRender *render, FILE *err, int *status)
{
    gsize at = 0;
    const char *end;

    while ((end = memchr (input->str + at, '\n', input->len - at)) != NULL) {
        gsize size = (gsize)(end - (input->str + at));
        JsonObject *object = relais_wire_parse (input->str + at, size);
        bool ended = object != NULL && take_object (object, render, err, status);

        g_clear_pointer (&object, json_object_unref);
        if (ended)
            return true;
        at += size + 1;
    }
    g_string_erase (input, 0, (gssize)at);
    return false;
}

/* --- A file in pieces, and the answer ---------------------------------------------------------- */

/* The next piece of the file as a line; the end of it as another. False if it cannot be read. */
static bool
append_piece (int *file, GString *out)
{
    guint8 bytes[RELAIS_WIRE_CHUNK_BYTES];
    ssize_t n;

    do
        n = read (*file, bytes, sizeof bytes);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        g_autofree char *base64 = g_base64_encode (bytes, (gsize)n);

        g_string_append_printf (out, "{\"data\":\"%s\"}\n", base64);
    } else {
        g_string_append (out, "{\"done\":true}\n");
        *file = -1;
    }
    return n >= 0;
}

static void
send_some (Sender *sender, GString *out)
{
    ssize_t n = send (sender->fd, out->str, out->len, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n > 0)
        g_string_erase (out, 0, n);
    else if (n < 0 && errno != EINTR && errno != EAGAIN)
        sender->broken = true;
}

/* Rows may come while the file still goes: neither waits for the other. -1: no end yet. */
static int
exchange (Sender *sender, GString *out, GString *input, RelaisRender *render, FILE *err)
{
    struct pollfd wait = {.fd = sender->fd, .events = POLLIN};
    char bytes[65536];
    int status = -1;
    ssize_t n;

    if (out->len > 0 && !sender->broken)
        wait.events |= POLLOUT;
    if (poll (&wait, 1, -1) < 0)
        return errno == EINTR ? -1 : RELAIS_EXIT_NO_DAEMON;
    if ((wait.revents & POLLOUT) != 0)
        send_some (sender, out);
    if ((wait.revents & (POLLIN | POLLHUP | POLLERR)) == 0)
        return -1;
    n = read (sender->fd, bytes, sizeof bytes);
    if (n < 0 && errno == EINTR)
        return -1;
    if (n <= 0)
        return RELAIS_EXIT_NO_DAEMON;
    g_string_append_len (input, bytes, n);
    if (take_lines (input, render, err, &status))
        return status;
    return input->len < RELAIS_WIRE_REPLY_BYTES ? -1 : RELAIS_EXIT_NO_DAEMON;
}

/* `file` is -1 where there is none. */
static int
read_answer (Sender *sender, int file, RelaisRender *render, FILE *err)
{
    g_autoptr (GString) input = g_string_new (NULL);
    g_autoptr (GString) out = g_string_new (NULL);
    int status = -1;

    while (status < 0) {
        if (file >= 0 && out->len == 0 && !sender->broken && !append_piece (&file, out)) {
            relais_render_end (render);
            fprintf (err, _ ("relaisctl: the file cannot be read: %s\n"), g_strerror (errno));
            return RELAIS_EXIT_REFUSED;
        }
        status = exchange (sender, out, input, render, err);
    }
    if (status != RELAIS_EXIT_NO_DAEMON)
        return status;
    relais_render_end (render);
    fputs (_ ("relaisctl: the daemon went away before the command ended\n"), err);
    return status;
}

int
relais_client_run (RelaisCommandCall *call, const char *socket_path, RelaisRender *render,
                   FILE *err)
{
    g_autoptr (GString) request = g_string_new (NULL);
    g_autoptr (GString) run = g_string_new ("{\"run\":true}\n");
    Sender sender = {.fd = -1};
    int status;

    relais_call_append_request (call, request);
    if (request->len > RELAIS_WIRE_LINE_BYTES) {
        fputs (_ ("relaisctl: the arguments are too long\n"), err);
        return RELAIS_EXIT_USAGE;
    }
    sender.fd = connect_to (socket_path);
    if (sender.fd < 0)
        return no_daemon (err, socket_path, errno);
    send_text (&sender, request);
    relais_call_each_file (call, send_file, &sender);
    send_text (&sender, run);
    status = read_answer (&sender, relais_call_get_stream (call), render, err);
    close (sender.fd);
    return status;
}
