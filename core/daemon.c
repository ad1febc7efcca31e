/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The daemon: puts the rooms together, runs the loop, takes them apart again. It owns every part's
 * lifetime and no behaviour: what a part does stands in its room. Main thread.
 *
 * SIGHUP has the configuration read again (reload.c); at SIGUSR2 a new program takes over (reexec.c).
 *
 * Up: configuration, modules, ports, user, confinement, pools, event log, spool, resolver, HTTP client, queue, SMTP and HTTP
 * servers, control socket, HTTP thread; then the service manager is told. Down (SIGTERM, SIGINT): listeners and queue
 * drain, at most DRAIN_US, then all in reverse order.
 */
#include "config.h"

#include "arguments-private.h"
#include "commands-private.h"
#include "conf/conf-private.h"
#include "confine-private.h"
#include "contain-private.h"
#include "control/control-private.h"
#include "dns/dns-private.h"
#include "event/event-private.h"
#include "http/server-private.h"
#include "http/tracking-private.h"
#include "loop/clock-virtual-private.h"
#include "mains-private.h"
#include "module/cursor-private.h"
#include "module/host-private.h"
#include "notify-private.h"
#include "policies-private.h"
#include "privileges-private.h"
#include "process-private.h"
#include "queue/queue-private.h"
#include "reexec-private.h"
#include "reload-private.h"
#include "show-hooks-private.h"
#include "smtp/server-private.h"
#include "spool/spool-private.h"
#include "status-private.h"
#include "suppress/suppress-private.h"
#include "tls/ports-private.h"
#include "tls/tokens-private.h"

#include <errno.h>
#include <glib-unix.h>
#include <glib/gi18n-lib.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_CONFIG = 2, WORKER_JOBS = 4096, AUTH_JOBS = 64 };

static const gint64 DRAIN_US = 10 * RELAIS_USEC_PER_SEC;

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
    RelaisStatus status;
    RelaisTimer drain_timer;
    guint draining; /* parts that have not drained yet */
    bool stopping;
    bool replaced; /* a new program takes over in the end */
} Daemon;

static const char *const *
configuration_dirs (const Daemon *daemon)
{
    static const char *const shipped[] = {RELAIS_VENDOR_CONF_DIR, RELAIS_ADMIN_CONF_DIR, NULL};

    return daemon->arguments.conf_dirs != NULL ? (const char *const *)daemon->arguments.conf_dirs
                                               : shipped;
}

static bool
say (GError *error)
{
    fprintf (stderr, "relaisd: %s\n", error->message);
    return false;
}

/* --- Configuration and modules ---------------------------------------------------------------- */

static RelaisHost *
new_host (gpointer data)
{
    const Daemon *daemon = data;
    const RelaisHostOptions options = {
        .loop = daemon->loop,
        .module_dir = daemon->arguments.module_dir,
        .module_dir_is_callers = daemon->module_dir_given,
        .locale_dir = daemon->arguments.locale_dir,
        .program = "relaisd",
        .is_core_command = relais_is_core_command,
    };

    return relais_host_new (&options);
}

static bool
load_modules (Daemon *daemon, char **names, RelaisSchema *schema, GError **error)
{
    daemon->host = new_host (daemon);
    if (daemon->arguments.check)
        relais_host_allow_missing (daemon->host, configuration_dirs (daemon));
    return relais_containment_load (daemon->containment, daemon->host, names, error) &&
           relais_host_add_options (daemon->host, schema, error);
}

/* --check looks at the sections of modules that are off, too. */
static bool
lend_options (Daemon *daemon, RelaisSchema *schema, GError **error)
{
    daemon->off_host = new_host (daemon);
    return relais_lend_options (daemon->host, daemon->off_host, configuration_dirs (daemon), schema,
                                error);
}

