/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which addresses mail may go to when DNS names them: not to loopback, private or multicast ones and
 * not to ourselves, unless the administrator allowed it (user-demands.md 22). And which ones the HTTP
 * client may, which strangers' URLs name.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/socket.h>

typedef struct RelaisTargets RelaisTargets;

typedef enum {
    RELAIS_TARGET_GOOD,
    RELAIS_TARGET_OWN,    /* we listen there: a loop */
    RELAIS_TARGET_REFUSED /* not a place on the public network */
} RelaisTargetKind;

/* `allow` as in RelaisDnsOptions; NULL and `bad` set if one of them is no network. */
RelaisTargets *relais_targets_new (const char *const *allow, const char **bad);
void relais_targets_free (RelaisTargets *targets);
/* Replaces the own addresses, each with or without a port ("[::1]:25"); text that is no address is passed over. A
 * wildcard stands for all addresses that the machine has, at any time. */
void relais_targets_set_own (RelaisTargets *targets, const char *const *addresses);
/* Whether a server of anybody's may have it: stricter than what mail may go to, and without exceptions.
 * Pure; any thread. */
bool relais_address_is_public (const struct sockaddr *address);
RelaisTargetKind
relais_targets_judge (const RelaisTargets *targets, const struct sockaddr *address);
