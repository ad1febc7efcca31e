/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reads a scenario: README says what may stand in it. Strict: what is not understood ends the program, with file
 * and line.
 */
#include "config.h"

#include "internet.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum {
    TEXT,
    NUMBER,
    TIME,
    YES_NO,
    SHARE,  /* 0.02, kept in millionths */
    REPLY,  /* "421 4.7.28 words" */
    LIMITS, /* may be given several times */
    CAPS,
    BLOCK,
    DAYS,
    STALL,
    PHASE,
    WALL,
    ACTION
} Kind;

typedef struct {
    const char *section, *key;
    Kind kind;
    size_t offset;
} Key;

#define OF(type, section, key, kind, member)                                                       \
    {                                                                                              \
        section, key, kind, offsetof (type, member)                                                \
    }
#define SCENARIO(key, kind, member) OF (SimScenario, "scenario", key, kind, member)
#define PROVIDER(key, kind, member) OF (SimProvider, "provider", key, kind, member)
#define CAMPAIGN(key, kind, member) OF (SimCampaign, "campaign", key, kind, member)

static const Key KEYS[] = {
    SCENARIO ("title", TEXT, title),
    SCENARIO ("seed", NUMBER, seed),
    SCENARIO ("start", WALL, start_us),
    SCENARIO ("limit", TIME, limit_us),
    SCENARIO ("tick", TIME, tick_us),
    SCENARIO ("settle", TIME, settle_us),
    SCENARIO ("conf", TEXT, conf),
    SCENARIO ("shipped", YES_NO, shipped),
    SCENARIO ("modules", TEXT, modules),
    SCENARIO ("compare_without", TEXT, compare),
    OF (SimSource, "source", "address", TEXT, address),
    OF (SimSource, "source", "age", NUMBER, age),
    OF (SimSource, "source", "weight", NUMBER, weight),
    OF (SimTenant, "tenant", "weight", NUMBER, weight),
    CAMPAIGN ("messages", NUMBER, messages),
    CAMPAIGN ("at", TIME, at_us),
    CAMPAIGN ("queue", NUMBER, queue),
    CAMPAIGN ("rate", LIMITS, rate),
    CAMPAIGN ("size", NUMBER, size),
    CAMPAIGN ("class", TEXT, class),
    PROVIDER ("as", TEXT, as),
    PROVIDER ("address", TEXT, address),
    PROVIDER ("weight", NUMBER, weight),
    PROVIDER ("domains", NUMBER, domains),
    PROVIDER ("limit", LIMITS, limits),
    PROVIDER ("connection_rate", LIMITS, connects),
    PROVIDER ("connections", NUMBER, connections),
    PROVIDER ("messages_per_connection", NUMBER, per_connection),
    PROVIDER ("recipients", NUMBER, recipients),
    PROVIDER ("caps", CAPS, caps),
    PROVIDER ("caps_by_calendar", YES_NO, calendar),
    PROVIDER ("block", BLOCK, block_us),
    PROVIDER ("greylist", TIME, greylist_us),
    PROVIDER ("latency", TIME, latency_us),
    PROVIDER ("slow_days", DAYS, slow_from),
    PROVIDER ("stall", STALL, stall_from_us),
    PROVIDER ("defer", SHARE, defer_ppm),
    PROVIDER ("unknown", SHARE, unknown_ppm),
    PROVIDER ("limit_at", PHASE, limit_at),
    PROVIDER ("on_limit", REPLY, on_limit),
    PROVIDER ("on_connections", REPLY, on_connections),
    PROVIDER ("on_cap", REPLY, on_cap),
    PROVIDER ("on_block", REPLY, on_block),
    PROVIDER ("on_defer", REPLY, on_defer),
    PROVIDER ("on_unknown", REPLY, on_unknown),
    PROVIDER ("on_greylist", REPLY, on_greylist),
    {"actions", "at", ACTION, 0},
};

typedef struct {
    SimScenario *scenario;
    const char *section;
    void *object; /* of the section */
    guint line;
} Reader;

static void
    G_GNUC_PRINTF (2, 3) G_GNUC_NORETURN wrong (const Reader *reader, const char *format, ...)
{
    va_list arguments;
    g_autofree char *text = NULL;

    va_start (arguments, format);
    text = g_strdup_vprintf (format, arguments);
    va_end (arguments);
    sim_fail ("%s:%u: %s", reader->scenario->path, reader->line, text);
}