static bool
read_configuration (Daemon *daemon, const RelaisSchema *schema)
{
    g_autoptr (GPtrArray) findings = relais_config_findings_new ();

    relais_host_put_missing (daemon->host, findings);
    daemon->config = relais_config_read (schema, configuration_dirs (daemon), findings);
    for (guint i = 0; i < findings->len; i++) {
        g_autofree char *text = relais_config_finding_to_string (g_ptr_array_index (findings, i));

        fprintf (stderr, "%s\n", text);
    }
    return daemon->config != NULL;
}

static bool
configure (Daemon *daemon)
{
    RelaisSchema *schema = relais_schema_new ();
    g_auto (GStrv) enabled = relais_config_enabled_modules (configuration_dirs (daemon));
    g_autoptr (GError) error = NULL;
    bool done = load_modules (daemon, enabled, schema, &error) &&
                (!daemon->arguments.check || lend_options (daemon, schema, &error));

    if (!done)
        say (error);
    else
        done = read_configuration (daemon, schema);
    relais_schema_free (schema);
    if (done && !relais_host_init (daemon->host, daemon->config, &error))
        done = say (error);
    return done;
}

/* --- Up --------------------------------------------------------------------------------------- */

static const RelaisSection *
section (const Daemon *daemon, const char *kind)
{
    return relais_config_find_section (daemon->config, kind, NULL);
}

static bool
open_ports (Daemon *daemon, GError **error)
{
    daemon->ports = relais_ports_new ();
    return relais_ports_inherit (daemon->ports, error) &&
           relais_ports_open_all (daemon->ports, daemon->config, "listener", error) &&
           relais_ports_open_all (daemon->ports, daemon->config, "http", error) &&
           relais_ports_all_used (daemon->ports, error);
}

static bool
give_up_rights (Daemon *daemon, GError **error)
{
    const RelaisConfinePlaces places = {configuration_dirs (daemon), daemon->arguments.module_dir,
                                        daemon->arguments.locale_dir, daemon->arguments.clock};

    return relais_privileges_drop_by (daemon->config, error) &&
           relais_confinement_enter (daemon->confinement, &places, daemon->config, error);
}

static guint
worker_count (const RelaisConfig *config)
{
    gint64 n =
        relais_section_get_int (relais_config_find_section (config, "relais", NULL), "workers");

    return n > 0 ? (guint)n : MAX (2, g_get_num_processors ());
}

static bool
open_spool (Daemon *daemon, GError **error)
{
    const RelaisSection *relais = section (daemon, "relais");
    const RelaisSection *spool = section (daemon, "spool");
    const RelaisSpoolOptions options = {
        .dir = relais_section_get_string (relais, "spool_dir"),
        .segment_bytes = (guint64)relais_section_get_int (spool, "segment_size"),
        .hot_memory_bytes = (guint64)relais_section_get_int (spool, "hot_memory"),
        .receive_memory_bytes = (guint64)relais_section_get_int (spool, "receive_memory"),
        .min_free_bytes = (guint64)relais_section_get_int (spool, "min_free"),
        .min_free_inodes = (guint64)relais_section_get_int (spool, "min_free_inodes"),
    };

    daemon->events =
        relais_event_log_open (relais_section_get_string (relais, "log_dir"), daemon->loop, error);
    if (daemon->events == NULL)
        return false;
    daemon->spool =
        relais_spool_open (&options, daemon->loop, daemon->spool_pool, daemon->events, error);
    return daemon->spool != NULL;
}

static bool
open_tokens (Daemon *daemon, GError **error)
{
    const RelaisSection *tokens = section (daemon, "tokens");
    g_autofree char *path = g_build_filename (
        relais_section_get_string (section (daemon, "relais"), "state_dir"), "token-keys", NULL);
    const RelaisTokensOptions options = {
        .loop = daemon->loop,
        .pool = daemon->pool,
        .path = path,
        .rotate_us = relais_section_get_int (tokens, "rotate"),
        .keep_us = relais_section_get_int (tokens, "keep"),
    };

    daemon->tokens = relais_tokens_new (&options, error);
    if (daemon->tokens == NULL)
        return false;
    relais_host_set_tokens (daemon->host, daemon->tokens);
    relais_host_set_events (daemon->host, daemon->events);
    relais_host_set_state_dir (daemon->host,
                               relais_section_get_string (section (daemon, "relais"), "state_dir"));
    return true;
}

