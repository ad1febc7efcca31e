/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Requests and replies: one counted block that holds a copy of what was asked, and later the answer. The
 * backend's thread fills it in before it hands it back; from then on nobody changes it.
 */
#include "config.h"

#include "store/request-private.h"

#include <string.h>

static gsize
span_size (gconstpointer bytes, gsize size, gsize space_size)
{
    return bytes != NULL ? space_size + size : 0;
}

/* Appends the namespace (or nothing) and the octets to the request's block. */
static RelaisStoreSpan
append (RelaisStoreRequest *request, gsize *used, const char *space, gsize space_size,
        gconstpointer bytes, gsize size)
{
    RelaisStoreSpan span = {(guint32)*used, (guint32)(space_size + size), bytes != NULL};

    if (bytes == NULL)
        return (RelaisStoreSpan){0};
    memcpy (request->bytes + *used, space, space_size);
    if (size > 0)
        memcpy (request->bytes + *used + space_size, bytes, size);
    *used += space_size + size;
    return span;
}

RelaisStoreRequest *
relais_store_request_new (RelaisStore *store, const char *space, const RelaisStoreCall *call)
{
    const gsize space_size = strlen (space) + 1;
    const gconstpointer key = call->key != NULL ? call->key : "";
    const gsize size = span_size (key, call->key_size, space_size) +
                       span_size (call->value, call->value_size, 0) +
                       span_size (call->expected, call->expected_size, 0) +
                       span_size (call->after, call->after_size, space_size);
    RelaisStoreRequest *request = g_malloc (sizeof *request + size);
    gsize used = 0;

    memset (request, 0, sizeof *request);
    g_atomic_ref_count_init (&request->refs);
    request->store = store;
    request->link.data = request;
    request->op = call->op;
    request->flags = call->flags;
    request->expires_us = call->expires_us;
    request->delta = call->delta;
    request->limit = call->limit;
    request->space_size = (guint32)space_size;
    request->key = append (request, &used, space, space_size, key, call->key_size);
    request->value = append (request, &used, "", 0, call->value, call->value_size);
    request->expected = append (request, &used, "", 0, call->expected, call->expected_size);
    request->after = append (request, &used, space, space_size, call->after, call->after_size);
    return request;
}

static RelaisStoreRequest *
request_of (const RelaisStoreReply *reply)
{
    return (RelaisStoreRequest *)reply;
}

RelaisStoreReply *
relais_store_reply_ref (const RelaisStoreReply *reply)
{
    g_atomic_ref_count_inc (&request_of (reply)->refs);
    return (RelaisStoreReply *)reply;
}

void
relais_store_reply_unref (RelaisStoreReply *reply)
{
    RelaisStoreRequest *request = request_of (reply);

    if (request == NULL || !g_atomic_ref_count_dec (&request->refs))
        return;
    g_free (request->found);
    g_free (request->error);
    g_clear_pointer (&request->row_places, g_array_unref);
    g_clear_pointer (&request->rows, g_byte_array_unref);
    g_free (request);
}

/* --- What is asked ---------------------------------------------------------------------------- */

static gconstpointer
span (const RelaisStoreRequest *request, const RelaisStoreSpan *place, gsize *size)
{
    if (size != NULL)
        *size = place->size;
    return place->given ? request->bytes + place->at : NULL;
}

RelaisStoreOp
relais_store_request_get_op (const RelaisStoreRequest *request)
{
    return request->op;
}

RelaisStoreFlags
relais_store_request_get_flags (const RelaisStoreRequest *request)
{
    return request->flags;
}

gconstpointer
relais_store_request_get_key (const RelaisStoreRequest *request, gsize *size)
{
    return span (request, &request->key, size);
}

gconstpointer
relais_store_request_get_value (const RelaisStoreRequest *request, gsize *size)
{
    return span (request, &request->value, size);
}

gconstpointer
relais_store_request_get_expected (const RelaisStoreRequest *request, gsize *size)
{
    return span (request, &request->expected, size);
}

gconstpointer
relais_store_request_get_after (const RelaisStoreRequest *request, gsize *size)
{
    return span (request, &request->after, size);
}

gint64
relais_store_request_get_expires_us (const RelaisStoreRequest *request)
{
    return request->expires_us;
}

gint64
relais_store_request_get_delta (const RelaisStoreRequest *request)
{
    return request->delta;
}