/* --- Values ----------------------------------------------------------------------------------- */

static gint64
parse_number (const Reader *reader, const char *text)
{
    gint64 number;

    if (!g_ascii_string_to_signed (text, 10, 0, 1000000000, &number, NULL))
        wrong (reader, "expected a whole number, not \"%s\"", text);
    return number;
}

static gint64
unit_us (const char *unit)
{
    return g_str_equal (unit, "ms")  ? 1000
           : g_str_equal (unit, "s") ? SIM_SECOND_US
           : g_str_equal (unit, "m") ? SIM_MINUTE_US
           : g_str_equal (unit, "h") ? SIM_HOUR_US
           : g_str_equal (unit, "d") ? SIM_DAY_US
                                     : 0;
}

static gint64
parse_time (const Reader *reader, const char *text)
{
    char *end;
    const double number = g_ascii_strtod (text, &end);

    if (text[0] == '0' && text[1] == '\0')
        return 0;
    if (end == text || number < 0 || unit_us (end) == 0)
        wrong (reader, "expected a time such as 250ms, 30s, 5m, 2h or 4d, not \"%s\"", text);
    return (gint64)(number * (double)unit_us (end));
}

static gint64
parse_share (const Reader *reader, const char *text)
{
    char *end;
    const double share = g_ascii_strtod (text, &end);

    if (end == text || *end != '\0' || share < 0 || share > 1)
        wrong (reader, "expected a share from 0 to 1, not \"%s\"", text);
    return (gint64)(share * 1e6 + 0.5);
}

static SimLimit
parse_limit (const Reader *reader, const char *text)
{
    g_auto (GStrv) words = g_strsplit (text, " ", 0);
    g_auto (GStrv) rate = g_strsplit (words[0] != NULL ? words[0] : "", "/", 0);
    const guint n = g_strv_length (words);
    SimLimit limit = {0};

    if (g_strv_length (rate) != 2 || (n != 1 && n != 3) ||
        (n == 3 && !g_str_equal (words[1], "burst")) || unit_us (rate[1]) == 0)
        wrong (reader, "expected a limit such as 2000/h, or 20/s burst 40, not \"%s\"", text);
    limit.n = parse_number (reader, rate[0]);
    limit.period_us = unit_us (rate[1]);
    if (n == 3)
        limit.burst = parse_number (reader, words[2]);
    if (limit.n == 0 || (n == 3 && limit.burst == 0))
        wrong (reader, "a limit of nothing");
    return limit;
}

static void
set_limits (const Reader *reader, SimLimits *limits, const char *text)
{
    g_auto (GStrv) items = g_strsplit (text, ",", 0);

    for (guint i = 0; items[i] != NULL; i++) {
        if (limits->n == SIM_LIMITS)
            wrong (reader, "more than %d limits", SIM_LIMITS);
        limits->limits[limits->n++] = parse_limit (reader, g_strstrip (items[i]));
    }
}

/* "50 100 200", or "50 doubling 6400". */
static void
set_caps (const Reader *reader, SimProvider *provider, const char *text)
{
    g_auto (GStrv) words = g_strsplit (text, " ", 0);
    const guint n = g_strv_length (words);

    provider->n_caps = 0;
    if (n == 3 && g_str_equal (words[1], "doubling")) {
        const gint64 last = parse_number (reader, words[2]);

        for (gint64 cap = MAX (parse_number (reader, words[0]), 1);
             cap <= last && provider->n_caps < SIM_CAPS; cap *= 2)
            provider->caps[provider->n_caps++] = cap;
        return;
    }
    for (guint i = 0; i < n && i < SIM_CAPS; i++)
        provider->caps[provider->n_caps++] = parse_number (reader, words[i]);
}

/* "4h after 20/10m". */
static void
set_block (const Reader *reader, SimProvider *provider, const char *text)
{
    g_auto (GStrv) words = g_strsplit (text, " ", 0);
    g_auto (GStrv) hits = NULL;

    if (g_strv_length (words) != 3 || !g_str_equal (words[1], "after"))
        wrong (reader, "expected a block such as 4h after 20/10m, not \"%s\"", text);
    hits = g_strsplit (words[2], "/", 0);
    if (g_strv_length (hits) != 2)
        wrong (reader, "expected N/TIME after \"after\", not \"%s\"", words[2]);
    provider->block_us = parse_time (reader, words[0]);
    provider->block_hits = MAX (parse_number (reader, hits[0]), 1);
    provider->block_within_us = parse_time (reader, hits[1]);
}