static void
open_suppression (Daemon *daemon)
{
    g_autofree char *dir = g_build_filename (
        relais_section_get_string (section (daemon, "relais"), "state_dir"), "suppress", NULL);

    daemon->suppression = relais_suppression_open (dir, daemon->config, daemon->loop);
    relais_host_set_suppression (daemon->host, daemon->suppression);
}

static bool
open_resolver (Daemon *daemon, GError **error)
{
    const RelaisSection *dns = section (daemon, "dns");
    const char *const *servers = relais_section_get_list (dns, "server");
    const RelaisDnsOptions options = {
        .servers = servers[0] != NULL ? servers : NULL,
        .trust_anchor_file = relais_section_get_string (dns, "trust_anchor"),
        .allow = relais_section_get_list (dns, "allow"),
        .timeout_us = relais_section_get_int (dns, "timeout"),
        .cache_bytes = (guint64)relais_section_get_int (dns, "cache"),
        .max_queries = (guint)relais_section_get_int (dns, "max_queries"),
    };

    daemon->dns = relais_dns_new (&options, daemon->loop, error);
    if (daemon->dns == NULL)
        return false;
    relais_host_set_dns (daemon->host, daemon->dns);
    return true;
}

static bool
open_fetcher (Daemon *daemon, GError **error)
{
    const RelaisSection *client = section (daemon, "http-client");
    const RelaisFetcherOptions options = {
        .loop = daemon->loop,
        .dns = daemon->dns,
        .ca_file = relais_section_get_string (client, "ca_file"),
        .allow = relais_section_get_list (client, "allow"),
        .max_fetches = (guint)relais_section_get_int (client, "fetches"),
        .max_waiting = (guint)relais_section_get_int (client, "waiting"),
    };

    daemon->fetcher = relais_fetcher_new (&options, error);
    if (daemon->fetcher == NULL)
        return false;
    relais_host_set_fetcher (daemon->host, daemon->fetcher);
    daemon->tracking = relais_tracking_new (
        &(RelaisTrackingOptions){daemon->loop, daemon->pool, daemon->fetcher, daemon->host},
        daemon->config);
    return true;
}

static void
found_message (gpointer data, RelaisMessage *message)
{
    relais_queue_add (((Daemon *)data)->queue, message);
}

static void
recovered_message (gpointer data, RelaisMessage *message)
{
    relais_containment_found (((Daemon *)data)->containment, message);
    found_message (data, message);
}

static bool
open_policies (Daemon *daemon, GError **error)
{
    const RelaisPoliciesParts parts = {daemon->loop, daemon->pool, daemon->dns, daemon->fetcher};

    daemon->policies = relais_policies_new (&parts, daemon->config, error);
    return daemon->policies != NULL;
}

static bool
open_queue (Daemon *daemon, GError **error)
{
    const RelaisQueueOptions options = {.loop = daemon->loop,
                                        .pool = daemon->pool,
                                        .spool = daemon->spool,
                                        .dns = daemon->dns,
                                        .sts = relais_policies_sts (daemon->policies),
                                        .tlsrpt = relais_policies_tlsrpt (daemon->policies),
                                        .host = daemon->host,
                                        .suppression = daemon->suppression};

    daemon->queue = relais_queue_new (&options, daemon->config, error);
    if (daemon->queue == NULL)
        return false;
    relais_spool_recover (daemon->spool, recovered_message, daemon);
    relais_containment_recovered (daemon->containment, daemon->spool);
    return true;
}

