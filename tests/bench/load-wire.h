/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A connection of relais-load to the MTA: a socket, with TLS on it or not. Nothing here blocks but
 * on a blocking socket; calls answer as recv(2) and sendmsg(2) do, with EAGAIN where they would.
 * The server's certificate is not looked at: what it costs is the server's part, and is measured.
 */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

typedef struct {
    int fd;
    SSL *ssl; /* NULL: in clear */
} LoadWire;

/* The one client context; exits when OpenSSL has none to give. */
SSL_CTX *load_wire_context (void);

void load_wire_start_tls (LoadWire *wire, SSL_CTX *context);
/* 1: done, 0: call again when the socket is ready, -1: failed. */
int load_wire_handshake (LoadWire *wire);
ssize_t load_wire_read (LoadWire *wire, void *bytes, size_t size);
/* The first of the two parts that is not empty, or with luck both. */
ssize_t load_wire_write (LoadWire *wire, const struct iovec out[2]);
/* Whether decrypted bytes wait that the socket says nothing of. */
bool load_wire_pending (const LoadWire *wire);
void load_wire_close (LoadWire *wire);
