/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The daemon: puts the rooms together (daemon-up.c), runs the loop, takes them apart again. It owns every part's
 * lifetime and no behaviour: what a part does stands in its room. Main thread.
 *
 * SIGHUP has the configuration read again (reload.c); at SIGUSR2 a new program takes over (reexec.c).
 *
 * Up: configuration, modules, ports, user, confinement, pools, event log, spool, resolver, HTTP client, queue, SMTP and HTTP
 * servers, control socket, HTTP thread; then the service manager is told. Down (SIGTERM, SIGINT): listeners and queue
 * drain, at most DRAIN_US, then all in reverse order.
 */
#include "config.h"

#include "daemon-private.h"

#include "commands-private.h"
#include "mains-private.h"
#include "privileges-private.h"
#include "process-private.h"
#include "show-hooks-private.h"
#include "usable-private.h"

#include <glib-unix.h>
#include <glib/gi18n-lib.h>
#include <signal.h>
#include <stdio.h>

enum { EXIT_CONFIG = 2 };

static const gint64 DRAIN_US = 10 * RELAIS_USEC_PER_SEC;

const char *const *
relais_daemon_dirs (const RelaisDaemon *daemon)
{
    static const char *const shipped[] = {RELAIS_VENDOR_CONF_DIR, RELAIS_ADMIN_CONF_DIR, NULL};

    return daemon->arguments.conf_dirs != NULL ? (const char *const *)daemon->arguments.conf_dirs
                                               : shipped;
}

bool
relais_daemon_say (const GError *error)
{
    fprintf (stderr, "relaisd: %s\n", error->message);
    return false;
}

/* --- Configuration and modules ---------------------------------------------------------------- */

RelaisHost *
relais_daemon_new_host (gpointer data)
{
    const RelaisDaemon *daemon = data;
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
load_modules (RelaisDaemon *daemon, char **names, RelaisSchema *schema, GError **error)
{
    daemon->host = relais_daemon_new_host (daemon);
    if (daemon->arguments.check)
        relais_host_allow_missing (daemon->host, relais_daemon_dirs (daemon));
    return relais_containment_load (daemon->containment, daemon->host, names, error) &&
           relais_host_add_options (daemon->host, schema, error);
}

/* --check looks at the sections of modules that are off, too. */
static bool
lend_options (RelaisDaemon *daemon, RelaisSchema *schema, GError **error)
{
    daemon->off_host = relais_daemon_new_host (daemon);
    return relais_lend_options (daemon->host, daemon->off_host, relais_daemon_dirs (daemon), schema,
                                error);
}

static bool
read_configuration (RelaisDaemon *daemon, const RelaisSchema *schema)
{
    g_autoptr (GPtrArray) findings = relais_config_findings_new ();

    relais_host_put_missing (daemon->host, findings);
    daemon->config = relais_config_read (schema, relais_daemon_dirs (daemon), findings);
    for (guint i = 0; i < findings->len; i++) {
        g_autofree char *text = relais_config_finding_to_string (g_ptr_array_index (findings, i));

        fprintf (stderr, "%s\n", text);
    }
    return daemon->config != NULL;
}

static bool
configure (RelaisDaemon *daemon)
{
    RelaisSchema *schema = relais_schema_new ();
    g_auto (GStrv) enabled = relais_config_enabled_modules (relais_daemon_dirs (daemon));
    g_autoptr (GError) error = NULL;
    bool done = load_modules (daemon, enabled, schema, &error) &&
                (!daemon->arguments.check || lend_options (daemon, schema, &error));

    if (!done)
        relais_daemon_say (error);
    else
        done = read_configuration (daemon, schema);
    relais_schema_free (schema);
    if (done && (!relais_config_is_usable (daemon->config, &error) ||
                 !relais_host_init (daemon->host, daemon->config, &error)))
        done = relais_daemon_say (error);
    return done;
}

/* --- Ports, rights ----------------------------------------------------------------------------- */

static bool
open_ports (RelaisDaemon *daemon, GError **error)
{
    daemon->ports = relais_ports_new ();
    return relais_ports_inherit (daemon->ports, error) &&
           relais_ports_open_all (daemon->ports, daemon->config, "listener", error) &&
           relais_ports_open_all (daemon->ports, daemon->config, "http", error) &&
           relais_ports_all_used (daemon->ports, error);
}

static bool
give_up_rights (RelaisDaemon *daemon, GError **error)
{
    const RelaisConfinePlaces places = {relais_daemon_dirs (daemon), daemon->arguments.module_dir,
                                        daemon->arguments.locale_dir, daemon->arguments.clock};

    return relais_privileges_drop_by (daemon->config, error) &&
           relais_confinement_enter (daemon->confinement, &places, daemon->config, error);
}

/* --- Down ------------------------------------------------------------------------------------- */

static void
quit_now (gpointer data)
{
    relais_loop_quit (((RelaisDaemon *)data)->loop);
}

static void
part_drained (gpointer data)
{
    RelaisDaemon *daemon = data;

    if (--daemon->draining == 0)
        quit_now (daemon);
}

static void
drain (RelaisDaemon *daemon)
{
    daemon->stopping = true;
    daemon->draining = 3;
    relais_timer_set (&daemon->drain_timer, DRAIN_US);
    relais_smtp_server_drain (daemon->server, part_drained, daemon);
    relais_http_server_drain (daemon->http, part_drained, daemon);
    relais_queue_drain (daemon->queue, part_drained, daemon);
}

/* The first has what is under way end, also if a new program was to take over after that; the second does not wait.
 * Who connects from now on is refused, as nobody would ever answer. */
static void
on_stop_signal (gpointer data)
{
    RelaisDaemon *daemon = data;
    const bool again = daemon->stopping && !daemon->replaced;

    daemon->replaced = false;
    relais_reexec_let_go (daemon->reexec);
    if (again) {
        quit_now (daemon);
        return;
    }
    relais_notifier_stopping (daemon->notifier, "lets what is under way end");
    if (!daemon->stopping)
        drain (daemon);
}

static void
give_way (gpointer data)
{
    RelaisDaemon *daemon = data;

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
    relais_reexec_begin (((RelaisDaemon *)data)->reexec, ((RelaisDaemon *)data)->loop, give_way,
                         data);
    return G_SOURCE_CONTINUE;
}

static gboolean
on_reload_signal (gpointer data)
{
    relais_reload_begin (((RelaisDaemon *)data)->reload);
    return G_SOURCE_CONTINUE;
}

static void
watch_signal (RelaisDaemon *daemon, int number, GSourceFunc func)
{
    GSource *source = g_unix_signal_source_new (number);

    g_source_set_callback (source, func, daemon, NULL);
    g_source_set_name (source, "relais-signal");
    g_source_attach (source, relais_loop_context (daemon->loop));
    g_source_unref (source);
}

static bool
watch_stop_signals (RelaisDaemon *daemon, GError **error)
{
    daemon->stop_signals = relais_stop_signals_new (daemon->loop, on_stop_signal, daemon, error);
    return daemon->stop_signals != NULL;
}

static void
take_down (RelaisDaemon *daemon)
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
    relais_dns_check_stop (&daemon->dns_check);
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
    relais_allocator_free (daemon->allocator);
    relais_suppression_close (daemon->suppression);
    relais_tokens_free (daemon->tokens);
    relais_policies_free (daemon->policies);
    relais_fetcher_free (daemon->fetcher); /* workers may still have tried it */
    relais_commands_free (daemon->commands);
    g_clear_pointer (&daemon->config, relais_config_unref);
    relais_ports_free (daemon->ports);
    relais_notifier_free (daemon->notifier);
    relais_containment_free (daemon->containment);
    relais_stop_signals_unwatch (daemon->stop_signals);
    relais_streams_cut_lingering (daemon->loop);
    if (daemon->clock != NULL)
        relais_virtual_clock_detach (daemon->clock);
    relais_process_hold_signals (); /* with the loop go the handlers of SIGHUP and SIGUSR2 */
    relais_loop_free (daemon->loop);
    relais_virtual_clock_free (daemon->clock);
}

