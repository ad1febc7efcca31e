/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * XCLIENT, by which a trusted host in front of us names the client it speaks for (Postfix's
 * XCLIENT_README): its attributes. Pure and bounded. Any thread.
 */
#pragma once

#include "smtp/command-private.h"

#include <sys/socket.h>

/* What the command told. NAME, PROTO, DESTADDR and DESTPORT are looked at and not kept. */
typedef struct {
    bool has_address;
    bool address_unavailable;        /* the client is unknown: it has no rights */
    struct sockaddr_storage address; /* with the port, if that was told too */
    guint16 port;                    /* 0: not told */
    char *helo, *login;              /* or NULL */
    guint seen;                      /* attributes that were given, one bit each */
} RelaisXclient;

/* `args` is what follows the verb: "ADDR=192.0.2.1 PORT=1024". NULL if it is well-formed; then, and
 * else too, `xclient` (zero-initialised) is to be cleared. */
const RelaisServerReply *
relais_xclient_parse (const char *args, gsize size, RelaisXclient *xclient);
void relais_xclient_clear (RelaisXclient *xclient);
/* The attributes that are known, as EHLO tells them. */
const char *relais_xclient_attributes (void);
