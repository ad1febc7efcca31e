/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The SMTP peer of the harness (include/relais/test.h): a server on loopback that takes every message, but for what a
 * script says. The loop's thread.
 */
#pragma once

#include "loop/loop-private.h"

typedef struct RelaisTestPeer RelaisTestPeer;

/* Listens on 127.0.0.1, on a port of the system's choice. */
RelaisTestPeer *relais_test_peer_new (RelaisLoop *loop);
void relais_test_peer_free (RelaisTestPeer *peer);
guint16 relais_test_peer_port (const RelaisTestPeer *peer);
/* As relais_test_expect () and the functions around it. */
void relais_test_peer_expect (RelaisTestPeer *peer, const char *command, const char *reply);
guint relais_test_peer_n_expected (const RelaisTestPeer *peer);
char *relais_test_peer_take_command (RelaisTestPeer *peer);
GBytes *relais_test_peer_take_message (RelaisTestPeer *peer);
/* Connections that wait for a reply which the script withholds. */
guint relais_test_peer_n_silent (const RelaisTestPeer *peer);