/* "3..5", the first day is 1. */
static void
set_days (const Reader *reader, SimProvider *provider, const char *text)
{
    g_auto (GStrv) ends = g_strsplit (text, "..", 0);

    if (g_strv_length (ends) != 2)
        wrong (reader, "expected days such as 3..5, not \"%s\"", text);
    provider->slow_from = parse_number (reader, ends[0]) - 1;
    provider->slow_until = parse_number (reader, ends[1]);
}

/* "1h..3h", or "1h..3h reply 1m". */
static void
set_stall (const Reader *reader, SimProvider *provider, const char *text)
{
    g_auto (GStrv) words = g_strsplit (text, " ", 0);
    const guint n = g_strv_length (words);
    g_auto (GStrv) ends = g_strsplit (n > 0 ? words[0] : "", "..", 0);

    if (g_strv_length (ends) != 2 || (n != 1 && (n != 3 || !g_str_equal (words[1], "reply"))))
        wrong (reader, "expected a time such as 1h..3h, or 1h..3h reply 1m, not \"%s\"", text);
    provider->stall_from_us = parse_time (reader, ends[0]);
    provider->stall_until_us = parse_time (reader, ends[1]);
    provider->stall_reply_us = n == 3 ? parse_time (reader, words[2]) : 0;
}

static SimPhase
parse_phase (const Reader *reader, const char *text)
{
    static const char *const NAMES[] = {"connect", "mail", "rcpt", "dot"};

    for (guint i = 0; i < G_N_ELEMENTS (NAMES); i++)
        if (g_str_equal (text, NAMES[i]))
            return (SimPhase)i;
    wrong (reader, "expected connect, mail, rcpt or dot, not \"%s\"", text);
}

static char *
parse_reply (const Reader *reader, const char *text)
{
    if (strlen (text) < 5 || (text[0] != '4' && text[0] != '5') || !g_ascii_isdigit (text[1]) ||
        !g_ascii_isdigit (text[2]) || text[3] != ' ' || strlen (text) > 400)
        wrong (reader, "expected a reply such as 421 4.7.28 too much, not \"%s\"", text);
    return g_strdup (text);
}

static gint64
parse_wall (const Reader *reader, const char *text)
{
    g_autofree char *whole = g_strconcat (text, strlen (text) == 10 ? "T00:00:00Z" : ":00Z", NULL);
    g_autoptr (GDateTime) time = g_date_time_new_from_iso8601 (whole, NULL);

    if (time == NULL)
        wrong (reader, "expected a time (UTC) such as 2027-01-04 or 2027-01-04T09:30, not \"%s\"",
               text);
    return g_date_time_to_unix (time) * SIM_SECOND_US;
}

/* "2h reload FILE", "40% kill". */
static void
add_action (const Reader *reader, const char *text)
{
    static const char *const VERBS[] = {"reload", "restart", "kill", "list", "delist", "control"};
    SimAction *action = g_new0 (SimAction, 1);
    g_auto (GStrv) words = g_strsplit (text, " ", 2);
    g_autofree char *verb = NULL;
    bool known = false;

    if (words[0] == NULL || words[1] == NULL)
        wrong (reader, "expected a time and what is to be done, not \"%s\"", text);
    verb = g_strndup (words[1], strcspn (words[1], " "));
    for (guint i = 0; i < G_N_ELEMENTS (VERBS); i++)
        known = known || g_str_equal (verb, VERBS[i]);
    if (!known)
        wrong (reader, "expected reload, restart, kill, list, delist or control, not \"%s\"", verb);
    action->percent = action->at_us = -1;
    if (g_str_has_suffix (words[0], "%")) {
        words[0][strlen (words[0]) - 1] = '\0';
        action->percent = parse_number (reader, words[0]);
    } else {
        action->at_us = parse_time (reader, words[0]);
    }
    action->words = g_strdup (words[1]);
    g_ptr_array_add (reader->scenario->actions, action);
}

