/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl throttle show`, `throttle reset` and `warmup`: what holds, where it stands, why, and what waits. A
 * domain is looked up as the queue would: its MX hosts make it a provider or a site. Loop thread.
 */
#include "throttle.h"

#include <glib/gi18n-lib.h>
#include <string.h>

/* A call that waits for the MX of its domain. */
typedef struct {
    ThrottleModule *module;
    RelaisCommandCall *call;
    RelaisLookup *lookup;
    char *domain;
    GList link; /* in module->calls */
} Call;

static void
call_free (Call *waiting)
{
    g_queue_unlink (&waiting->module->calls, &waiting->link);
    g_free (waiting->domain);
    g_free (waiting);
}

/* --- Lanes, in order ------------------------------------------------------------------------------ */

static gint
compare_lanes (gconstpointer a, gconstpointer b)
{
    const ThrottleLane *left = *(const ThrottleLane *const *)a;
    const ThrottleLane *right = *(const ThrottleLane *const *)b;
    const int sites = strcmp (left->site, right->site);

    return sites != 0 ? sites : strcmp (left->source, right->source);
}

/* Borrowed lanes, synced, of that site and source (NULL: all). */
static GPtrArray *
list_lanes (ThrottleModule *module, const char *site, const char *source)
{
    GPtrArray *lanes = g_ptr_array_new ();

    for (GList *link = module->order.head; link != NULL; link = link->next) {
        ThrottleLane *lane = link->data;

        if ((site != NULL && !g_str_equal (lane->site, site)) ||
            (source != NULL && !g_str_equal (lane->source, source)))
            continue;
        throttle_lane_sync (lane);
        g_ptr_array_add (lanes, lane);
    }
    g_ptr_array_sort (lanes, compare_lanes);
    return lanes;
}

/* --- Rows ------------------------------------------------------------------------------------- */

static gint64
wall_of (const ThrottleModule *module, gint64 at_us)
{
    return relais_module_wall_us (module->module) + at_us - relais_module_now_us (module->module);
}

/* "/etc/relais/conf.d/10-throttle.conf:12" is long for a table: without its directory. */
static const char *
short_origin (const char *origin)
{
    const char *slash = strrchr (origin, '/');

    return slash != NULL ? slash + 1 : origin;
}

static char *
value_to_string (ThrottleKey key, const ThrottleValue *value)
{
    if (key == THROTTLE_RATE || key == THROTTLE_CONNECTION_RATE || key == THROTTLE_CAMPAIGN_RATE ||
        key == THROTTLE_MIN_RATE)
        return throttle_rates_to_string (&value->rates, THROTTLE_PARTS);
    if (value->number == 0)
        return g_strdup (_ ("the core's"));
    return g_strdup_printf ("%" G_GINT64_FORMAT, value->number);
}

/* What it is now, where that is not what is configured; NULL. */
static char *
now_to_string (const ThrottleLane *lane, ThrottleKey key)
{
    if (key == THROTTLE_RATE && (lane->learned.parts < THROTTLE_PARTS || lane->learned.base > 0))
        return throttle_lane_rate_to_string (lane);
    if (key == THROTTLE_CONNECTIONS && lane->learned.connections > 0)
        return g_strdup_printf ("%u", throttle_lane_get_connections (lane));
    return NULL;
}

static void
put_limits (RelaisCommandCall *call, const char *source, const char *site,
            const ThrottleSettings *settings, const ThrottleLane *lane)
{
    static const ThrottleKey shown[] = {THROTTLE_CONNECTIONS,     THROTTLE_MESSAGES_PER_CONNECTION,
                                        THROTTLE_RECIPIENTS,      THROTTLE_RATE,
                                        THROTTLE_CONNECTION_RATE, THROTTLE_CAMPAIGN_RATE};

    for (guint i = 0; i < G_N_ELEMENTS (shown); i++) {
        const ThrottleValue *value = &settings->values[shown[i]];
        g_autofree char *text = value_to_string (shown[i], value);
        g_autofree char *now = lane != NULL ? now_to_string (lane, shown[i]) : NULL;

        relais_command_put (call, "source", source);
        relais_command_put (call, "site", site);
        relais_command_put (call, "limit", throttle_key_to_string (shown[i]));
        relais_command_put (call, "value", text);
        relais_command_put (call, "now", now != NULL ? now : "=");
        relais_command_put (call, "from", short_origin (value->origin));
        relais_command_end_row (call);
    }
}

static void
put_learned (RelaisCommandCall *call, const ThrottleLane *lane)
{
    const ThrottleLearned *learned = &lane->learned;
    g_autofree char *rate = NULL;

    if (throttle_learned_is_clear (learned))
        return;
    rate = throttle_lane_rate_to_string (lane);
    relais_command_put (call, "source", lane->source);
    relais_command_put (call, "site", lane->site);
    relais_command_put (call, "learned", learned->rule != NULL ? learned->rule : "-");
    relais_command_put (call, "rate", rate);
    if (learned->pause_us != 0)
        relais_command_put_time (call, "rests_until", wall_of (lane->module, learned->pause_us));
    else
        relais_command_put (call, "rests_until", "-");
    relais_command_put (call, "why", learned->why != NULL ? learned->why : "-");
    relais_command_end_row (call);
}

static void
put_wait (RelaisCommandCall *call, const ThrottleLane *lane, const char *who,
          const ThrottleWait *wait)
{
    if (wait->until_us <= relais_module_now_us (lane->module->module))
        return;
    relais_command_put (call, "source", lane->source);
    relais_command_put (call, "site", lane->site);
    relais_command_put (call, "waits", who);
    relais_command_put_time (call, "until", wall_of (lane->module, wait->until_us));
    relais_command_put (call, "for", wait->reason);
    relais_command_end_row (call);
}

static void
put_waits (RelaisCommandCall *call, const ThrottleLane *lane)
{
    GHashTableIter iter;
    gpointer data;

    put_wait (call, lane, _ ("all mail"), &lane->wait);
    put_wait (call, lane, _ ("connections"), &lane->connect_wait);
    g_hash_table_iter_init (&iter, lane->shares);
    while (g_hash_table_iter_next (&iter, NULL, &data)) {
        const ThrottleShare *share = data;
        g_autofree char *who =
            share->campaign != NULL
                ? g_strdup_printf (_ ("campaign %s"), share->campaign)
                : g_strdup_printf (_ ("tenant %s"), share->tenant != NULL ? share->tenant : "-");

        put_wait (call, lane, who, &share->wait);
    }
}

static void
put_stops (RelaisCommandCall *call, ThrottleModule *module, const char *site)
{
    const gint64 now_us = relais_module_now_us (module->module);
    GHashTableIter iter;
    gpointer data;

    g_hash_table_iter_init (&iter, module->stops);
    while (g_hash_table_iter_next (&iter, NULL, &data)) {
        const ThrottleStop *stop = data;

        if (stop->until_us <= now_us || (site != NULL && !g_str_equal (site, stop->site)))
            continue;
        relais_command_put (call, "site", stop->site);
        relais_command_put (call, "tenant", stop->tenant != NULL ? stop->tenant : "-");
        relais_command_put (call, "campaign", stop->campaign != NULL ? stop->campaign : "-");
        relais_command_put_time (call, "held_until", wall_of (module, stop->until_us));
        relais_command_put (call, "rule", stop->rule);
        relais_command_put (call, "why", stop->why);
        relais_command_end_row (call);
    }
}

/* --- show ------------------------------------------------------------------------------------- */

/* `site` NULL: all that is known. */
static void
show (RelaisCommandCall *call, ThrottleModule *module, const char *site)
{
    g_autoptr (GPtrArray) lanes = list_lanes (module, site, NULL);

    for (guint i = 0; i < lanes->len; i++) {
        const ThrottleLane *lane = g_ptr_array_index (lanes, i);

        put_limits (call, lane->source, lane->site, lane->settings, lane);
    }
    for (guint i = 0; i < lanes->len; i++)
        put_learned (call, g_ptr_array_index (lanes, i));
    for (guint i = 0; i < lanes->len; i++)
        put_waits (call, g_ptr_array_index (lanes, i));
    put_stops (call, module, site);
    if (lanes->len == 0 && site != NULL) {
        put_limits (call, "*", site,
                    throttle_config_resolve (
                        module->config, "*",
                        throttle_config_has_provider (module->config, site) ? site : NULL),
                    NULL);
        relais_command_note (call, _ ("No mail has gone there since the start: these are the "
                                      "limits as they would be."));
    } else if (lanes->len == 0)
        relais_command_note (call, _ ("No mail has gone anywhere since the start."));
    relais_command_finish (call);
}

static gint
compare_names (gconstpointer a, gconstpointer b)
{
    return strcmp (*(const char *const *)a, *(const char *const *)b);
}

/* The site as the queue names it: the provider, or its hosts in order; without MX the domain. */
static char *
site_of (const ThrottleModule *module, const char *domain, const RelaisDnsAnswer *answer)
{
    g_autoptr (GPtrArray) hosts = g_ptr_array_new ();
    g_autoptr (GString) site = g_string_new (NULL);
    const char *provider, *last = NULL;

    for (guint32 i = 0; i < relais_dns_answer_n_records (answer); i++)
        g_ptr_array_add (hosts, (gpointer)relais_dns_answer_get_name (answer, i));
    provider = throttle_config_provider_of (module->config, hosts);
    if (hosts->len == 0 || provider != NULL)
        return g_strdup (provider != NULL ? provider : domain);
    g_ptr_array_sort (hosts, compare_names);
    for (guint i = 0; i < hosts->len; i++) {
        const char *host = g_ptr_array_index (hosts, i);

        if (last == NULL || !g_str_equal (host, last))
            g_string_append_printf (site, "%s%s", last != NULL ? "," : "", host);
        last = host;
    }
    return g_string_free (g_steal_pointer (&site), FALSE);
}

static void
on_mx (const RelaisDnsAnswer *answer, gpointer data)
{
    Call *waiting = data;
    ThrottleModule *module = waiting->module;
    RelaisCommandCall *call = waiting->call;
    const RelaisDnsOutcome outcome = relais_dns_answer_get_outcome (answer);
    g_autofree char *site = site_of (module, waiting->domain, answer);
    g_autofree char *problem = NULL;

    if (outcome == RELAIS_DNS_NXDOMAIN)
        problem = g_strdup_printf (_ ("%s is no provider, no site and no domain that exists"),
                                   waiting->domain);
    else if (outcome != RELAIS_DNS_DATA && outcome != RELAIS_DNS_NODATA)
        problem = g_strdup_printf (_ ("%s could not be looked up: %s"), waiting->domain,
                                   relais_dns_answer_get_reason (answer));
    call_free (waiting);
    if (problem != NULL)
        relais_command_fail (call, RELAIS_EXIT_REFUSED, problem);
    else
        show (call, module, site);
}

static bool
is_known_site (ThrottleModule *module, const char *name)
{
    if (throttle_config_has_provider (module->config, name))
        return true;
    for (GList *link = module->order.head; link != NULL; link = link->next)
        if (g_str_equal (((const ThrottleLane *)link->data)->site, name))
            return true;
    return false;
}

void
throttle_command_show (RelaisCommandCall *call, gpointer data)
{
    ThrottleModule *module = relais_module_get_data (data);
    const char *name = relais_command_arg (call, 0);
    Call *waiting;

    if (relais_command_n_args (call) > 1) {
        relais_command_fail (call, RELAIS_EXIT_USAGE,
                             _ ("at most one word is wanted: a domain or a provider"));
        return;
    }
    if (relais_command_n_args (call) == 0 || is_known_site (module, name)) {
        show (call, module, relais_command_n_args (call) == 0 ? NULL : name);
        return;
    }
    waiting = g_new0 (Call, 1);
    waiting->module = module;
    waiting->call = call;
    waiting->domain = g_ascii_strdown (name, -1);
    waiting->link.data = waiting;
    g_queue_push_tail_link (&module->calls, &waiting->link);
    waiting->lookup = relais_lookup (module->module, name, RELAIS_DNS_MX, on_mx, waiting);
}

void
throttle_show_end_all (ThrottleModule *module)
{
    while (module->calls.head != NULL) {
        Call *waiting = module->calls.head->data;
        RelaisCommandCall *call = waiting->call;

        relais_lookup_cancel (waiting->lookup);
        call_free (waiting);
        relais_command_fail (call, RELAIS_EXIT_REFUSED, _ ("the daemon stops"));
    }
}

/* --- reset ------------------------------------------------------------------------------------ */

void
throttle_command_reset (RelaisCommandCall *call, gpointer data)
{
    ThrottleModule *module = relais_module_get_data (data);
    const guint n = relais_command_n_args (call);
    g_autoptr (GPtrArray) lanes = NULL;

    if (n < 1 || n > 2) {
        relais_command_fail (call, RELAIS_EXIT_USAGE,
                             _ ("a provider or site is wanted, and perhaps a source"));
        return;
    }
    lanes = list_lanes (module, relais_command_arg (call, 0),
                        n == 2 ? relais_command_arg (call, 1) : NULL);
    if (lanes->len == 0) {
        relais_command_fail (call, RELAIS_EXIT_REFUSED, _ ("nothing is known of it"));
        return;
    }
    for (guint i = 0; i < lanes->len; i++) {
        ThrottleLane *lane = g_ptr_array_index (lanes, i);

        throttle_learn_reset (lane);
        relais_command_put (call, "source", lane->source);
        relais_command_put (call, "site", lane->site);
        relais_command_end_row (call);
    }
    relais_command_finish (call);
}

/* --- warmup ----------------------------------------------------------------------------------- */

static void
put_warmup (RelaisCommandCall *call, ThrottleLane *lane)
{
    const ThrottlePlan *plan = throttle_ask_plan (lane);
    const ThrottleWarmup *warmup = &lane->warmup;
    const gint64 next = plan != NULL ? throttle_warmup_next_cap (warmup, plan) : -1;
    g_autofree char *cap = NULL;
    g_autofree char *next_cap =
        next < 0 ? g_strdup ("-") : g_strdup_printf ("%" G_GINT64_FORMAT, next);
    g_autofree char *day = throttle_day_to_string (warmup->day);

    if (plan == NULL)
        cap = g_strdup (_ ("over"));
    else if (throttle_warmup_phase (warmup, plan) == THROTTLE_WARMUP_BEFORE)
        cap = g_strdup ("0");
    else
        cap = g_strdup_printf ("%" G_GINT64_FORMAT, throttle_warmup_cap (warmup, plan));
    relais_command_put (call, "source", lane->source);
    relais_command_put (call, "site", lane->site);
    relais_command_put (call, "plan", lane->plan->plan->name);
    relais_command_put (call, "date", day);
    relais_command_put_int (call, "day", throttle_warmup_step (warmup) + 1);
    relais_command_put (call, "cap", cap);
    relais_command_put_int (call, "used", warmup->used);
    relais_command_put (call, "next", next_cap);
    relais_command_put_int (call, "held", warmup->held);
    relais_command_put (call, "today", warmup->bad ? _ ("bad") : _ ("good"));
    relais_command_end_row (call);
}

void
throttle_command_warmup (RelaisCommandCall *call, gpointer data)
{
    ThrottleModule *module = relais_module_get_data (data);
    g_autoptr (GPtrArray) lanes = NULL;
    guint n = 0;

    if (relais_command_n_args (call) > 0) {
        relais_command_fail (call, RELAIS_EXIT_USAGE, _ ("no word is wanted"));
        return;
    }
    lanes = list_lanes (module, NULL, NULL);
    for (guint i = 0; i < lanes->len; i++) {
        ThrottleLane *lane = g_ptr_array_index (lanes, i);

        if (lane->plan == NULL)
            continue;
        put_warmup (call, lane);
        n++;
    }
    if (n == 0)
        relais_command_note (call, _ ("No source that is warmed up has sent anything. A source is "
                                      "warmed up by throttle.warmup and throttle.warmup_start in "
                                      "[source NAME]."));
    relais_command_finish (call);
}
