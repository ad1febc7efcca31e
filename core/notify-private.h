/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a service manager is told of the daemon (sd_notify(3)): that it is ready, reads its configuration again,
 * stops, and that its loop turns. Main thread. Without a service manager all of it does nothing.
 */
#pragma once

#include "loop/loop-private.h"

typedef struct RelaisNotifier RelaisNotifier;

/* Takes NOTIFY_SOCKET and WATCHDOG_USEC out of the environment, so that no helper process speaks for us. */
RelaisNotifier *relais_notifier_new (RelaisLoop *loop);
/* NULL ok. */
void relais_notifier_free (RelaisNotifier *notifier);

/* Mail is taken from now on, or again; `status` is a line for people. From the first time on the loop answers the
 * manager's watchdog, if there is one, at twice the rate that it asks for. */
void relais_notifier_ready (RelaisNotifier *notifier, const char *status);
/* The configuration is being read; relais_notifier_ready () follows. */
void relais_notifier_reloading (RelaisNotifier *notifier);
void relais_notifier_stopping (RelaisNotifier *notifier, const char *status);
