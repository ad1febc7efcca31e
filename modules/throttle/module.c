/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * throttle: limits, learned limits and warm-up of what goes from a source to a site. This file is the descriptor:
 * options, commands, hooks, life. Loop thread; prepare_config may run on a worker.
 */
#include "throttle.h"

#include "offline.h"

#include <glib/gi18n-lib.h>

#define SECONDS(n) ((n)*THROTTLE_SECOND_US)

/* --- Options ---------------------------------------------------------------------------------- */

/* A limit, and the same in another section, where it has no default of its own. */
#define NUMBER(section, key, value, least, most, doc)                                              \
    {                                                                                              \
        section, key, RELAIS_OPTION_INT, RELAIS_OPTION_RELOADABLE, value, least, most, NULL, doc   \
    }
#define TIME(section, key, value, doc)                                                             \
    {                                                                                              \
        section, key, RELAIS_OPTION_DURATION, RELAIS_OPTION_RELOADABLE, value, SECONDS (1),        \
            7 * THROTTLE_DAY_US, NULL, doc                                                         \
    }
#define TEXT(section, key, value, doc)                                                             \
    {                                                                                              \
        section, key, RELAIS_OPTION_STRING, RELAIS_OPTION_RELOADABLE, value, 0, 0, NULL, doc       \
    }
#define LIST(section, key, flags, doc)                                                             \
    {                                                                                              \
        section, key, RELAIS_OPTION_LIST, RELAIS_OPTION_RELOADABLE | (flags), NULL, 0, 0, NULL,    \
            doc                                                                                    \
    }
#define DEFAULT(value) value
#define UNSET(value) NULL

#define LIMITS(section, or)                                                                        \
    NUMBER (section, "connections", or ("0"), 0, 10000,                                            \
            N_ ("Connections at once from a source to a site; 0: as [queue] says.")),              \
        NUMBER (section, "messages_per_connection", or ("0"), 0, 1000000,                          \
                N_ ("Messages of one connection; 0: as [queue] says.")),                           \
        NUMBER (section, "recipients", or ("0"), 0, 1000,                                          \
                N_ ("Recipients of one transaction; 0: as the core has it.")),                     \
        TEXT (section, "rate", NULL,                                                               \
              N_ ("Recipients from a source to a site: N/s, N/m, N/h or N/d, \"burst B\" after "   \
                  "it; several with commas. In any interval t at most B + N x t / period. Unset: " \
                  "unlimited. The burst is, unless set, what comes in 5 s, at least 1.")),         \
        TEXT (section, "connection_rate", NULL, N_ ("The same for connections that are opened.")), \
        TEXT (section, "campaign_rate", NULL,                                                      \
              N_ ("The same for each campaign of a tenant, in each lane.")),                       \
        TEXT (section, "min_rate", or ("1/m"),                                                     \
              N_ ("Bad signs lower a rate to this at the least.")),                                \
        NUMBER (section, "step", or ("50"), 1, 99,                                                 \
                N_ ("Percent of its rate that a lane keeps at a bad sign.")),                      \
        TIME (section, "step_interval", or ("1m"),                                                 \
              N_ ("It is lowered, or raised for successes, once in this time.")),                  \
        NUMBER (section, "raise", or ("10"), 1, 100,                                               \
                N_ ("Percent of the configured rate by which it is raised again.")),               \
        TIME (section, "raise_after", or ("5m"),                                                   \
              N_ ("Time without a bad sign after which it is raised.")),                           \
        NUMBER (section, "raise_successes", or ("200"), 1, 1000000,                                \
                N_ ("Successes in a row after which it is raised.")),                              \
        NUMBER (section, "slow_at", or ("30"), 0, 100,                                             \
                N_ ("Percent of deferrals that is a bad sign; 0: none is.")),                      \
        TIME (section, "slow_window", or ("5m"), N_ ("Time over which deferrals are counted.")),   \
        NUMBER (section, "slow_results", or ("20"), 1, 1000000,                                    \
                N_ ("Results that there must be before their share counts."))

static const RelaisOption options[] = {
    LIMITS ("throttle", DEFAULT),
    NUMBER ("throttle", "lanes", "65536", 100, 10000000,
            N_ ("Pairs of source and site that are remembered; beyond, those used longest ago are "
                "forgotten.")),
    LIMITS ("provider", UNSET),
    LIMITS ("throttle-lane", UNSET),
    LIST ("throttle-lane", "source", RELAIS_OPTION_REPEAT,
          N_ ("Sources that these limits are for; empty: all.")),
    LIST ("throttle-lane", "provider", RELAIS_OPTION_REPEAT,
          N_ ("Providers that these limits are for; empty: all. They override those of [provider "
              "NAME]; of two such sections the later one counts.")),
    TEXT ("tenant", "rate", NULL,
          N_ ("Recipients of this tenant's mail from a source to a site, as in [throttle] rate.")),
    TEXT ("tenant", "campaign_rate", NULL,
          N_ ("The same for each of its campaigns; overrides what is set for all.")),
    TEXT ("source", "warmup", NULL,
          N_ ("Plan by which this source is warmed up: [throttle-warmup NAME], or default (50 on "
              "the first day, doubled each day for 16 days).")),
    TEXT ("source", "warmup_start", NULL,
          N_ ("The plan's first day, UTC: 2026-01-31. Nothing goes from this source before.")),
    {"throttle-warmup", "caps", RELAIS_OPTION_LIST,
     RELAIS_OPTION_RELOADABLE | RELAIS_OPTION_REQUIRED, NULL, 0, 0, NULL,
     N_ ("Recipients of each day, from the first on, from a source to a site. Behind the last "
         "there is no cap.")},
    LIST ("throttle-warmup", "provider", RELAIS_OPTION_REPEAT,
          N_ ("Providers that the plan is for; empty: all, and sites without one.")),
    {"throttle-warmup", "spread", RELAIS_OPTION_BOOL, RELAIS_OPTION_RELOADABLE, "yes", 0, 0, NULL,
     N_ ("Spread a day's cap over its hours.")},
    NUMBER (
        "throttle-warmup", "bad_at", "10", 0, 100,
        N_ ("Percent of deferrals that makes a day bad, as a pause does: the next day has the "
            "same cap, and after two such days in a row the one before. 0: only a pause does.")),
    THROTTLE_RULE_OPTIONS,
};

