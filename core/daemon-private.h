/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the daemon's files share: its parts, from the first that is made to the last. Main thread.
 */
#ifndef RELAIS_DAEMON_PRIVATE_H
#define RELAIS_DAEMON_PRIVATE_H

#include "allocator-private.h"
#include "arguments-private.h"
#include "conf/conf-private.h"
#include "confine-private.h"
#include "contain-private.h"
#include "control/control-private.h"
#include "dns-check-private.h"
#include "dns/dns-private.h"
#include "event/event-private.h"
#include "http/server-private.h"
#include "http/tracking-private.h"
#include "loop/clock-virtual-private.h"
#include "module/host-private.h"
#include "notify-private.h"
#include "policies-private.h"
#include "queue/queue-private.h"
#include "reexec-private.h"
#include "reload-private.h"
#include "smtp/server-private.h"
#include "spool/spool-private.h"
#include "status-private.h"
#include "stop-signals-private.h"
#include "suppress/suppress-private.h"
#include "tls/ports-private.h"
#include "tls/tokens-private.h"

typedef struct {
    RelaisArguments arguments;
    bool module_dir_given;
    RelaisConfig *config;
    RelaisConfinement *confinement;
    RelaisContainment *containment;
    RelaisHost *host;
    RelaisHost *off_host;      /* --check: modules that are not enabled */
    RelaisVirtualClock *clock; /* or NULL */
    RelaisLoop *loop;
    RelaisNotifier *notifier;
    RelaisReexec *reexec;
    RelaisPorts *ports; /* until the servers have them */
    RelaisPool *pool;
    RelaisPool *spool_pool;
    RelaisPool *auth_pool;
    RelaisEventLog *events;
    RelaisTokens *tokens;
    RelaisSuppression *suppression;
    RelaisSpool *spool;
    RelaisDns *dns;
    RelaisFetcher *fetcher;
    RelaisTracking *tracking;
    RelaisPolicies *policies;
    RelaisQueue *queue;
    RelaisSmtpServer *server;
    RelaisHttpServer *http;
    RelaisCommands *commands;
    RelaisControl *control;
    RelaisReload *reload;
    RelaisLoadMeter *meter;
    RelaisAllocator *allocator;
    RelaisStatus status;
    RelaisDnsCheck dns_check;
    RelaisStopSignals *stop_signals;
    RelaisTimer drain_timer;
    guint draining; /* parts that have not drained yet */
    bool stopping;
    bool replaced; /* a new program takes over in the end */
} RelaisDaemon;

/* Where conf.d is read from, weakest first; NULL-terminated, the daemon's. */
const char *const *relais_daemon_dirs (const RelaisDaemon *daemon);
/* A host of modules that has none yet; `data` is the daemon. The caller's. */
RelaisHost *relais_daemon_new_host (gpointer data);
/* Tells people what went wrong; false. */
bool relais_daemon_say (const GError *error);

/* Its pools of workers, once the configuration is there. */
void relais_daemon_start_threads (RelaisDaemon *daemon);
/* All parts behind them, in the order in which they need each other. What was made stays in `daemon`, also if it fails. */
bool relais_daemon_bring_up (RelaisDaemon *daemon, GError **error);
/* Tells the service manager that mail is taken. */
void relais_daemon_tell_ready (const RelaisDaemon *daemon);

#endif