/* --- Lines ------------------------------------------------------------------------------------ */

static void
set_value (const Reader *reader, const Key *key, const char *text)
{
    char *at = (char *)reader->object + key->offset;

    switch (key->kind) {
    case TEXT:
        g_free (*(char **)(gpointer)at);
        *(char **)(gpointer)at = g_strdup (text);
        break;
    case REPLY: *(char **)(gpointer)at = parse_reply (reader, text); break;
    case NUMBER: *(gint64 *)(gpointer)at = parse_number (reader, text); break;
    case TIME: *(gint64 *)(gpointer)at = parse_time (reader, text); break;
    case SHARE: *(gint64 *)(gpointer)at = parse_share (reader, text); break;
    case WALL: *(gint64 *)(gpointer)at = parse_wall (reader, text); break;
    case PHASE: *(SimPhase *)(gpointer)at = parse_phase (reader, text); break;
    case LIMITS: set_limits (reader, (gpointer)at, text); break;
    case CAPS: set_caps (reader, reader->object, text); break;
    case BLOCK: set_block (reader, reader->object, text); break;
    case DAYS: set_days (reader, reader->object, text); break;
    case STALL: set_stall (reader, reader->object, text); break;
    case ACTION: add_action (reader, text); break;
    case YES_NO:
        if (!g_str_equal (text, "yes") && !g_str_equal (text, "no"))
            wrong (reader, "expected yes or no, not \"%s\"", text);
        *(bool *)at = g_str_equal (text, "yes");
        break;
    }
}

/* "violations = 0", "time_ratio <= 1.15". */
static void
add_expect (const Reader *reader, const char *line)
{
    g_auto (GStrv) words = g_strsplit (line, " ", 0);
    SimExpect *expect;

    if (g_strv_length (words) != 3 || strstr ("= <= >= < >", words[1]) == NULL)
        wrong (reader, "expected a line such as: time_ratio <= 1.15");
    expect = g_new0 (SimExpect, 1);
    *expect =
        (SimExpect){g_strdup (words[0]), g_strdup (words[1]), g_strdup (words[2]), reader->line};
    g_ptr_array_add (reader->scenario->expects, expect);
}

static gpointer
new_provider (const char *name)
{
    SimProvider *provider = g_new0 (SimProvider, 1);

    provider->name = g_strdup (name);
    provider->weight = 1;
    provider->domains = 1;
    provider->limit_at = SIM_AT_MAIL;
    provider->on_limit = g_strdup ("421 4.7.28 our system has detected an unusual rate of mail");
    provider->on_connections = g_strdup ("421 4.7.0 too many connections");
    provider->on_cap = g_strdup ("421 4.7.28 our system has detected an unusual rate of mail");
    provider->on_block = g_strdup ("550 5.7.1 blocked");
    provider->on_defer = g_strdup ("451 4.3.0 try again later");
    provider->on_unknown = g_strdup ("550 5.1.1 no such user");
    provider->on_greylist = g_strdup ("450 4.7.1 greylisted, come back later");
    return provider;
}