static const RelaisCommand commands[] = {
    {"throttle", "show", N_ ("[DOMAIN|PROVIDER]"), "",
     N_ ("Show limits, where each comes from, what was learned, and what waits until when."),
     RELAIS_COMMAND_ONLINE, 0, throttle_command_show},
    {"throttle", "reset", N_ ("PROVIDER [SOURCE]"), "",
     N_ ("Forget what was learned of a provider or site."), RELAIS_COMMAND_ONLINE, 0,
     throttle_command_reset},
    {"warmup", NULL, "", "", N_ ("Show where the warm-up of each source stands."),
     RELAIS_COMMAND_ONLINE, 0, throttle_command_warmup},
    THROTTLE_OFFLINE_COMMANDS,
};

/* --- Life ------------------------------------------------------------------------------------- */

static bool
add_hook (ThrottleModule *throttle, RelaisHookId hook, const char *name, RelaisHookFunc func,
          GError **error)
{
    const RelaisHookInfo info = {
        .struct_size = sizeof info, .hook = hook, .name = name, .func = func, .data = throttle};

    return relais_module_add_hook (throttle->module, &info, error);
}

static gboolean
init (RelaisModule *module, GError **error)
{
    ThrottleModule *throttle = g_new0 (ThrottleModule, 1);

    throttle->module = module;
    throttle_lanes_init (throttle);
    throttle->waits = relais_counter_new (module, "throttle_waits", "scope");
    throttle->actions = relais_counter_new (module, "throttle_actions", "action");
    throttle->store_errors = relais_counter_new (module, "throttle_store_errors", NULL);
    throttle->over_limit = relais_counter_new (module, "throttle_patterns_over_limit", NULL);
    relais_module_set_data (module, throttle);
    return add_hook (throttle, RELAIS_HOOK_LANE, "lane", throttle_ask_lane, error) &&
           add_hook (throttle, RELAIS_HOOK_ADMIT, "admit", throttle_ask_admit, error) &&
           add_hook (throttle, RELAIS_HOOK_RESULT, "result", throttle_reply_result, error);
}

static gboolean
prepare_config (RelaisModule *module, RelaisConfig *config, gpointer *object, GError **error)
{
    *object = throttle_config_new (config, error);
    return *object != NULL;
}

/* Lanes follow when they are asked about next: those that wait are, at once. */
static void
commit_config (RelaisModule *module, gpointer object)
{
    ThrottleModule *throttle = relais_module_get_data (module);

    throttle_config_unref (throttle->config);
    throttle->config = throttle_config_ref (object);
    throttle->serial++;
    if (throttle->running)
        relais_lanes_wake (module, NULL, NULL);
}

static gboolean
start (RelaisModule *module, GError **error)
{
    ThrottleModule *throttle = relais_module_get_data (module);

    throttle->running = true;
    throttle->sweep_timer = relais_module_timer_new (module, throttle_lanes_sweep, throttle);
    relais_module_timer_set (throttle->sweep_timer, THROTTLE_MINUTE_US);
    throttle_state_start (throttle);
    return TRUE;
}

static void
stop (RelaisModule *module)
{
    ThrottleModule *throttle = relais_module_get_data (module);

    throttle->running = false;
    throttle_show_end_all (throttle);
    throttle_state_stop (throttle);
    g_clear_pointer (&throttle->sweep_timer, relais_module_timer_free);
}

static void
finalize (RelaisModule *module)
{
    ThrottleModule *throttle = relais_module_get_data (module);

    throttle_lanes_clear (throttle);
    throttle_config_unref (throttle->config);
    g_free (throttle);
}

static const RelaisModuleOps ops = {
    .struct_size = sizeof ops,
    .init = init,
    .prepare_config = prepare_config,
    .commit_config = commit_config,
    .free_config = throttle_config_unref,
    .start = start,
    .stop = stop,
    .finalize = finalize,
};

RELAIS_MODULE_DEFINE (throttle, .name = "throttle", .version = RELAIS_VERSION,
                      .summary = N_ ("keeps to providers' limits, learns them, and warms sources "
                                     "up"),
                      .license = "GPL-3.0-or-later", .gettext_domain = GETTEXT_PACKAGE,
                      .options = options, .n_options = G_N_ELEMENTS (options), .commands = commands,
                      .n_commands = G_N_ELEMENTS (commands), .ops = &ops);
