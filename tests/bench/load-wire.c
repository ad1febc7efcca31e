/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See load-wire.h. No session is resumed: a row that opens a connection a message is to pay for
 * whole handshakes.
 */
#include "config.h"

#include "load-wire.h"

#include "load.h"

#include <errno.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

SSL_CTX *
load_wire_context (void)
{
    SSL_CTX *context = SSL_CTX_new (TLS_client_method ());

    if (context == NULL)
        load_fail ("no TLS");
    SSL_CTX_set_verify (context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode (context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode (context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                   SSL_MODE_RELEASE_BUFFERS);
    return context;
}

void
load_wire_start_tls (LoadWire *wire, SSL_CTX *context)
{
    wire->ssl = SSL_new (context);
    if (wire->ssl == NULL || SSL_set_fd (wire->ssl, wire->fd) != 1)
        load_fail ("no TLS connection");
    SSL_set_connect_state (wire->ssl);
}

/* What a call that gave `result` <= 0 means, as errno. */
static void
set_errno (LoadWire *wire, int result)
{
    int error = SSL_get_error (wire->ssl, result);

    ERR_clear_error ();
    errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EIO;
}

int
load_wire_handshake (LoadWire *wire)
{
    int result = SSL_do_handshake (wire->ssl);

    if (result == 1)
        return 1;
    set_errno (wire, result);
    return errno == EAGAIN ? 0 : -1;
}

ssize_t
load_wire_read (LoadWire *wire, void *bytes, size_t size)
{
    int n;

    if (wire->ssl == NULL)
        return recv (wire->fd, bytes, size, 0);
    n = SSL_read (wire->ssl, bytes, (int)size);
    if (n > 0)
        return n;
    if (SSL_get_error (wire->ssl, n) == SSL_ERROR_ZERO_RETURN)
        return 0;
    set_errno (wire, n);
    return -1;
}

ssize_t
load_wire_write (LoadWire *wire, const struct iovec out[2])
{
    const struct iovec *part = out[0].iov_len > 0 ? &out[0] : &out[1];
    int n;

    if (wire->ssl == NULL) {
        struct msghdr message = {.msg_iov = (struct iovec *)out, .msg_iovlen = 2};

        return sendmsg (wire->fd, &message, MSG_NOSIGNAL);
    }
    n = SSL_write (wire->ssl, part->iov_base,
                   part->iov_len < (1 << 20) ? (int)part->iov_len : 1 << 20);
    if (n > 0)
        return n;
    set_errno (wire, n);
    return -1;
}

bool
load_wire_pending (const LoadWire *wire)
{
    return wire->ssl != NULL && SSL_pending (wire->ssl) > 0;
}

void
load_wire_close (LoadWire *wire)
{
    SSL_free (wire->ssl);
    wire->ssl = NULL;
    close (wire->fd);
}
