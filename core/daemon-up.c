/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The daemon's way up: the parts, each from its section of the configuration, in the order in which they need each other.
 * Main thread.
 */
#include "config.h"

#include "daemon-private.h"

#include "commands-private.h"
#include "module/cursor-private.h"

enum { WORKER_JOBS = 4096, AUTH_JOBS = 64 };

static const RelaisSection *
section (const RelaisDaemon *daemon, const char *kind)
{
    return relais_config_find_section (daemon->config, kind, NULL);
}

/* --- The parts, in their order ------------------------------------------------------------------ */

static guint
worker_count (const RelaisDaemon *daemon)
{
    gint64 n = relais_section_get_int (section (daemon, "relais"), "workers");

    return n > 0 ? (guint)n : MAX (2, g_get_num_processors ());
}

void
relais_daemon_start_threads (RelaisDaemon *daemon)
{
    daemon->pool = relais_pool_new (daemon->loop, "worker", worker_count (daemon), WORKER_JOBS);
    daemon->spool_pool = relais_pool_new (
        daemon->loop, "spool-disk",
        (guint)relais_section_get_int (section (daemon, "spool"), "threads"), WORKER_JOBS);
    daemon->auth_pool = relais_pool_new (daemon->loop, "auth", 1, AUTH_JOBS);
    daemon->allocator = relais_allocator_new (daemon->loop, daemon->pool);
    relais_host_set_pool (daemon->host, daemon->pool);
}

static bool
open_spool (RelaisDaemon *daemon, GError **error)
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
open_tokens (RelaisDaemon *daemon, GError **error)
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
open_suppression (RelaisDaemon *daemon)
{
    g_autofree char *dir = g_build_filename (
        relais_section_get_string (section (daemon, "relais"), "state_dir"), "suppress", NULL);

    daemon->suppression = relais_suppression_open (dir, daemon->config, daemon->loop);
    relais_host_set_suppression (daemon->host, daemon->suppression);
}

static bool
open_resolver (RelaisDaemon *daemon, GError **error)
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
open_fetcher (RelaisDaemon *daemon, GError **error)
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
    relais_queue_add (((RelaisDaemon *)data)->queue, message);
}

static void
recovered_message (gpointer data, RelaisMessage *message)
{
    relais_containment_found (((RelaisDaemon *)data)->containment, message);
    found_message (data, message);
}

static bool
open_policies (RelaisDaemon *daemon, GError **error)
{
    const RelaisPoliciesParts parts = {daemon->loop, daemon->pool, daemon->dns, daemon->fetcher};

    daemon->policies = relais_policies_new (&parts, daemon->config, error);
    return daemon->policies != NULL;
}

static bool
open_queue (RelaisDaemon *daemon, GError **error)
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
open_server (RelaisDaemon *daemon, GError **error)
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
open_http (RelaisDaemon *daemon, GError **error)
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

    if (!relais_commands_add_module (((RelaisDaemon *)data)->commands, command, command_data,
                                     &error))
        relais_daemon_say (error);
}

void
relais_daemon_tell_ready (const RelaisDaemon *daemon)
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
    RelaisDaemon *daemon = data;

    if (begins)
        relais_notifier_reloading (daemon->notifier);
    else
        relais_daemon_tell_ready (daemon);
}

static void
make_reload (RelaisDaemon *daemon)
{
    const RelaisReloadParts parts = {
        .loop = daemon->loop,
        .pool = daemon->pool,
        .allocator = daemon->allocator,
        .host = daemon->host,
        .server = daemon->server,
        .http = daemon->http,
        .queue = daemon->queue,
        .policies = daemon->policies,
        .suppression = daemon->suppression,
        .confinement = daemon->confinement,
        .dirs = relais_daemon_dirs (daemon),
        .new_host = relais_daemon_new_host,
        .under_way = on_reload,
        .data = daemon,
    };

    daemon->reload = relais_reload_new (&parts, daemon->config);
}

/* The commands of one part. */
static bool
add_commands (RelaisDaemon *daemon, const RelaisCommand *(*table) (gsize *n), gpointer data,
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
open_control (RelaisDaemon *daemon, GError **error)
{
    const RelaisSection *relais = section (daemon, "relais");
    const char *group = relais_section_get_string (relais, "control_group");
    g_autofree char *path =
        g_build_filename (relais_section_get_string (relais, "run_dir"), "control", NULL);

    daemon->commands = relais_commands_new ();
    daemon->meter = relais_load_meter_new (daemon->loop, daemon->pool, daemon->spool_pool,
                                           daemon->spool, daemon->queue);
    make_reload (daemon);
    daemon->status = (RelaisStatus){
        .loop = daemon->loop,
        .pool = daemon->pool,
        .spool = daemon->spool,
        .server = daemon->server,
        .http = daemon->http,
        .queue = daemon->queue,
        .meter = daemon->meter,
        .allocator = daemon->allocator,
        .suppression = daemon->suppression,
        .host = daemon->host,
        .confinement = daemon->confinement,
        .started_us = relais_loop_now_us (daemon->loop),
    };
    daemon->dns_check = (RelaisDnsCheck){.loop = daemon->loop,
                                         .dns = daemon->dns,
                                         .queue = daemon->queue,
                                         .commands = daemon->commands};
    if (!add_commands (daemon, relais_status_commands, &daemon->status, error) ||
        !add_commands (daemon, relais_dns_check_commands, &daemon->dns_check, error) ||
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
    relais_host_notify_event (((RelaisDaemon *)data)->host, seq, line);
}

bool
relais_daemon_bring_up (RelaisDaemon *daemon, GError **error)
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
