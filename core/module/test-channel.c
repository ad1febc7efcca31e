/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The services that modules' channels find in the harness, over a socket pair: each answers a line with
 * what the test said, or octets with what a function of the test's makes of them. The caller's thread.
 */
#include "config.h"

#include "module/test-private.h"

#include "tls/stream-private.h"

#include <string.h>
#include <sys/socket.h>

#define LINGER_US RELAIS_USEC_PER_SEC

typedef struct {
    char *address, *line, *text; /* line NULL: the greeting; text NULL: hangs up */
} Answer;

/* What a service of octets does. */
typedef struct {
    RelaisTestOctetsFunc func;
    gpointer data;
    guint32 n; /* channels until now */
} Octets;

/* One side of a channel. */
typedef struct {
    RelaisTest *test;
    char *address;
    const Octets *octets; /* or NULL: it answers lines */
    guint32 number;       /* of the channel, for those of octets */
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

/* False when it waits for more, or hung up. */
static bool
take_octets (Service *service)
{
    g_autoptr (GByteArray) answer = g_byte_array_new ();
    gsize size;
    const guint8 *bytes = relais_stream_peek (service->stream, &size);
    const guint64 taken = service->octets->func (service->number, (const char *)bytes, size, answer,
                                                 service->octets->data);

    relais_stream_write (service->stream, answer->data, answer->len);
    if (taken == RELAIS_TEST_HANG_UP) {
        relais_stream_finish (g_steal_pointer (&service->stream), LINGER_US);
        service_free (service);
        return false;
    }
    g_assert_cmpuint (taken, <=, size);
    relais_stream_consume (service->stream, (gsize)taken);
    return taken > 0 && taken < size;
}

static void
on_input (RelaisStream *stream, gpointer data)
{
    const Service *service = data;

    while (service->octets != NULL ? take_octets (data) : take_line (data))
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
    if (g_hash_table_contains (test->services.octets, address))
        return true;
    for (guint i = 0; i < test->services.answers->len; i++)
        if (g_str_equal (((Answer *)g_ptr_array_index (test->services.answers, i))->address,
                         address))
            return true;
    return false;
}

static void
greet (Service *service)
{
    if (service->octets != NULL)
        (void)take_octets (service);
    else if (find (service->test, service->address, NULL) != NULL)
        (void)reply (service, NULL);
}

static RelaisChannelOutcome
meet (gpointer data, const char *address, int *fd)
{
    RelaisTest *test = data;
    const RelaisChannelOutcome failure =
        GPOINTER_TO_UINT (g_hash_table_lookup (test->services.failing, address));
    Octets *octets = g_hash_table_lookup (test->services.octets, address);
    Service *service;
    int fds[2];

    if (failure != RELAIS_CHANNEL_OK || !is_known (test, address) ||
        socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return failure;
    service = g_new0 (Service, 1);
    service->test = test;
    service->address = g_strdup (address);
    service->octets = octets;
    service->number = octets != NULL ? ++octets->n : 0;
    service->link.data = service;
    service->stream = relais_stream_new (test->loop, fds[1], &callbacks, service, NULL);
    g_queue_push_tail_link (&test->services.streams, &service->link);
    greet (service);
    *fd = fds[0];
    return RELAIS_CHANNEL_OK;
}

void
relais_test_services_init (RelaisTest *test)
{
    test->services.answers = g_ptr_array_new_with_free_func (answer_free);
    test->services.octets = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    test->services.failing = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
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
    g_hash_table_unref (test->services.octets);
    g_hash_table_unref (test->services.failing);
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

void
relais_test_answer_octets (RelaisTest *test, const gchar *address, RelaisTestOctetsFunc func,
                           gpointer data)
{
    Octets *octets;

    g_return_if_fail (address != NULL && func != NULL);
    g_return_if_fail (!g_hash_table_contains (test->services.octets, address));
    octets = g_new (Octets, 1);
    *octets = (Octets){func, data, 0};
    g_hash_table_insert (test->services.octets, g_strdup (address), octets);
}

guint32
relais_test_n_channels (const RelaisTest *test, const gchar *address)
{
    guint32 n = 0;

    g_return_val_if_fail (address != NULL, 0);
    for (const GList *l = test->services.streams.head; l != NULL; l = l->next)
        n += g_str_equal (((const Service *)l->data)->address, address);
    return n;
}

void
relais_test_fail_channel (RelaisTest *test, const gchar *address, RelaisChannelOutcome outcome)
{
    g_return_if_fail (address != NULL && outcome <= RELAIS_CHANNEL_STOPPED);
    g_hash_table_replace (test->services.failing, g_strdup (address), GUINT_TO_POINTER (outcome));
}
