/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The services that modules' channels find in the harness: each answers a line with what the test said, over a
 * socket pair. The caller's thread.
 */
#include "config.h"

#include "module/test-private.h"

#include "tls/stream-private.h"

#include <string.h>
#include <sys/socket.h>

typedef struct {
    char *address, *line, *text; /* line NULL: the greeting; text NULL: hangs up */
} Answer;

/* One side of a channel. */
typedef struct {
    RelaisTest *test;
    char *address;
    RelaisStream *stream;
    GList link; /* in test->services.streams */
} Service;

static void
answer_free (gpointer data)
{
    Answer *answer = data;

    g_free (answer->address);
    g_free (answer->line);
    g_free (answer->text);
    g_free (answer);
}

static void
service_free (Service *service)
{
    g_queue_unlink (&service->test->services.streams, &service->link);
    relais_stream_free (service->stream);
    g_free (service->address);
    g_free (service);
}

static const Answer *
find (const RelaisTest *test, const char *address, const char *line)
{
    for (guint i = 0; i < test->services.answers->len; i++) {
        const Answer *answer = g_ptr_array_index (test->services.answers, i);

        if (g_str_equal (answer->address, address) && g_strcmp0 (answer->line, line) == 0)
            return answer;
    }
    return NULL;
}

/* False when it hung up. */
static bool
reply (Service *service, const char *line)
{
    const Answer *answer = find (service->test, service->address, line);

    if (answer != NULL && answer->text != NULL) {
        relais_stream_write (service->stream, answer->text, strlen (answer->text));
        return true;
    }
    service_free (service);
    return false;
}

static bool
take_line (Service *service)
{
    gsize size;
    const guint8 *bytes = relais_stream_peek (service->stream, &size);
    const guint8 *lf = size > 0 ? memchr (bytes, '\n', size) : NULL;
    g_autofree char *line = NULL;

    if (lf == NULL)
        return false;
    line = g_strndup ((const char *)bytes, (gsize)(lf - bytes));
    g_strchomp (line);
    relais_stream_consume (service->stream, (gsize)(lf - bytes) + 1);
    return reply (service, line);
}

static void
on_input (RelaisStream *stream, gpointer data)
{
    while (take_line (data))
        continue;
}

static void
on_closed (RelaisStream *stream, const GError *error, gpointer data)
{
    service_free (data);
}

static const RelaisStreamCallbacks callbacks = {.input = on_input, .closed = on_closed};

static bool
is_known (const RelaisTest *test, const char *address)
{
    for (guint i = 0; i < test->services.answers->len; i++)
        if (g_str_equal (((Answer *)g_ptr_array_index (test->services.answers, i))->address,
                         address))
            return true;
    return false;
}

static int
meet (gpointer data, const char *address)
{
    RelaisTest *test = data;
    Service *service;
    int fds[2];

    if (!is_known (test, address) || socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return -1;
    service = g_new0 (Service, 1);
    service->test = test;
    service->address = g_strdup (address);
    service->link.data = service;
    service->stream = relais_stream_new (test->loop, fds[1], &callbacks, service, NULL);
    g_queue_push_tail_link (&test->services.streams, &service->link);
    if (find (test, address, NULL) != NULL)
        (void)reply (service, NULL);
    return fds[0];
}

void
relais_test_services_init (RelaisTest *test)
{
    test->services.answers = g_ptr_array_new_with_free_func (answer_free);
    g_queue_init (&test->services.streams);
    test->host->channel_peer = meet;
    test->host->channel_peer_data = test;
}

void
relais_test_services_clear (RelaisTest *test)
{
    while (test->services.streams.head != NULL)
        service_free (test->services.streams.head->data);
    relais_streams_cut_lingering (test->loop);
    g_ptr_array_unref (test->services.answers);
}

void
relais_test_add_answer (RelaisTest *test, const gchar *address, const gchar *line,
                        const gchar *text)
{
    Answer *answer;

    g_return_if_fail (address != NULL);
    answer = g_new (Answer, 1);
    *answer = (Answer){g_strdup (address), g_strdup (line), g_strdup (text)};
    g_ptr_array_add (test->services.answers, answer);
}
