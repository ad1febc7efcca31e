/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading the configuration again while the daemon works (SIGHUP, `relaisctl reload`), in two phases: a
 * worker reads the files and has every part prepare its new settings; if all of them can, all commit in
 * one turn of the loop. If one cannot, nothing changes. Loop thread.
 */
#pragma once

#include "allocator-private.h"
#include "conf/conf-private.h"
#include "confine-private.h"
#include "control/control-private.h"
#include "http/server-private.h"
#include "module/host-private.h"
#include "policies-private.h"
#include "queue/queue-private.h"
#include "smtp/server-private.h"
#include "suppress/suppress-private.h"

typedef struct RelaisReload RelaisReload;

/* The parts that take part; borrowed, set before the first reload. */
typedef struct {
    RelaisLoop *loop;
    RelaisPool *pool;
    RelaisAllocator *allocator;
    RelaisHost *host;
    RelaisSmtpServer *server;
    RelaisHttpServer *http;
    RelaisQueue *queue;
    RelaisPolicies *policies;
    RelaisSuppression *suppression;
    const RelaisConfinement *confinement;
    const char *const *dirs; /* of the configuration */
    RelaisHost *(*new_host) (gpointer data);
    /* A reload begins, or has ended. */
    void (*under_way) (gpointer data, bool begins);
    gpointer data;
} RelaisReloadParts;

/* `config` is the one in force. */
RelaisReload *relais_reload_new (const RelaisReloadParts *parts, RelaisConfig *config);
/* Whose commands see the configuration in force, from now on. */
void relais_reload_set_control (RelaisReload *reload, RelaisControl *control);
/* Waits for the one under way, whose command is told that nothing was done; before the parts go. NULL ok. */
void relais_reload_free (RelaisReload *reload);

/* Begins a reload, or another one after that which is under way; what comes of it is logged. */
void relais_reload_begin (RelaisReload *reload);

/* `relaisctl reload` and `conf running`; their data is the RelaisReload. */
const RelaisCommand *relais_reload_commands (gsize *n);

/* Adds to the schema what modules that are not in `host` but spoken of in `dirs` declare: they are loaded
 * into `off`, and nothing of them runs. One that is not installed is the reader's to warn of. May block; any
 * thread. */
bool relais_lend_options (const RelaisHost *host, RelaisHost *off, const char *const *dirs,
                          RelaisSchema *schema, GError **error);
/* Findings as rows; true if any is an error. */
bool relais_put_findings (RelaisCommandCall *call, const GPtrArray *findings);
void relais_put_config (RelaisCommandCall *call, const RelaisConfig *config);
