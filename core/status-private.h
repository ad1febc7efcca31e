/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl status`: what the daemon does right now. Loop thread.
 */
#pragma once

#include "allocator-private.h"
#include "confine-private.h"
#include "http/server-private.h"
#include "limiter-private.h"
#include "queue/queue-private.h"
#include "smtp/server-private.h"
#include "suppress/suppress-private.h"

#include <relais/command.h>

/* What status looks at; the command's data. */
typedef struct {
    RelaisLoop *loop;
    RelaisPool *pool;
    RelaisSpool *spool;
    RelaisSmtpServer *server;
    RelaisHttpServer *http;
    RelaisQueue *queue;
    RelaisLoadMeter *meter;
    const RelaisAllocator *allocator;
    RelaisSuppression *suppression;
    RelaisHost *host;
    const RelaisConfinement *confinement;
    gint64 started_us; /* monotonic */
} RelaisStatus;

const RelaisCommand *relais_status_commands (gsize *n);
