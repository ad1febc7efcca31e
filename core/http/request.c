/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A request and the calls that handlers make on it. The thread that the handler runs on; making and
 * resetting on the HTTP thread.
 */
#include "config.h"

#include "http/request-private.h"

#include "module/guard-private.h"

#include "conf/net-private.h"

#include <relais/log.h>
#include <relais/module.h>

#include <string.h>

/* --- Life ------------------------------------------------------------------------------------- */

RelaisHttpRequest *
relais_http_request_new (void)
{
    RelaisHttpRequest *request = g_new0 (RelaisHttpRequest, 1);

    request->bytes = g_byte_array_new ();
    request->answer.text = g_string_new (NULL);
    return request;
}

void
relais_http_request_reset (RelaisHttpRequest *request)
{
    RelaisHttpAnswer *answer = &request->answer;

    g_clear_pointer (&request->collected, g_byte_array_unref);
    g_clear_pointer (&request->body, g_bytes_unref);
    g_clear_pointer (&request->pin, relais_pin_unref);
    g_clear_pointer (&request->host, g_free);
    g_clear_pointer (&answer->content_type, g_free);
    g_clear_pointer (&answer->body, g_bytes_unref);
    g_byte_array_set_size (request->bytes, 0);
    g_string_truncate (answer->text, 0);
    answer->status = answer->n_fields = 0;
    request->route = NULL;
}

void
relais_http_request_free (RelaisHttpRequest *request)
{
    if (request == NULL)
        return;
    relais_http_request_reset (request);
    g_byte_array_unref (request->bytes);
    g_string_free (request->answer.text, TRUE);
    g_free (request);
}

/* --- What the connection fills in ------------------------------------------------------------- */

static void
terminate (RelaisHttpRequest *request, RelaisHttpSpan span)
{
    request->bytes->data[span.at + span.size] = '\0';
}

static const char *
text_of (const RelaisHttpRequest *request, RelaisHttpSpan span)
{
    return (const char *)request->bytes->data + span.at;
}

/* Behind each part stands an octet that is none of it (a blank, a colon, a CR), so that the copy's
 * parts can be strings. The host has a copy of its own: within the field its port follows. */
void
relais_http_request_take_head (RelaisHttpRequest *request, const guint8 *bytes)
{
    const RelaisHttpHead *head = &request->head;

    g_byte_array_append (request->bytes, bytes, head->size);
    terminate (request, head->path);
    if (head->has_query)
        terminate (request, head->query);
    for (guint i = 0; i < head->n_fields; i++) {
        terminate (request, head->fields[i].name);
        terminate (request, head->fields[i].value);
    }
    if (head->host.size > 0)
        request->host = g_ascii_strdown (text_of (request, head->host), (gssize)head->host.size);
}

/* The values of all fields of a name; NULL without one. */
static char *
join_fields (const RelaisHttpRequest *request, const char *name)
{
    GString *joined = NULL;

    for (guint i = 0; i < request->head.n_fields; i++) {
        const RelaisHttpField *field = &request->head.fields[i];

        if (g_ascii_strcasecmp (text_of (request, field->name), name) != 0)
            continue;
        if (joined == NULL)
            joined = g_string_new (NULL);
        else
            g_string_append_c (joined, ',');
        g_string_append (joined, text_of (request, field->value));
    }
    return joined != NULL ? g_string_free (joined, FALSE) : NULL;
}

static void
set_address (RelaisHttpRequest *request, const RelaisHttpAddress *address)
{
    g_autofree char *text = relais_address_to_text (&address->any);

    g_strlcpy (request->client, text, sizeof request->client);
}

void
relais_http_request_set_client (RelaisHttpRequest *request, const GArray *trusted,
                                const RelaisHttpAddress *peer, bool tls)
{
    g_autofree char *forwarded = NULL, *hops = NULL, *protos = NULL;
    RelaisHttpClient client;

    request->tls = tls;
    if (!relais_nets_contain (trusted, &peer->any)) {
        set_address (request, peer);
        return;
    }
    forwarded = join_fields (request, "forwarded");
    hops = join_fields (request, "x-forwarded-for");
    protos = join_fields (request, "x-forwarded-proto");
    relais_http_find_client (trusted, peer, &(RelaisHttpForwarding){forwarded, hops, protos},
                             &client);
    set_address (request, &client.address);
    if (client.tls_is_known)
        request->tls = client.tls;
}

void
relais_http_request_handle (RelaisHttpRequest *request)
{
    const RelaisHttpRoute *route = request->route;
    RelaisGuard outer;

    if (relais_module_is_off (route->module)) {
        relais_http_answer (request, 503, NULL, NULL);
        return;
    }
    relais_guard_enter (&outer, route->module, "route", 0);
    if (route->kind == RELAIS_HTTP_POOL)
        relais_guard_allow (request->deadline_us);
    route->func (request, route->data);
    relais_guard_leave (&outer);
    if (request->answer.status != 0)
        return;
    relais_log (route->module, RELAIS_LOG_ERROR, "route '%s' gave no answer to a request",
                route->path);
    request->answer.n_fields = 0;
    relais_http_answer (request, 500, NULL, NULL);
}