static bool
open_server (Daemon *daemon, GError **error)
{
    const RelaisSmtpServerOptions options = {.loop = daemon->loop,
                                             .spool = daemon->spool,
                                             .host = daemon->host,
                                             .auth_pool = daemon->auth_pool,
                                             .ports = daemon->ports,
                                             .suppression = daemon->suppression,
                                             .accepted = found_message,
                                             .data = daemon};
    GPtrArray *own;

    daemon->server = relais_smtp_server_new (&options, daemon->config, error);
    if (daemon->server == NULL)
        return false;
    own = g_ptr_array_new ();
    for (guint i = 0; relais_smtp_server_listener (daemon->server, i, NULL) != NULL; i++)
        g_ptr_array_add (own, (gpointer)relais_smtp_server_listener (daemon->server, i, NULL));
    g_ptr_array_add (own, NULL);
    relais_dns_set_own_addresses (daemon->dns, (const char *const *)own->pdata);
    g_ptr_array_unref (own);
    return true;
}

static bool
open_http (Daemon *daemon, GError **error)
{
    const RelaisClock *clock =
        daemon->clock != NULL ? relais_virtual_clock_get (daemon->clock) : NULL;

    daemon->http = relais_http_server_new (daemon->loop, clock, daemon->host, daemon->ports,
                                           daemon->config, error);
    g_clear_pointer (&daemon->ports, relais_ports_free);
    return daemon->http != NULL;
}

static void
add_module_command (gpointer data, const RelaisCommand *command, gpointer command_data)
{
    g_autoptr (GError) error = NULL;

    if (!relais_commands_add_module (((Daemon *)data)->commands, command, command_data, &error))
        say (error);
}

static void
tell_ready (Daemon *daemon)
{
    RelaisQueueFigures queue;
    g_autofree char *status = NULL;

    relais_queue_figures (daemon->queue, &queue);
    status =
        g_strdup_printf ("takes mail; deliveries in the queue at this moment: %" G_GUINT64_FORMAT,
                         (guint64)queue.deliveries);
    relais_notifier_ready (daemon->notifier, status);
}

static void
on_reload (gpointer data, bool begins)
{
    Daemon *daemon = data;

    if (begins)
        relais_notifier_reloading (daemon->notifier);
    else
        tell_ready (daemon);
}

static void
make_reload (Daemon *daemon)
{
    const RelaisReloadParts parts = {
        .loop = daemon->loop,
        .pool = daemon->pool,
        .host = daemon->host,
        .server = daemon->server,
        .queue = daemon->queue,
        .policies = daemon->policies,
        .suppression = daemon->suppression,
        .confinement = daemon->confinement,
        .dirs = configuration_dirs (daemon),
        .new_host = new_host,
        .under_way = on_reload,
        .data = daemon,
    };

    daemon->reload = relais_reload_new (&parts, daemon->config);
}

/* The commands of one part. */
static bool
add_commands (Daemon *daemon, const RelaisCommand *(*table) (gsize *n), gpointer data,
              GError **error)
{
    gsize n;
    const RelaisCommand *commands = table (&n);

    for (gsize i = 0; i < n; i++)
        if (!relais_commands_add (daemon->commands, &commands[i], data, error))
            return false;
    return true;
}

