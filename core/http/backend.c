/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The libmicrohttpd daemon without listener and without thread, its callbacks, and the making of its
 * answers. HTTP thread; handlers of INLINE routes run in here.
 *
 * It is never asked to suspend a connection: a request whose answer has to be waited for is handed to
 * it when the answer is there.
 */
#include "config.h"

#include "http/backend-private.h"

#include <errno.h>
#include <gio/gio.h>
#include <microhttpd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* What an answer's head needs besides what handlers set, and libmicrohttpd's records of both heads. */
enum { SPARE_BYTES = 4096 };

struct RelaisHttpBackend {
    struct MHD_Daemon *mhd;
    RelaisHttpPair *attaching; /* while MHD_add_connection () runs */
};

/* --- Answers ---------------------------------------------------------------------------------- */

static void
drop_body (void *body)
{
    g_bytes_unref (body);
}

static struct MHD_Response *
make_response (const RelaisHttpAnswer *answer)
{
    static char nothing[] = "";
    gsize size = 0;
    const void *bytes = answer->body != NULL ? g_bytes_get_data (answer->body, &size) : NULL;
    struct MHD_Response *response;

    if (size == 0)
        response = MHD_create_response_from_buffer (0, nothing, MHD_RESPMEM_PERSISTENT);
    else
        response = MHD_create_response_from_buffer_with_free_callback_cls (
            size, (void *)bytes, drop_body, g_bytes_ref (answer->body));
    if (response == NULL && size > 0)
        g_bytes_unref (answer->body);
    return response;
}

static bool
add_fields (struct MHD_Response *response, const RelaisHttpAnswer *answer)
{
    bool done = MHD_add_response_header (response, "X-Content-Type-Options", "nosniff") == MHD_YES;

    if (answer->content_type != NULL)
        done &= MHD_add_response_header (response, "Content-Type", answer->content_type) == MHD_YES;
    for (guint i = 0; i < answer->n_fields; i++)
        done &= MHD_add_response_header (response, answer->text->str + answer->fields[i].name,
                                         answer->text->str + answer->fields[i].value) == MHD_YES;
    return done;
}

static enum MHD_Result
answer_with (struct MHD_Connection *mhd, const RelaisHttpAnswer *answer)
{
    struct MHD_Response *response = make_response (answer);
    enum MHD_Result result = MHD_NO;

    if (response == NULL)
        return MHD_NO;
    if (add_fields (response, answer))
        result = MHD_queue_response (mhd, answer->status, response);
    MHD_destroy_response (response);
    return result;
}

/* --- Callbacks -------------------------------------------------------------------------------- */

static bool
agrees (const RelaisHttpPair *pair, const char *method, const char *url)
{
    const RelaisHttpRequest *request = pair->request;

    return request != NULL && pair->body_bytes == request->head.content_length &&
           strcmp (method, relais_http_method_to_string (request->head.method)) == 0 &&
           strcmp (url, (const char *)request->bytes->data + request->head.path.at) == 0;
}

/* Called with the head, with each part of the body, and once more at the end of it. */
static enum MHD_Result
on_request (void *data, struct MHD_Connection *mhd, const char *url, const char *method,
            const char *version, const char *upload, size_t *upload_size, void **state)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info (mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    RelaisHttpPair *pair = info->socket_context;

    if (*state == NULL) {
        *state = pair;
        pair->body_bytes = 0;
        return MHD_YES;
    }
    if (*upload_size > 0) {
        pair->body_bytes += *upload_size;
        *upload_size = 0;
        return MHD_YES;
    }
    if (!agrees (pair, method, url))
        return MHD_NO;
    if (pair->request->answer.status == 0)
        relais_http_request_handle (pair->request);
    return answer_with (mhd, &pair->request->answer);
}

static void
on_completed (void *data, struct MHD_Connection *mhd, void **state,
              enum MHD_RequestTerminationCode code)
{
    RelaisHttpPair *pair = *state;

    if (pair != NULL && code == MHD_REQUEST_TERMINATED_COMPLETED_OK)
        pair->answered = true;
    *state = NULL;
}

static void
drop_if_alone (RelaisHttpPair *pair)
{
    if (pair->fd < 0 && !pair->attached)
        g_free (pair);
}

static void
on_connection (void *data, struct MHD_Connection *mhd, void **context,
               enum MHD_ConnectionNotificationCode code)
{
    RelaisHttpBackend *backend = data;
    RelaisHttpPair *pair;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = backend->attaching;
        backend->attaching->attached = true;
        return;
    }
    pair = *context;
    pair->attached = false;
    drop_if_alone (pair);
}

/* Paths are compared and handled as they were sent. */
static size_t
leave_escaped (void *data, struct MHD_Connection *mhd, char *text)
{
    return strlen (text);
}

/* --- Life ------------------------------------------------------------------------------------- */

RelaisHttpBackend *
relais_http_backend_new (guint32 max_head, GError **error)
{
    RelaisHttpBackend *backend = g_new0 (RelaisHttpBackend, 1);
    const size_t memory = (size_t)max_head + RELAIS_HTTP_ANSWER_BYTES + SPARE_BYTES;

    backend->mhd = MHD_start_daemon (
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, on_request, backend,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_CONNECTION_MEMORY_LIMIT, memory,
        MHD_OPTION_CONNECTION_LIMIT, G_MAXINT, MHD_OPTION_NOTIFY_COMPLETED, on_completed, backend,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, backend, MHD_OPTION_UNESCAPE_CALLBACK,
        leave_escaped, NULL, MHD_OPTION_END);
    if (backend->mhd != NULL)
        return backend;
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "cannot start libmicrohttpd");
    g_free (backend);
    return NULL;
}

void
relais_http_backend_free (RelaisHttpBackend *backend)
{
    if (backend == NULL)
        return;
    MHD_stop_daemon (backend->mhd);
    g_free (backend);
}

/* --- Pairs ------------------------------------------------------------------------------------ */

RelaisHttpPair *
relais_http_backend_attach (RelaisHttpBackend *backend)
{
    const struct sockaddr_un address = {.sun_family = AF_UNIX};
    RelaisHttpPair *pair;
    int fds[2];

    if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        return NULL;
    pair = g_new0 (RelaisHttpPair, 1);
    pair->fd = fds[0];
    backend->attaching = pair;
    /* It closes its end itself if it fails. */
    (void)MHD_add_connection (backend->mhd, fds[1], (const struct sockaddr *)&address,
                              sizeof address);
    backend->attaching = NULL;
    if (!pair->attached)
        g_clear_pointer (&pair, relais_http_pair_free);
    return pair;
}

void
relais_http_pair_free (RelaisHttpPair *pair)
{
    if (pair == NULL)
        return;
    close (pair->fd);
    pair->fd = -1;
    pair->request = NULL;
    drop_if_alone (pair);
}

/* --- Running ---------------------------------------------------------------------------------- */

void
relais_http_backend_run (RelaisHttpBackend *backend)
{
    (void)MHD_run (backend->mhd);
}

bool
relais_http_backend_is_hungry (RelaisHttpBackend *backend)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;

    return MHD_get_timeout (backend->mhd, &wait_ms) == MHD_YES && wait_ms == 0;
}

int
relais_http_backend_fd (const RelaisHttpBackend *backend)
{
    return MHD_get_daemon_info (backend->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}
