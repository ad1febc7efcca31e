/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * TLS that begins behind octets in clear on the same connection, such as a PROXY header: what was read
 * beyond them is the handshake's. A BIO in front of the socket's hands that out first and the socket's own
 * octets after it; it belongs to the stream's SSL. Loop thread only.
 */
#include "config.h"

#include "tls/stream-struct-private.h"

#include <openssl/bio.h>
#include <string.h>

/* --- The BIO ---------------------------------------------------------------------------------- */

static int
ahead_read (BIO *bio, char *to, size_t room, size_t *got)
{
    GByteArray *ahead = BIO_get_data (bio);
    BIO *next = BIO_next (bio);
    int result;

    if (ahead->len > 0) {
        *got = MIN (room, ahead->len);
        memcpy (to, ahead->data, *got);
        g_byte_array_remove_range (ahead, 0, (guint)*got);
        return 1;
    }
    result = BIO_read_ex (next, to, room, got);
    BIO_clear_retry_flags (bio);
    BIO_copy_next_retry (bio);
    return result;
}

static long
ahead_control (BIO *bio, int command, long number, void *data)
{
    return BIO_ctrl (BIO_next (bio), command, number, data);
}

static int
ahead_destroy (BIO *bio)
{
    g_byte_array_unref (BIO_get_data (bio));
    return 1;
}

static const BIO_METHOD *
ahead_method (void)
{
    static BIO_METHOD *method; /* for the life of the process */

    if (g_once_init_enter (&method)) {
        BIO_METHOD *made = BIO_meth_new (BIO_get_new_index () | BIO_TYPE_FILTER, "octets ahead");

        BIO_meth_set_read_ex (made, ahead_read);
        BIO_meth_set_ctrl (made, ahead_control);
        BIO_meth_set_destroy (made, ahead_destroy);
        g_once_init_leave (&method, made);
    }
    return method;
}

/* --- The stream ------------------------------------------------------------------------------- */

void
relais_stream_continue_as_tls (RelaisStream *stream, RelaisTlsContext *context)
{
    gsize size;
    const guint8 *bytes = relais_stream_peek (stream, &size);

    g_return_if_fail (stream->ssl == NULL && stream->ahead == NULL);
    if (size > 0) {
        stream->ahead = g_byte_array_sized_new ((guint)size);
        g_byte_array_append (stream->ahead, bytes, (guint)size);
        stream->clear_in -= size; /* they count with TLS */
    }
    relais_stream_start_tls (stream, context, NULL);
}

bool
relais_stream_put_ahead (RelaisStream *stream)
{
    BIO *socket_ = SSL_get_rbio (stream->ssl);
    BIO *bio = BIO_new (ahead_method ());

    if (bio == NULL)
        return false;
    BIO_set_data (bio, g_steal_pointer (&stream->ahead));
    BIO_set_init (bio, 1);
    (void)BIO_up_ref (socket_);
    SSL_set0_rbio (stream->ssl, BIO_push (bio, socket_));
    return true;
}
