/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl dns check`: whether what the DNS says of us is what our mail needs. Loop thread.
 */
#pragma once

#include "control/control-private.h"
#include "dns/dns-private.h"
#include "queue/queue-private.h"

/* What it looks at; the command's data. All zero but for what the daemon sets. */
typedef struct {
    RelaisLoop *loop;
    RelaisDns *dns;
    RelaisQueue *queue;
    RelaisCommands *commands;
    GQueue running; /* checks, for relais_dns_check_stop () */
} RelaisDnsCheck;

const RelaisCommand *relais_dns_check_commands (gsize *n);
/* Ends those that run: before the resolver goes. */
void relais_dns_check_stop (RelaisDnsCheck *parts);
