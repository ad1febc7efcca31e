/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The origin of a web server as configuration names it: "https://track.example.com", with a port if it
 * is another than the scheme's. Pure; any thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct {
    bool tls;
    char *host; /* lower case */
    guint16 port;
    char *
        url; /* lower case, without the port that goes without saying, and without "/" at the end */
} RelaisOrigin;

/* Scheme http or https, a host name (no address, as certificates and mail need a name), nothing behind
 * the port but perhaps one "/". False: nothing was written. */
bool relais_origin_parse (const char *text, RelaisOrigin *origin);
void relais_origin_clear (RelaisOrigin *origin);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RelaisOrigin, relais_origin_clear)
