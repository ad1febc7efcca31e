/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * dnsbl-monitor: looks for our own addresses and domains in blocklists (RFC 5782), tells when one is listed, and takes a listed source out of
 * use. Listed, clean and unknown are three things: what is no sure answer changes nothing. Loop thread.
 */
#include "monitor.h"

#include <relais/log.h>

#include <glib/gi18n-lib.h>

#define OWN "dnsbl-monitor"
#define ZONE "dnsbl-monitor-zone"
#define RELOADABLE RELAIS_OPTION_RELOADABLE

static const RelaisOption options[] = {
    {OWN, "addresses", RELAIS_OPTION_LIST, RELAIS_OPTION_REPEAT | RELOADABLE, NULL, 0, 0, NULL,
     N_ ("Addresses that are watched besides those of [source NAME]: of a next hop, or what a "
         "source is seen as from "
         "outside.")},
    {OWN, "domains", RELAIS_OPTION_LIST, RELAIS_OPTION_REPEAT | RELOADABLE, NULL, 0, 0, NULL,
     N_ ("Domains that are watched besides those of [domain NAME] and [tenant NAME] and the "
         "tracking hosts.")},
    {OWN, "watch_private", RELAIS_OPTION_BOOL, RELOADABLE, "no", 0, 0, NULL,
     N_ ("Whether addresses of private and loopback networks, and names without a dot, are watched "
         "too.")},
    {OWN, "interval", RELAIS_OPTION_DURATION, RELOADABLE, "1h", G_USEC_PER_SEC, 7 * DNSBL_DAY_US,
     NULL, N_ ("How often each target is looked for in each zone, unless the zone has its own.")},
    {OWN, "confirm", RELAIS_OPTION_INT, RELOADABLE, "2", 1, 10, NULL,
     N_ ("Answers in a row that make a change.")},
    {OWN, "confirm_interval", RELAIS_OPTION_DURATION, RELOADABLE, "5m", G_USEC_PER_SEC,
     DNSBL_DAY_US, NULL, N_ ("When a change is asked about again, at the soonest.")},
    {OWN, "spread", RELAIS_OPTION_DURATION, RELOADABLE, "5m", 0, DNSBL_DAY_US, NULL,
     N_ ("Time over which the first questions after a start are spread.")},
    {OWN, "parallel", RELAIS_OPTION_INT, RELOADABLE, "8", 1, 64, NULL,
     N_ ("Questions under way at once.")},
    {OWN, "unknown_after", RELAIS_OPTION_DURATION, RELOADABLE, "1d", G_USEC_PER_SEC,
     30 * DNSBL_DAY_US, NULL,
     N_ ("When it is told that nothing is known of a target, or of a zone.")},
    {OWN, "public_resolver", RELAIS_OPTION_BOOL, RELOADABLE, "no", 0, 0, NULL,
     N_ ("Ask zones that refuse public resolvers all the same if [dns] server is one.")},
    {OWN, "alert", RELAIS_OPTION_LIST, RELOADABLE, "log, mail", 0, 0, NULL,
     N_ ("How a change is told besides the event: log, mail (to [relais] postmaster), none.")},
    {OWN, "mails_per_day", RELAIS_OPTION_INT, RELOADABLE, "20", 0, 1000, NULL,
     N_ ("Mails in 24 hours, at most.")},
    {OWN, "take_last", RELAIS_OPTION_BOOL, RELOADABLE, "no", 0, 0, NULL,
     N_ ("Whether on_listing = take-out also takes the last source of a pool: its mail waits "
         "then.")},

    {ZONE, "enable", RELAIS_OPTION_BOOL, RELOADABLE, "yes", 0, 0, NULL,
     N_ ("Whether the zone is asked.")},
    {ZONE, "zone", RELAIS_OPTION_STRING, RELAIS_OPTION_REQUIRED | RELOADABLE, NULL, 0, 0, NULL,
     N_ ("Name that the reversed address, or the domain, is put before; %{key} stands for the "
         "key.")},
    {ZONE, "kind", RELAIS_OPTION_LIST, RELAIS_OPTION_REQUIRED | RELOADABLE, NULL, 0, 0, NULL,
     N_ ("What it lists: address4, address6, domain.")},
    {ZONE, "codes", RELAIS_OPTION_STRING, RELAIS_OPTION_REQUIRED | RELOADABLE, NULL, 0, 0, NULL,
     N_ ("Answers that mean listed: 127.0.0.2 = NAME, 127.0.0.4-127.0.0.7 = NAME, or bit 8 = NAME "
         "for a bit of the "
         "last octet. What is in no list of codes is unknown.")},
    {ZONE, "ignore", RELAIS_OPTION_STRING, RELOADABLE, NULL, 0, 0, NULL,
     N_ ("Codes that do not count: with no other code it is clean.")},
    {ZONE, "errors", RELAIS_OPTION_STRING, RELOADABLE, NULL, 0, 0, NULL,
     N_ ("Codes that mean that the question was refused. 127.0.0.1, 127.255.255.0/24 and what is "
         "outside "
         "127.0.0.0/8 always do.")},
    {ZONE, "key", RELAIS_OPTION_SECRET, RELOADABLE, NULL, 0, 0, NULL,
     N_ ("Key for a zone that wants one.")},
    {ZONE, "public_resolver", RELAIS_OPTION_ENUM, RELOADABLE, "allowed", 0, 0, "refused|allowed",
     N_ ("Whether it answers questions that come through public resolvers: refused or allowed.")},
    {ZONE, "url", RELAIS_OPTION_STRING, RELOADABLE, NULL, 0, 0, NULL,
     N_ ("Page for looking up and delisting; %{target} stands for the address or domain.")},
    {ZONE, "interval", RELAIS_OPTION_DURATION, RELOADABLE, NULL, G_USEC_PER_SEC, 7 * DNSBL_DAY_US,
     NULL, N_ ("How often it is asked about each target; the module's interval unless set.")},
    {ZONE, "severity", RELAIS_OPTION_ENUM, RELOADABLE, "block", 0, 0, "block|warn",
     N_ ("Whether receivers refuse mail because of it: block, or warn.")},
    {ZONE, "on_listing", RELAIS_OPTION_ENUM, RELOADABLE, "auto", 0, 0, "auto|none|take-out",
     N_ ("What becomes of a listed source: none, take-out (its pool's other sources send), or "
         "auto: take-out for "
         "severity = block.")},
    {ZONE, "test_listed", RELAIS_OPTION_STRING, RELOADABLE, NULL, 0, 0, NULL,
     N_ ("What it always lists; as RFC 5782 says unless set: 127.0.0.2, ::FFFF:7F00:2, TEST.")},
    {ZONE, "test_clean", RELAIS_OPTION_STRING, RELOADABLE, NULL, 0, 0, NULL,
     N_ ("What it never lists; as RFC 5782 says unless set: 127.0.0.1, ::FFFF:7F00:1, INVALID.")},
};