guint32
relais_store_request_get_limit (const RelaisStoreRequest *request)
{
    return request->limit;
}

/* --- The answer ------------------------------------------------------------------------------- */

void
relais_store_request_set_value (RelaisStoreRequest *request, gconstpointer value, gsize size,
                                gint64 expires_us)
{
    g_free (request->found);
    request->found = g_malloc (MAX (size, 1));
    if (size > 0)
        memcpy (request->found, value, size);
    request->found_size = size;
    request->found_expires_us = expires_us;
}

void
relais_store_request_set_number (RelaisStoreRequest *request, gint64 number)
{
    request->number = number;
}

void
relais_store_request_add_row (RelaisStoreRequest *request, gconstpointer key, gsize key_size,
                              gconstpointer value, gsize value_size)
{
    RelaisStoreRow row;

    g_return_if_fail (key_size >= request->space_size);
    if (request->rows == NULL) {
        request->rows = g_byte_array_new ();
        request->row_places = g_array_new (FALSE, FALSE, sizeof (RelaisStoreRow));
    }
    if (request->row_places->len >= request->limit)
        return;
    row = (RelaisStoreRow){request->rows->len, (guint32)(key_size - request->space_size),
                           request->rows->len + (guint32)(key_size - request->space_size),
                           (guint32)value_size};
    g_byte_array_append (request->rows, (const guint8 *)key + request->space_size, row.key_size);
    if (value_size > 0)
        g_byte_array_append (request->rows, value, row.value_size);
    g_array_append_val (request->row_places, row);
}

void
relais_store_request_set_more (RelaisStoreRequest *request, gboolean more)
{
    request->more = more;
}

void
relais_store_request_complete (RelaisStoreRequest *request, RelaisStoreResult result)
{
    g_return_if_fail (request != NULL);
    if (result > RELAIS_STORE_CONFLICT)
        result = RELAIS_STORE_ERROR;
    if (result == RELAIS_STORE_ERROR && request->error == NULL)
        request->error = g_strdup ("the store failed");
    request->result = result;
    relais_store_ended (request->store, request);
}

void
relais_store_request_fail (RelaisStoreRequest *request, const gchar *text)
{
    g_clear_pointer (&request->found, g_free);
    g_clear_pointer (&request->row_places, g_array_unref);
    g_clear_pointer (&request->rows, g_byte_array_unref);
    request->found_size = 0;
    request->found_expires_us = request->number = 0;
    request->more = false;
    g_free (request->error);
    request->error = g_strdup (text);
    relais_store_request_complete (request, RELAIS_STORE_ERROR);
}

/* --- Replies ---------------------------------------------------------------------------------- */

RelaisStoreResult
relais_store_reply_get_result (const RelaisStoreReply *reply)
{
    return request_of (reply)->result;
}

gconstpointer
relais_store_reply_get_value (const RelaisStoreReply *reply, gsize *size)
{
    const RelaisStoreRequest *request = request_of (reply);

    if (size != NULL)
        *size = request->found_size;
    return request->found;
}

gint64
relais_store_reply_get_expires_us (const RelaisStoreReply *reply)
{
    return request_of (reply)->found_expires_us;
}

gint64
relais_store_reply_get_number (const RelaisStoreReply *reply)
{
    return request_of (reply)->number;
}

const gchar *
relais_store_reply_get_error (const RelaisStoreReply *reply)
{
    return request_of (reply)->error;
}

guint32
relais_store_reply_n_rows (const RelaisStoreReply *reply)
{
    const GArray *places = request_of (reply)->row_places;

    return places != NULL ? places->len : 0;
}

gboolean
relais_store_reply_get_row (const RelaisStoreReply *reply, guint32 n, gconstpointer *key,
                            gsize *key_size, gconstpointer *value, gsize *value_size)
{
    const RelaisStoreRequest *request = request_of (reply);
    const RelaisStoreRow *row;

    if (n >= relais_store_reply_n_rows (reply))
        return FALSE;
    row = &g_array_index (request->row_places, RelaisStoreRow, n);
    *key = request->rows->data + row->key_at;
    *key_size = row->key_size;
    *value = request->rows->data + row->value_at;
    *value_size = row->value_size;
    return TRUE;
}

gboolean
relais_store_reply_get_more (const RelaisStoreReply *reply)
{
    return request_of (reply)->more;
}