static void
begin_section (Reader *reader, const char *text)
{
    SimScenario *scenario = reader->scenario;
    g_auto (GStrv) words = g_strsplit (text, " ", 2);
    const char *kind = words[0] != NULL ? words[0] : "", *name = words[0] != NULL ? words[1] : NULL;
    const bool named = g_str_equal (kind, "source") || g_str_equal (kind, "tenant") ||
                       g_str_equal (kind, "campaign") || g_str_equal (kind, "provider");

    if (named != (name != NULL))
        wrong (reader, named ? "[%s] needs a name" : "[%s] has no name", kind);
    for (guint i = 0; name != NULL && name[i] != '\0'; i++)
        if (!g_ascii_islower (name[i]) && !g_ascii_isdigit (name[i]) && name[i] != '-')
            wrong (reader, "a name has small letters, digits and - alone, not \"%s\"", name);
    if (g_str_equal (kind, "scenario")) {
        reader->section = "scenario";
        reader->object = scenario;
    } else if (g_str_equal (kind, "source")) {
        reader->section = "source";
        reader->object = g_new0 (SimSource, 1);
        *(SimSource *)reader->object = (SimSource){.name = g_strdup (name), .weight = 1};
        g_ptr_array_add (scenario->sources, reader->object);
    } else if (g_str_equal (kind, "tenant")) {
        reader->section = "tenant";
        reader->object = g_new0 (SimTenant, 1);
        *(SimTenant *)reader->object = (SimTenant){.name = g_strdup (name), .weight = 1};
        g_ptr_array_add (scenario->tenants, reader->object);
    } else if (g_str_equal (kind, "campaign")) {
        reader->section = "campaign";
        reader->object = g_new0 (SimCampaign, 1);
        *(SimCampaign *)reader->object = (SimCampaign){
            .name = g_strdup (name), .class = g_strdup ("bulk"), .queue = 20000, .size = 600};
        g_ptr_array_add (scenario->campaigns, reader->object);
    } else if (g_str_equal (kind, "provider")) {
        reader->section = "provider";
        reader->object = new_provider (name);
        g_ptr_array_add (scenario->providers, reader->object);
    } else if (g_str_equal (kind, "actions") || g_str_equal (kind, "expect")) {
        reader->section = g_str_equal (kind, "actions") ? "actions" : "expect";
        reader->object = NULL;
    } else {
        wrong (reader,
               "there is no [%s]; there are scenario, source, tenant, campaign, provider, "
               "actions and expect",
               kind);
    }
}

static void
read_line (Reader *reader, char *line)
{
    const size_t size = strlen (g_strstrip (line));
    char *equals;

    if (size == 0 || line[0] == '#')
        return;
    if (line[0] == '[') {
        if (line[size - 1] != ']')
            wrong (reader, "a section ends in ]");
        line[size - 1] = '\0';
        begin_section (reader, line + 1);
        return;
    }
    if (reader->section == NULL)
        wrong (reader, "a value before the first section");
    if (g_str_equal (reader->section, "expect")) {
        add_expect (reader, line);
        return;
    }
    equals = strchr (line, '=');
    if (equals == NULL)
        wrong (reader, "expected KEY = VALUE");
    *equals = '\0';
    g_strstrip (line);
    for (guint i = 0; i < G_N_ELEMENTS (KEYS); i++)
        if (g_str_equal (KEYS[i].section, reader->section) && g_str_equal (KEYS[i].key, line)) {
            set_value (reader, &KEYS[i], g_strstrip (equals + 1));
            return;
        }
    wrong (reader, "[%s] has no \"%s\"", reader->section, line);
}

/* --- The whole -------------------------------------------------------------------------------- */

/* Each provider's part of a campaign: in proportion to the weights, and all of it. */
static void
divide (const SimScenario *scenario, SimCampaign *campaign)
{
    gint64 weights = 0, before = 0, given = 0;

    campaign->of_provider = g_new0 (gint64, scenario->providers->len);
    for (guint i = 0; i < scenario->providers->len; i++)
        weights += ((SimProvider *)g_ptr_array_index (scenario->providers, i))->weight;
    if (weights == 0)
        sim_fail ("%s: no provider has a weight", scenario->path);
    for (guint i = 0; i < scenario->providers->len; i++) {
        SimProvider *provider = g_ptr_array_index (scenario->providers, i);

        before += provider->weight;
        campaign->of_provider[i] = campaign->messages * before / weights - given;
        given += campaign->of_provider[i];
        provider->total += campaign->of_provider[i];
    }
}

static void
complete (SimScenario *scenario, double scale)
{
    const guint n = scenario->sources->len;

    if (n == 0 || scenario->providers->len == 0 || scenario->campaigns->len == 0)
        sim_fail ("%s: a scenario needs a source, a provider and a campaign", scenario->path);
    if (scenario->tenants->len == 0) {
        SimTenant *tenant = g_new0 (SimTenant, 1);

        *tenant = (SimTenant){.name = g_strdup ("news"), .weight = 1};
        g_ptr_array_add (scenario->tenants, tenant);
    }
    for (guint i = 0; i < n; i++) {
        SimSource *source = g_ptr_array_index (scenario->sources, i);

        if (source->address == NULL)
            source->address = g_strdup_printf ("127.0.2.%u", i + 1);
    }
    for (guint i = 0; i < scenario->providers->len; i++) {
        SimProvider *provider = g_ptr_array_index (scenario->providers, i);

        provider->index = i;
        if (provider->address == NULL)
            provider->address = g_strdup_printf ("127.0.3.%u", i + 1);
        if (provider->as == NULL)
            provider->as = g_strdup (provider->name);
        provider->domains = CLAMP (provider->domains, 1, 1000);
    }
    for (guint i = 0; i < scenario->campaigns->len; i++) {
        SimCampaign *campaign = g_ptr_array_index (scenario->campaigns, i);

        campaign->messages = MAX ((gint64)((double)campaign->messages * scale), 1);
        divide (scenario, campaign);
    }
}