static bool
open_control (Daemon *daemon, GError **error)
{
    const RelaisSection *relais = section (daemon, "relais");
    const char *group = relais_section_get_string (relais, "control_group");
    g_autofree char *path =
        g_build_filename (relais_section_get_string (relais, "run_dir"), "control", NULL);

    daemon->commands = relais_commands_new ();
    daemon->meter = relais_load_meter_new (daemon->loop, daemon->pool, daemon->spool_pool,
                                           daemon->spool, daemon->queue);
    make_reload (daemon);
    daemon->status = (RelaisStatus){daemon->loop,        daemon->spool,
                                    daemon->server,      daemon->http,
                                    daemon->queue,       daemon->meter,
                                    daemon->suppression, daemon->host,
                                    daemon->confinement, relais_loop_wall_us (daemon->loop)};
    if (!add_commands (daemon, relais_status_commands, &daemon->status, error) ||
        !add_commands (daemon, relais_reload_commands, daemon->reload, error) ||
        !add_commands (daemon, relais_queue_commands, daemon->queue, error) ||
        !add_commands (daemon, relais_spool_commands, daemon->spool, error) ||
        !add_commands (daemon, relais_suppression_commands, daemon->suppression, error) ||
        !add_commands (daemon, relais_tokens_commands, daemon->tokens, error) ||
        !add_commands (daemon, relais_tracking_commands, daemon->tracking, error) ||
        !add_commands (daemon, relais_host_commands, daemon->host, error))
        return false;
    relais_host_each_command (daemon->host, add_module_command, daemon);
    daemon->control = relais_control_new (daemon->loop, path, daemon->commands, error);
    if (daemon->control == NULL ||
        (group != NULL && !relais_control_open_to (daemon->control, group, error)))
        return false;
    relais_reload_set_control (daemon->reload, daemon->control);
    return true;
}

static void
observe_event (gpointer data, guint64 seq, GBytes *line)
{
    relais_host_notify_event (((Daemon *)data)->host, seq, line);
}

static bool
bring_up (Daemon *daemon, GError **error)
{
    if (!open_spool (daemon, error) || !open_tokens (daemon, error))
        return false;
    open_suppression (daemon);
    if (!open_resolver (daemon, error) || !open_fetcher (daemon, error) ||
        !open_policies (daemon, error) || !open_queue (daemon, error) ||
        !open_server (daemon, error) || !open_http (daemon, error) ||
        !open_control (daemon, error) || !relais_host_start (daemon->host, error) ||
        !relais_http_server_start (daemon->http, error))
        return false;
    if (relais_host_has (daemon->host, RELAIS_HOOK_EVENT))
        relais_event_log_set_observer (daemon->events, observe_event, daemon);
    relais_queue_start (daemon->queue);
    relais_tracking_use_routes (daemon->tracking, daemon->host);
    relais_tracking_start (daemon->tracking);
    return true;
}

/* --- Down ------------------------------------------------------------------------------------- */

static void
quit_now (gpointer data)
{
    relais_loop_quit (((Daemon *)data)->loop);
}

static void
part_drained (gpointer data)
{
    Daemon *daemon = data;

    if (--daemon->draining == 0)
        quit_now (daemon);
}

static void
drain (Daemon *daemon)
{
    daemon->stopping = true;
    daemon->draining = 3;
    relais_timer_set (&daemon->drain_timer, DRAIN_US);
    relais_smtp_server_drain (daemon->server, part_drained, daemon);
    relais_http_server_drain (daemon->http, part_drained, daemon);
    relais_queue_drain (daemon->queue, part_drained, daemon);
}

static gboolean
on_stop_signal (gpointer data)
{
    Daemon *daemon = data;

    daemon->replaced = false;
    if (daemon->stopping) {
        quit_now (daemon);
        return G_SOURCE_CONTINUE;
    }
    relais_notifier_stopping (daemon->notifier, "lets what is under way end");
    drain (daemon);
    return G_SOURCE_CONTINUE;
}

static void
give_way (gpointer data)
{
    Daemon *daemon = data;

    if (daemon->stopping)
        return;
    g_message ("a new program takes over");
    daemon->replaced = true;
    relais_notifier_reloading (daemon->notifier);
    drain (daemon);
}

static gboolean
on_reexec_signal (gpointer data)
{
    relais_reexec_begin (((Daemon *)data)->reexec, ((Daemon *)data)->loop, give_way, data);
    return G_SOURCE_CONTINUE;
}

static gboolean
on_reload_signal (gpointer data)
{
    relais_reload_begin (((Daemon *)data)->reload);
    return G_SOURCE_CONTINUE;
}

static void
watch_signal (Daemon *daemon, int number, GSourceFunc func)
{
    GSource *source = g_unix_signal_source_new (number);

    g_source_set_callback (source, func, daemon, NULL);
    g_source_set_name (source, "relais-signal");
    g_source_attach (source, relais_loop_context (daemon->loop));
    g_source_unref (source);
}