/* --- Accessors -------------------------------------------------------------------------------- */

RelaisModule *
relais_http_get_module (const RelaisHttpRequest *request)
{
    g_return_val_if_fail (request != NULL, NULL);
    return request->route->module;
}

gpointer
relais_http_get_config (const RelaisHttpRequest *request)
{
    g_return_val_if_fail (request != NULL, NULL);
    return relais_pin_get_config (request->pin, request->route->module);
}

const gchar *
relais_http_get_method (const RelaisHttpRequest *request)
{
    g_return_val_if_fail (request != NULL, NULL);
    return relais_http_method_to_string (request->head.method);
}

const gchar *
relais_http_get_path (const RelaisHttpRequest *request)
{
    g_return_val_if_fail (request != NULL, NULL);
    return text_of (request, request->head.path);
}

const gchar *
relais_http_get_rest (const RelaisHttpRequest *request)
{
    g_return_val_if_fail (request != NULL, NULL);
    return text_of (request, request->head.path) + request->route->path_size;
}

const gchar *
relais_http_get_query (const RelaisHttpRequest *request)
{
    g_return_val_if_fail (request != NULL, NULL);
    return request->head.has_query ? text_of (request, request->head.query) : NULL;
}

const gchar *
relais_http_get_header (const RelaisHttpRequest *request, const gchar *name)
{
    g_return_val_if_fail (request != NULL && name != NULL, NULL);
    for (guint i = 0; i < request->head.n_fields; i++)
        if (g_ascii_strcasecmp (text_of (request, request->head.fields[i].name), name) == 0)
            return text_of (request, request->head.fields[i].value);
    return NULL;
}

const gchar *
relais_http_get_client (const RelaisHttpRequest *request)
{
    g_return_val_if_fail (request != NULL, NULL);
    return request->client;
}

const gchar *
relais_http_get_host (const RelaisHttpRequest *request)
{
    g_return_val_if_fail (request != NULL, NULL);
    return request->host;
}

gboolean
relais_http_get_tls (const RelaisHttpRequest *request)
{
    g_return_val_if_fail (request != NULL, FALSE);
    return request->tls;
}

GBytes *
relais_http_get_body (const RelaisHttpRequest *request)
{
    g_return_val_if_fail (request != NULL, NULL);
    return request->body;
}

gint64
relais_http_get_wall_us (const RelaisHttpRequest *request)
{
    g_return_val_if_fail (request != NULL, 0);
    return request->wall_us;
}

/* --- The answer ------------------------------------------------------------------------------- */

static bool
is_ours (const char *name)
{
    static const char *const ours[] = {"connection", "content-length",    "content-type",
                                       "date",       "keep-alive",        "server",
                                       "trailer",    "transfer-encoding", "upgrade"};

    for (guint i = 0; i < G_N_ELEMENTS (ours); i++)
        if (g_ascii_strcasecmp (name, ours[i]) == 0)
            return true;
    return false;
}

/* What is set must fit, with the status line and what the core adds, beside a request's head into the
 * memory that libmicrohttpd has for a connection. */
static bool
fits (const RelaisHttpAnswer *answer, gsize size)
{
    return size <= RELAIS_HTTP_ANSWER_BYTES - answer->text->len;
}

gboolean
relais_http_set_header (RelaisHttpRequest *request, const gchar *name, const gchar *value)
{
    RelaisHttpAnswer *answer;
    RelaisHttpAnswerField *field;
    gsize name_size, value_size;

    g_return_val_if_fail (request != NULL && name != NULL && value != NULL, FALSE);
    answer = &request->answer;
    name_size = strlen (name);
    value_size = strlen (value);
    if (answer->status != 0 || answer->n_fields == RELAIS_HTTP_ANSWER_FIELDS ||
        !relais_http_is_token (name, name_size) || !relais_http_is_value (value, value_size) ||
        !fits (answer, name_size + value_size + 2) || is_ours (name))
        return FALSE;
    field = &answer->fields[answer->n_fields++];
    field->name = (guint)answer->text->len;
    g_string_append_len (answer->text, name, (gssize)name_size + 1);
    field->value = (guint)answer->text->len;
    g_string_append_len (answer->text, value, (gssize)value_size + 1);
    return TRUE;
}

gboolean
relais_http_answer (RelaisHttpRequest *request, guint32 status, const gchar *content_type,
                    GBytes *body)
{
    RelaisHttpAnswer *answer;

    g_return_val_if_fail (request != NULL, FALSE);
    answer = &request->answer;
    if (answer->status != 0 || status < 200 || status > 599 ||
        (content_type == NULL) != (body == NULL) ||
        (content_type != NULL && (!relais_http_is_value (content_type, strlen (content_type)) ||
                                  !fits (answer, strlen (content_type)))))
        return FALSE;
    answer->status = status;
    answer->content_type = g_strdup (content_type);
    answer->body = body != NULL ? g_bytes_ref (body) : NULL;
    return TRUE;
}