/* --- The whole -------------------------------------------------------------------------------- */

static int
answer_offline (RelaisDaemon *daemon)
{
    g_autoptr (GError) error = NULL;

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
    if (!relais_privileges_check (daemon->config, &error))
        printf (_ ("Started as root on this machine it stops: %s\n"), error->message);
    return 0;
}

/* What the daemon waits for outside of itself, where the clock must not be moved meanwhile. */
static guint
count_waiting (gpointer data)
{
    const RelaisDaemon *daemon = data;
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
    relais_queue_count_peers (((const RelaisDaemon *)data)->queue, peers, tried);
}

static bool
make_loop (RelaisDaemon *daemon, GError **error)
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
run (RelaisDaemon *daemon)
{
    g_autoptr (GError) error = NULL;
    int status = 1;

    if (!relais_daemon_bring_up (daemon, &error) || !watch_stop_signals (daemon, &error)) {
        relais_daemon_say (error);
    } else {
        relais_timer_init (&daemon->drain_timer, daemon->loop, quit_now, daemon);
        watch_signal (daemon, SIGHUP, on_reload_signal);
        watch_signal (daemon, SIGUSR2, on_reexec_signal);
        if (daemon->clock != NULL) {
            relais_virtual_clock_set_waiting (daemon->clock, count_waiting, daemon);
            relais_virtual_clock_set_peers (daemon->clock, count_peers, daemon);
        }
        relais_loop_longest_gap_us (daemon->loop, true);
        relais_daemon_tell_ready (daemon);
        relais_loop_run (daemon->loop);
        status = 0;
    }
    return status;
}

int
relais_daemon_main (int argc, char **argv)
{
    g_autoptr (RelaisReexec) reexec = relais_reexec_new (argv);
    RelaisDaemon daemon = {.reexec = reexec};
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
        relais_daemon_say (error);
        return 1;
    }
    daemon.notifier = relais_notifier_new (daemon.loop);
    daemon.containment = relais_containment_new (
        relais_daemon_dirs (&daemon),
        !daemon.arguments.check && !daemon.arguments.dump && !daemon.arguments.show_hooks);
    if (!configure (&daemon))
        status = EXIT_CONFIG;
    else if (daemon.arguments.check || daemon.arguments.dump || daemon.arguments.show_hooks)
        status = answer_offline (&daemon);
    else if (!open_ports (&daemon, &error) || !give_up_rights (&daemon, &error))
        status = relais_daemon_say (error) ? 0 : 1;
    else {
        relais_reexec_keep (daemon.reexec, daemon.ports);
        relais_containment_arm (daemon.containment, daemon.loop, daemon.config);
        relais_daemon_start_threads (&daemon);
        status = run (&daemon);
    }
    take_down (&daemon);
    if (daemon.replaced && !relais_stop_signals_came (daemon.stop_signals)) {
        g_autofree char *held = relais_confinement_to_text (daemon.confinement);

        relais_reexec_set_variable (daemon.reexec, RELAIS_CONFINEMENT_VARIABLE, held);
        relais_reexec_go (daemon.reexec);
        status = 1;
    }
    relais_stop_signals_free (daemon.stop_signals);
    relais_confinement_free (daemon.confinement);
    relais_arguments_clear (&daemon.arguments);
    return status;
}