SimScenario *
sim_scenario_read (const char *path, double scale)
{
    SimScenario *scenario = g_new0 (SimScenario, 1);
    Reader reader = {.scenario = scenario};
    g_auto (GStrv) lines = NULL;
    g_autofree char *text = NULL;
    gsize size;

    *scenario = (SimScenario){.path = g_strdup (path),
                              .title = g_path_get_basename (path),
                              .modules = g_strdup ("throttle"),
                              .seed = 1,
                              .start_us = G_GINT64_CONSTANT (1799020800) * SIM_SECOND_US,
                              .limit_us = 7 * SIM_DAY_US,
                              .sources = g_ptr_array_new (),
                              .tenants = g_ptr_array_new (),
                              .campaigns = g_ptr_array_new (),
                              .providers = g_ptr_array_new (),
                              .actions = g_ptr_array_new (),
                              .expects = g_ptr_array_new ()};
    if (!g_file_get_contents (path, &text, &size, NULL))
        sim_fail ("%s: cannot be read", path);
    if (!g_utf8_validate (text, (gssize)size, NULL))
        sim_fail ("%s: is no text", path);
    lines = g_strsplit (text, "\n", 0);
    for (guint i = 0; lines[i] != NULL; i++) {
        reader.line = i + 1;
        if (strlen (lines[i]) > SIM_LINE)
            wrong (&reader, "the line is too long");
        read_line (&reader, lines[i]);
    }
    complete (scenario, scale);
    return scenario;
}

/* --- For the runner --------------------------------------------------------------------------- */

static void
put (const char *key, const char *value, const char *after)
{
    g_autofree char *escaped = g_strescape (value != NULL ? value : "", NULL);

    printf ("\"%s\": \"%s\"%s", key, escaped, after);
}

void
sim_scenario_dump (const SimScenario *scenario)
{
    printf ("{");
    put ("title", scenario->title, ", ");
    put ("conf", scenario->conf, ", ");
    put ("modules", scenario->modules, ", ");
    put ("compare", scenario->compare, ", ");
    printf ("\"shipped\": %s, \"start_us\": %" G_GINT64_FORMAT ", \"sources\": [",
            scenario->shipped ? "true" : "false", scenario->start_us);
    for (guint i = 0; i < scenario->sources->len; i++) {
        const SimSource *source = g_ptr_array_index (scenario->sources, i);

        printf ("%s{", i > 0 ? ", " : "");
        put ("name", source->name, ", ");
        put ("address", source->address, ", ");
        printf ("\"weight\": %" G_GINT64_FORMAT "}", source->weight);
    }
    printf ("], \"tenants\": [");
    for (guint i = 0; i < scenario->tenants->len; i++) {
        printf ("%s{", i > 0 ? ", " : "");
        put ("name", ((SimTenant *)g_ptr_array_index (scenario->tenants, i))->name, "}");
    }
    printf ("], \"providers\": [");
    for (guint i = 0; i < scenario->providers->len; i++) {
        const SimProvider *provider = g_ptr_array_index (scenario->providers, i);

        printf ("%s{", i > 0 ? ", " : "");
        put ("name", provider->name, ", ");
        put ("as", provider->as, ", ");
        put ("address", provider->address, ", ");
        printf ("\"domains\": %" G_GINT64_FORMAT "}", provider->domains);
    }
    printf ("], \"expect\": [");
    for (guint i = 0; i < scenario->expects->len; i++) {
        const SimExpect *expect = g_ptr_array_index (scenario->expects, i);

        printf ("%s{", i > 0 ? ", " : "");
        put ("name", expect->name, ", ");
        put ("op", expect->op, ", ");
        put ("value", expect->value, ", ");
        printf ("\"line\": %u}", expect->line);
    }
    printf ("]}\n");
}
