/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Routes of modules in the harness (include/relais/test.h): a request goes through the parser of heads and
 * to the handler as it does behind a listener, which is not there. The caller's thread, but for the
 * handler, which runs on one of its own while the loop turns.
 */
#include "config.h"

#include "http/request-private.h"
#include "loop/thread-private.h"
#include "module/test-private.h"

#include <string.h>

enum { HEAD_BYTES = 64 * 1024 };

typedef struct {
    RelaisTest *test;
    RelaisHttpRequest *request;
    GBytes *body; /* or NULL */
    bool done;
} Exchange;

/* With the length of the body, and its end. */
static GByteArray *
whole_head (const char *head, GBytes *body)
{
    g_autofree char *text = body != NULL
                                ? g_strdup_printf ("%sContent-Length: %" G_GSIZE_FORMAT "\r\n\r\n",
                                                   head, g_bytes_get_size (body))
                                : g_strconcat (head, "\r\n", NULL);

    return g_byte_array_append (g_byte_array_new (), (const guint8 *)text, (guint)strlen (text));
}

/* As behind a listener: 0, or the status of the refusal. */
static guint32
take_head (Exchange *exchange, RelaisHttpListenerKind listener, const GByteArray *bytes)
{
    RelaisHttpRequest *request = exchange->request;
    RelaisHttpHead *head = &request->head;
    RelaisHttpMethods method;

    relais_http_head_init (head, HEAD_BYTES);
    switch (relais_http_head_parse (head, bytes->data, bytes->len)) {
    case RELAIS_HTTP_HEAD_WHOLE: break;
    case RELAIS_HTTP_HEAD_MORE: return 400;
    case RELAIS_HTTP_HEAD_BAD: return head->status;
    }
    relais_http_request_take_head (request, bytes->data);
    method = head->method == RELAIS_HTTP_METHOD_POST ? RELAIS_HTTP_POST : RELAIS_HTTP_GET;
    request->route = relais_host_find_route (exchange->test->host, listener,
                                             (const char *)request->bytes->data + head->path.at,
                                             head->path.size);
    if (request->route == NULL)
        return 404;
    if ((request->route->methods & method) == 0)
        return 405;
    return head->content_length > request->route->max_body ? 413 : 0;
}

static void
handled (gpointer data)
{
    ((Exchange *)data)->done = true;
}

static gpointer
handle (gpointer data)
{
    Exchange *exchange = data;

    relais_http_request_handle (exchange->request);
    relais_loop_post (exchange->test->loop, handled, exchange);
    return NULL;
}

static void
run_handler (Exchange *exchange)
{
    RelaisTest *test = exchange->test;
    RelaisHttpRequest *request = exchange->request;
    GThread *thread;

    request->pin = relais_host_pin (test->host);
    request->wall_us = relais_loop_wall_us (test->loop);
    request->deadline_us =
        request->route->deadline_us > 0 ? request->route->deadline_us : RELAIS_GUARD_FREE;
    g_strlcpy (request->client, test->client != NULL ? test->client : "192.0.2.1",
               sizeof request->client);
    if (request->head.method == RELAIS_HTTP_METHOD_POST)
        request->body =
            exchange->body != NULL ? g_bytes_ref (exchange->body) : g_bytes_new_static ("", 0);
    thread = relais_thread_new ("test-http", handle, exchange);
    while (!exchange->done)
        relais_loop_turn (test->loop, true);
    g_thread_join (thread);
}

static char *
fields_of (const RelaisHttpAnswer *answer)
{
    GString *fields = g_string_new (NULL);

    if (answer->content_type != NULL)
        g_string_append_printf (fields, "Content-Type: %s\r\n", answer->content_type);
    for (guint i = 0; i < answer->n_fields; i++)
        g_string_append_printf (fields, "%s: %s\r\n", answer->text->str + answer->fields[i].name,
                                answer->text->str + answer->fields[i].value);
    return g_string_free (fields, FALSE);
}

guint32
relais_test_request (RelaisTest *test, RelaisHttpListenerKind listener, const gchar *head,
                     GBytes *body, gchar **fields, GBytes **answer)
{
    Exchange exchange = {test, relais_http_request_new (), body, false};
    g_autoptr (GByteArray) bytes = whole_head (head, body);
    guint32 status = take_head (&exchange, listener, bytes);
    const RelaisHttpAnswer *given = &exchange.request->answer;

    if (status == 0) {
        run_handler (&exchange);
        status = given->status;
    }
    if (fields != NULL)
        *fields = fields_of (given);
    if (answer != NULL)
        *answer = given->body != NULL && exchange.request->head.method != RELAIS_HTTP_METHOD_HEAD
                      ? g_bytes_ref (given->body)
                      : g_bytes_new_static ("", 0);
    relais_http_request_free (exchange.request);
    return status;
}
