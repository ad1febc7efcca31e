/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl throttle lint` and `throttle replay`: rows of what lint.c finds, and of what the rules make of each
 * recorded reply. Run in relaisctl.
 */
#include "offline.h"
#include "rule.h"

#include <glib/gi18n-lib.h>
#include <string.h>

/* --- lint ---------------------------------------------------------------------------------------- */

void
throttle_command_lint (RelaisCommandCall *call, gpointer data)
{
    g_autoptr (GPtrArray) findings = throttle_lint (relais_command_config (call));

    replies_findings_tell (call, findings, _ ("Every provider and every rule can apply."));
}

/* --- replay -------------------------------------------------------------------------------------- */

typedef struct {
    RelaisCommandCall *call;
    const ThrottleRules *rules;
    const char *provider; /* of lines that say none; NULL */
    guint n_replies, n_acting, n_known, n_bad;
} Replay;

/* The site of an event is a provider only if there is one of that name. */
static const char *
provider_of (const Replay *replay, const RepliesLine *line)
{
    const char *name = line->provider != NULL ? line->provider : replay->provider;
    const RelaisConfig *config = relais_command_config (replay->call);

    if (name == NULL || relais_config_find_section (config, "provider", name) == NULL)
        return NULL;
    return name;
}

static void
put_duration (RelaisCommandCall *call, const char *column, gint64 duration_us)
{
    g_autofree char *text = duration_us > 0 ? throttle_duration_to_string (duration_us) : NULL;

    relais_command_put (call, column, text);
}

static void
put_reply (Replay *replay, guint number, const RepliesLine *line)
{
    const ThrottleReply reply = {
        .phase = line->phase, .code = line->code, .enhanced = line->enhanced, .text = line->text};
    const char *provider = provider_of (replay, line);
    const ThrottleRule *rule = throttle_rules_find (replay->rules, provider, &reply);
    g_autofree char *hits = NULL;

    replay->n_replies++;
    replay->n_acting += rule != NULL && rule->kind != THROTTLE_ACTION_NONE;
    replay->n_known += rule != NULL && rule->kind == THROTTLE_ACTION_NONE;
    if (rule != NULL && rule->hits > 1) {
        g_autofree char *within = throttle_duration_to_string (rule->within_us);

        hits = g_strdup_printf ("%u/%s", rule->hits, within);
    }
    relais_command_put_int (replay->call, "line", number);
    relais_command_put (replay->call, "provider", provider);
    relais_command_put (replay->call, "rule", rule != NULL ? rule->selector.name : NULL);
    relais_command_put (replay->call, "action",
                        rule != NULL ? throttle_action_to_string (rule->kind) : NULL);
    put_duration (replay->call, "for", rule != NULL ? rule->duration_us : 0);
    relais_command_put (replay->call, "hits", hits);
    relais_command_end_row (replay->call);
}

static void
put_bad (Replay *replay, guint number)
{
    replay->n_bad++;
    relais_command_put_int (replay->call, "line", number);
    relais_command_put (replay->call, "provider", NULL);
    relais_command_put (replay->call, "rule", NULL);
    relais_command_put (replay->call, "action", _ ("(no reply)"));
    relais_command_put (replay->call, "for", NULL);
    relais_command_put (replay->call, "hits", NULL);
    relais_command_end_row (replay->call);
}

static void
replay_file (Replay *replay, const char *bytes, gsize size)
{
    for (guint number = 1; size > 0; number++) {
        const char *end = memchr (bytes, '\n', size);
        gsize length = end != NULL ? (gsize)(end - bytes) : size;
        gsize step = end != NULL ? length + 1 : length;
        RepliesLine line;

        replies_line_parse (bytes, length, &line);
        if (line.type == REPLIES_LINE_REPLY)
            put_reply (replay, number, &line);
        else if (line.type == REPLIES_LINE_BAD)
            put_bad (replay, number);
        replies_line_clear (&line);
        bytes += step;
        size -= step;
    }
}

static void
put_coverage (const Replay *replay)
{
    const guint n = MAX (replay->n_replies, 1);
    g_autofree char *told = g_strdup_printf (
        _ ("%u replies: %u with a rule that acts (%u %%), %u known and left alone (%u %%), %u "
           "without a rule; %u lines were no reply."),
        replay->n_replies, replay->n_acting, replay->n_acting * 100 / n, replay->n_known,
        replay->n_known * 100 / n, replay->n_replies - replay->n_acting - replay->n_known,
        replay->n_bad);

    relais_command_note (replay->call, told);
}

void
throttle_command_replay (RelaisCommandCall *call, gpointer data)
{
    RelaisConfig *config = relais_command_config (call);
    GBytes *file = relais_command_file (call, "");
    Replay replay = {.call = call, .provider = relais_command_option (call, "provider")};
    g_autoptr (ThrottleRules) rules = NULL;
    g_autoptr (GError) error = NULL;
    gsize size;
    const char *bytes;

    if (file == NULL || relais_command_n_args (call) != 1) {
        relais_command_fail (call, RELAIS_EXIT_USAGE, _ ("expected one FILE of replies"));
        return;
    }
    if (replay.provider != NULL &&
        relais_config_find_section (config, "provider", replay.provider) == NULL) {
        g_autofree char *told = g_strdup_printf (_ ("there is no [provider %s]"), replay.provider);

        relais_command_fail (call, RELAIS_EXIT_REFUSED, told);
        return;
    }
    rules = throttle_rules_new (config, &error);
    if (rules == NULL) {
        relais_command_fail (call, RELAIS_EXIT_REFUSED, error->message);
        return;
    }
    replay.rules = rules;
    bytes = g_bytes_get_data (file, &size);
    replay_file (&replay, bytes, size);
    put_coverage (&replay);
    relais_command_finish (call);
}