static void
take_down (Daemon *daemon)
{
    if (daemon->clock != NULL) {
        relais_virtual_clock_set_waiting (daemon->clock, NULL, NULL);
        relais_virtual_clock_set_peers (daemon->clock, NULL, NULL);
    }
    relais_timer_stop (&daemon->drain_timer);
    relais_containment_disarm (daemon->containment);
    relais_reload_free (daemon->reload);
    relais_tracking_free (daemon->tracking);
    relais_control_free (daemon->control);
    relais_http_server_free (daemon->http);
    relais_load_meter_free (daemon->meter);
    relais_smtp_server_free (daemon->server);
    if (daemon->suppression != NULL)
        relais_suppression_finish (daemon->suppression);
    relais_queue_free (daemon->queue);
    relais_policies_stop (daemon->policies);
    if (daemon->fetcher != NULL)
        relais_fetcher_stop (daemon->fetcher);
    relais_spool_close (daemon->spool);
    if (daemon->events != NULL) {
        relais_loop_turn (daemon->loop, false); /* observers learn what came up to here */
        relais_event_log_set_observer (daemon->events, NULL, NULL);
    }
    relais_host_stop (daemon->host);
    relais_dns_free (daemon->dns);
    relais_event_log_close (daemon->events);
    relais_host_free (daemon->off_host);
    relais_host_free (daemon->host);
    relais_pool_free (daemon->auth_pool);
    relais_pool_free (daemon->spool_pool);
    relais_pool_free (daemon->pool);
    relais_suppression_close (daemon->suppression);
    relais_tokens_free (daemon->tokens);
    relais_policies_free (daemon->policies);
    relais_fetcher_free (daemon->fetcher); /* workers may still have tried it */
    relais_commands_free (daemon->commands);
    g_clear_pointer (&daemon->config, relais_config_unref);
    relais_ports_free (daemon->ports);
    relais_notifier_free (daemon->notifier);
    relais_containment_free (daemon->containment);
    relais_streams_cut_lingering (daemon->loop);
    if (daemon->clock != NULL)
        relais_virtual_clock_detach (daemon->clock);
    relais_loop_free (daemon->loop);
    relais_virtual_clock_free (daemon->clock);
}

/* --- The whole -------------------------------------------------------------------------------- */

static int
answer_offline (Daemon *daemon)
{
    if (daemon->arguments.dump) {
        g_autofree char *text = relais_config_dump (daemon->config);

        fputs (text, stdout);
        return 0;
    }
    if (daemon->arguments.show_hooks) {
        relais_show_hooks (daemon->host, daemon->arguments.json);
        return 0;
    }
    puts (_ ("The configuration is good."));
    return 0;
}

static void
start_threads (Daemon *daemon)
{
    daemon->pool =
        relais_pool_new (daemon->loop, "worker", worker_count (daemon->config), WORKER_JOBS);
    daemon->spool_pool = relais_pool_new (
        daemon->loop, "spool-disk",
        (guint)relais_section_get_int (section (daemon, "spool"), "threads"), WORKER_JOBS);
    daemon->auth_pool = relais_pool_new (daemon->loop, "auth", 1, AUTH_JOBS);
    relais_host_set_pool (daemon->host, daemon->pool);
}

/* What the daemon waits for outside of itself, where the clock must not be moved meanwhile. */
static guint
count_waiting (gpointer data)
{
    const Daemon *daemon = data;
    RelaisSmtpServerFigures server;
    RelaisFetcherFigures fetcher;
    RelaisSuppressionFigures suppression;

    relais_suppression_figures (daemon->suppression, &suppression);
    relais_smtp_server_figures (daemon->server, &server);
    relais_fetcher_figures (daemon->fetcher, &fetcher);
    return relais_queue_n_under_way (daemon->queue) + relais_dns_n_under_way (daemon->dns) +
           server.commits + suppression.waiting + (guint)(fetcher.active + fetcher.waiting) +
           relais_store_n_waiting (relais_host_get_store (daemon->host)) +
           relais_host_n_reading (daemon->host);
}

