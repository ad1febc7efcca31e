/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Connections that say EHLO, under TLS if wanted, and then nothing: what a session costs that only
 * waits. They are opened one after the other on blocking sockets, which is quick enough.
 */
#include "config.h"

#include "load-wire.h"
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

/* Reads one whole reply; whether it was a good one. */
static bool
read_reply (LoadWire *wire)
{
    char line[2048];
    size_t n = 0;

    while (n + 1 < sizeof line && load_wire_read (wire, line + n, 1) == 1) {
        if (line[n++] != '\n')
            continue;
        if (n >= 4 && line[3] != '-')
            return line[0] == '2';
        n = 0;
    }
    return false;
}

static bool
ask (LoadWire *wire, const char *text)
{
    const struct iovec out[2] = {{(char *)text, strlen (text)}, {NULL, 0}};

    return load_wire_write (wire, out) == (ssize_t)out[0].iov_len && read_reply (wire);
}

static bool
open_one (const Load *load, LoadWire *wire, SSL_CTX *context)
{
    const struct timeval patience = {.tv_sec = load->timeout_s};

    wire->ssl = NULL;
    wire->fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (wire->fd < 0)
        load_fail ("socket");
    setsockopt (wire->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect (wire->fd, (const struct sockaddr *)&load->target, sizeof load->target) < 0 ||
        !read_reply (wire) || !ask (wire, "EHLO idle.test\r\n"))
        return false;
    if (!load->tls)
        return true;
    if (!ask (wire, "STARTTLS\r\n"))
        return false;
    load_wire_start_tls (wire, context);
    return load_wire_handshake (wire) == 1 && ask (wire, "EHLO idle.test\r\n");
}

void
load_idle (Load *load)
{
    SSL_CTX *context = load_wire_context ();
    LoadWire *wires = calloc ((size_t)load->idle, sizeof *wires);

    if (wires == NULL)
        load_fail ("malloc");
    for (long i = 0; i < load->idle && !atomic_load (&load->stop); i++)
        if (open_one (load, &wires[i], context))
            load->connects++;
        else
            load->failed_connects++;
    printf ("idle %ld of %ld\n", load->connects, load->idle);
    fflush (stdout);
    while (!atomic_load (&load->stop))
        nanosleep (&(struct timespec){.tv_nsec = 20000000}, NULL);
    for (long i = 0; i < load->connects + load->failed_connects; i++)
        load_wire_close (&wires[i]);
    free (wires);
    SSL_CTX_free (context);
}