static const RelaisCommand commands[] = {
    {"dnsbl", NULL, "", "", N_ ("Show what blocklists say of us, the worst first."),
     RELAIS_COMMAND_ONLINE, 0, dnsbl_command_status},
    {"dnsbl", "status", "", "", N_ ("Show what blocklists say of us, the worst first."),
     RELAIS_COMMAND_ONLINE, 0, dnsbl_command_status},
    {"dnsbl", "history", N_ ("[TARGET]"), "", N_ ("Show when what was listed and delisted."),
     RELAIS_COMMAND_ONLINE, 0, dnsbl_command_history},
    {"dnsbl", "check", N_ ("TARGET"), "",
     N_ ("Ask every zone about an address or a domain now, and show every answer."),
     RELAIS_COMMAND_ONLINE, 0, dnsbl_command_check},
};

static gboolean
init (RelaisModule *module, GError **error)
{
    DnsblMonitor *monitor = g_new0 (DnsblMonitor, 1);

    monitor->module = module;
    monitor->entries = g_ptr_array_new_with_free_func (dnsbl_schedule_free_entry);
    monitor->records = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, dnsbl_record_free);
    monitor->probes = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, dnsbl_probe_free);
    monitor->out = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    g_queue_init (&monitor->ready);
    g_queue_init (&monitor->checks);
    monitor->polls = relais_counter_new (module, "dnsbl_polls", "state");
    monitor->changes = relais_counter_new (module, "dnsbl_changes", "state");
    monitor->notices = relais_counter_new (module, "dnsbl_mails", "fate");
    relais_module_set_data (module, monitor);
    return TRUE;
}

static gboolean
prepare_config (RelaisModule *module, RelaisConfig *config, gpointer *object, GError **error)
{
    *object = dnsbl_config_new (config, error);
    return *object != NULL;
}

static bool
any_refuses (const DnsblConfig *config)
{
    for (guint i = 0; i < config->zones->len; i++)
        if (((const DnsblZone *)g_ptr_array_index (config->zones, i))->refuses_public)
            return true;
    return false;
}

static void
tell_resolver (DnsblMonitor *monitor, const DnsblConfig *config)
{
    const bool matters = config->public_server != NULL && any_refuses (config);

    if (matters && !monitor->public_told)
        relais_log (
            monitor->module, RELAIS_LOG_WARNING,
            "[dns] server is %s, a public resolver: zones that refuse those are not asked, "
            "and "
            "what they list is unknown. Leave [dns] server out for a resolver of our own, or set "
            "[dnsbl-monitor] public_resolver = yes",
            config->public_server);
    monitor->public_told = matters;
}

static void
commit_config (RelaisModule *module, gpointer object)
{
    DnsblMonitor *monitor = relais_module_get_data (module);

    tell_resolver (monitor, object);
    if (monitor->loaded && !monitor->stopped)
        dnsbl_schedule_apply (monitor);
}

static gboolean
start (RelaisModule *module, GError **error)
{
    dnsbl_keep_load (relais_module_get_data (module));
    return TRUE;
}

static void
stop (RelaisModule *module)
{
    DnsblMonitor *monitor = relais_module_get_data (module);

    monitor->stopped = true;
    dnsbl_check_end_all (monitor);
    dnsbl_schedule_stop (monitor);
}

static void
finalize (RelaisModule *module)
{
    DnsblMonitor *monitor = relais_module_get_data (module);

    if (monitor == NULL)
        return;
    g_ptr_array_unref (monitor->entries);
    g_hash_table_unref (monitor->records);
    g_hash_table_unref (monitor->probes);
    g_hash_table_unref (monitor->out);
    g_free (monitor);
}

static const RelaisModuleOps ops = {
    .struct_size = sizeof ops,
    .init = init,
    .prepare_config = prepare_config,
    .commit_config = commit_config,
    .free_config = dnsbl_config_unref,
    .start = start,
    .stop = stop,
    .finalize = finalize,
};

RELAIS_MODULE_DEFINE (dnsbl_monitor, .name = "dnsbl-monitor", .version = RELAIS_VERSION,
                      .summary = N_ ("tells when an address or a domain of ours is in a blocklist"),
                      .license = "GPL-3.0-or-later", .gettext_domain = GETTEXT_PACKAGE,
                      .options = options, .n_options = G_N_ELEMENTS (options), .commands = commands,
                      .n_commands = G_N_ELEMENTS (commands), .ops = &ops);