static void
count_peers (gpointer data, guint *peers, guint *tried)
{
    relais_queue_count_peers (((const Daemon *)data)->queue, peers, tried);
}

static bool
make_loop (Daemon *daemon, GError **error)
{
    const char *path = daemon->arguments.clock;

    if (path != NULL) {
        daemon->clock = relais_virtual_clock_open (path, error);
        if (daemon->clock == NULL)
            return false;
    }
    daemon->loop = relais_loop_new (
        daemon->clock != NULL ? relais_virtual_clock_get (daemon->clock) : NULL, error);
    return daemon->loop != NULL &&
           (daemon->clock == NULL ||
            relais_virtual_clock_attach (daemon->clock, daemon->loop, error));
}

static int
run (Daemon *daemon)
{
    g_autoptr (GError) error = NULL;
    int status = 1;

    if (!bring_up (daemon, &error)) {
        say (error);
    } else {
        relais_timer_init (&daemon->drain_timer, daemon->loop, quit_now, daemon);
        watch_signal (daemon, SIGTERM, on_stop_signal);
        watch_signal (daemon, SIGINT, on_stop_signal);
        watch_signal (daemon, SIGHUP, on_reload_signal);
        watch_signal (daemon, SIGUSR2, on_reexec_signal);
        if (daemon->clock != NULL) {
            relais_virtual_clock_set_waiting (daemon->clock, count_waiting, daemon);
            relais_virtual_clock_set_peers (daemon->clock, count_peers, daemon);
        }
        relais_loop_longest_gap_us (daemon->loop, true);
        tell_ready (daemon);
        relais_loop_run (daemon->loop);
        status = 0;
    }
    return status;
}

int
relais_daemon_main (int argc, char **argv)
{
    g_autoptr (RelaisReexec) reexec = relais_reexec_new (argv);
    Daemon daemon = {.reexec = reexec};
    g_autoptr (GError) error = NULL;
    int status;

    relais_process_settle ();
    if (!relais_arguments_parse (&daemon.arguments, argc, argv))
        return EXIT_CONFIG;
    if (daemon.arguments.version)
        return puts ("relaisd " PACKAGE_VERSION_STRING) < 0;
    daemon.module_dir_given = relais_arguments_add_defaults (&daemon.arguments);
    daemon.confinement = relais_confinement_new ();
    if (!make_loop (&daemon, &error)) {
        say (error);
        return 1;
    }
    daemon.notifier = relais_notifier_new (daemon.loop);
    daemon.containment = relais_containment_new (
        configuration_dirs (&daemon),
        !daemon.arguments.check && !daemon.arguments.dump && !daemon.arguments.show_hooks);
    if (!configure (&daemon))
        status = EXIT_CONFIG;
    else if (daemon.arguments.check || daemon.arguments.dump || daemon.arguments.show_hooks)
        status = answer_offline (&daemon);
    else if (!open_ports (&daemon, &error) || !give_up_rights (&daemon, &error))
        status = say (error) ? 0 : 1;
    else {
        relais_reexec_keep (daemon.reexec, daemon.ports);
        relais_containment_arm (daemon.containment, daemon.loop, daemon.config);
        start_threads (&daemon);
        status = run (&daemon);
    }
    take_down (&daemon);
    if (daemon.replaced) {
        g_autofree char *held = relais_confinement_to_text (daemon.confinement);

        relais_reexec_set_variable (daemon.reexec, RELAIS_CONFINEMENT_VARIABLE, held);
        relais_reexec_go (daemon.reexec);
        status = 1;
    }
    relais_confinement_free (daemon.confinement);
    relais_arguments_clear (&daemon.arguments);
    return status;
}
