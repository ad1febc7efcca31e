/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl bounce explain`, `bounce replay` and `bounce lint`: rows of what replies mean, and of what lint.c finds.
 * Run in relaisctl.
 */
#include "offline.h"

#include "codes.h"
#include "dead.h"
#include "reasons.h"
#include "recorded.h"
#include "rule.h"

#include <glib/gi18n-lib.h>
#include <string.h>

/* --- lint ---------------------------------------------------------------------------------------- */

void
bounce_command_lint (RelaisCommandCall *call, gpointer data)
{
    g_autoptr (GPtrArray) findings = bounce_lint (relais_command_config (call));

    replies_findings_tell (call, findings, _ ("Every rule of replies can apply."));
}

/* --- What both others do --------------------------------------------------------------------------- */

static const char *
find_place (const BounceRules *rules, const char *name)
{
    const RepliesSet *set = bounce_rules_set (rules);

    for (guint i = 0; i < replies_set_n (set); i++) {
        const RepliesSelector *rule = replies_set_nth (set, i);

        if (strcmp (rule->name, name) == 0)
            return rule->origin;
    }
    return NULL;
}

static void
put_verdict (RelaisCommandCall *call, const BounceVerdict *verdict)
{
    relais_command_put (call, "scope", relais_bounce_scope_to_string (verdict->scope));
    relais_command_put (call, "permanence",
                        relais_bounce_permanence_to_string (verdict->permanence));
    relais_command_put (call, "reason", verdict->reason);
    relais_command_put_bool (call, "suppress", verdict->suppress == RELAIS_SUPPRESS_HARD);
    relais_command_put (call, "rule", verdict->rule);
}

/* Whether it is a name that sections or rules know; an event's site may be any. */
static bool
is_provider (const RelaisConfig *config, const BounceRules *rules, const char *name)
{
    return name != NULL && (relais_config_find_section (config, "provider", name) != NULL ||
                            replies_set_has_provider (bounce_rules_set (rules), name));
}

/* The rules, and whether --provider is one; else the call is failed. */
static BounceRules *
begin (RelaisCommandCall *call)
{
    RelaisConfig *config = relais_command_config (call);
    const char *provider = relais_command_option (call, "provider");
    g_autoptr (GError) error = NULL;
    BounceRules *rules = bounce_rules_new (config, &error);

    if (rules == NULL) {
        relais_command_fail (call, RELAIS_EXIT_REFUSED, error->message);
        return NULL;
    }
    if (provider != NULL && !is_provider (config, rules, provider)) {
        g_autofree char *told = g_strdup_printf (_ ("there is no [provider %s]"), provider);

        relais_command_fail (call, RELAIS_EXIT_REFUSED, told);
        g_clear_pointer (&rules, bounce_rules_unref);
    }
    return rules;
}

/* --- explain ------------------------------------------------------------------------------------- */

static void
put_meaning (RelaisCommandCall *call, const char *reason)
{
    const char *name, *meaning;

    for (guint i = 0; (name = bounce_reason_nth (i, &meaning)) != NULL; i++)
        if (strcmp (name, reason) == 0) {
            g_autofree char *told = g_strdup_printf ("%s: %s.", name, meaning);

            relais_command_note (call, told);
        }
}

void
bounce_command_explain (RelaisCommandCall *call, gpointer data)
{
    static const char *const actions[] = {"keep", "defer", "bounce"};
    const BounceReply reply = {.provider = relais_command_option (call, "provider"),
                               .phase = relais_command_option (call, "phase"),
                               .text = relais_command_arg (call, 0)};
    BounceRules *rules;
    BounceVerdict verdict;

    if (relais_command_n_args (call) != 1 ||
        (reply.phase != NULL && replies_phase_parse (reply.phase) < 0)) {
        relais_command_fail (call, RELAIS_EXIT_USAGE,
                             _ ("expected one REPLY, in quotes, and a phase that is connect, "
                                "banner, ehlo, starttls, auth, mail, rcpt, data or body"));
        return;
    }
    rules = begin (call);
    if (rules == NULL)
        return;
    bounce_judge (rules, &reply, &verdict);
    put_verdict (call, &verdict);
    relais_command_put (call, "class", relais_suppress_class_to_string (verdict.suppress));
    relais_command_put (call, "action", actions[verdict.action]);
    relais_command_put (call, "place", find_place (rules, verdict.rule));
    relais_command_end_row (call);
    put_meaning (call, verdict.reason);
    bounce_rules_unref (rules);
    relais_command_finish (call);
}

/* --- replay -------------------------------------------------------------------------------------- */

typedef struct {
    RelaisCommandCall *call;
    const BounceRules *rules;
    const char *provider; /* of lines that say none; NULL */
} Replay;

static void
put_reply (Replay *replay, const BounceReply *reply)
{
    BounceReply known = *reply;
    BounceVerdict verdict;

    if (known.provider == NULL)
        known.provider = replay->provider;
    if (!is_provider (relais_command_config (replay->call), replay->rules, known.provider))
        known.provider = NULL;
    bounce_judge (replay->rules, &known, &verdict);
    put_verdict (replay->call, &verdict);
    relais_command_end_row (replay->call);
}

/* "# words": of people. A reply may begin with "#5.1.1". */
static bool
is_comment (const char *bytes, gsize size)
{
    return size > 0 && bytes[0] == '#' && (size == 1 || !g_ascii_isdigit (bytes[1]));
}

static void
put_line (Replay *replay, const char *bytes, gsize size)
{
    RepliesLine line;

    if (is_comment (bytes, size))
        return;
    replies_line_parse (bytes, size, &line);
    if (line.type == REPLIES_LINE_REPLY) {
        const BounceReply reply = {.provider = line.provider,
                                   .phase = line.phase,
                                   .code = line.code,
                                   .enhanced = line.enhanced,
                                   .text = line.text};

        if (line.code >= 400 || bytes[0] != '{')
            put_reply (replay, &reply);
    } else if (line.type == REPLIES_LINE_BAD || bytes[0] != '{') {
        /* Words without a code: what a report said. */
        g_autofree char *text = g_utf8_make_valid (bytes, (gssize)MIN (size, REPLIES_LINE_BYTES));
        const BounceReply reply = {.text = text};

        put_reply (replay, &reply);
    }
    replies_line_clear (&line);
}

static void
replay_file (Replay *replay, const char *bytes, gsize size)
{
    while (size > 0) {
        const char *end = memchr (bytes, '\n', size);
        gsize length = end != NULL ? (gsize)(end - bytes) : size;
        gsize step = end != NULL ? length + 1 : length;

        put_line (replay, bytes, length);
        bytes += step;
        size -= step;
    }
}

void
bounce_command_replay (RelaisCommandCall *call, gpointer data)
{
    GBytes *file = relais_command_file (call, "");
    Replay replay = {.call = call, .provider = relais_command_option (call, "provider")};
    BounceRules *rules;
    gsize size;
    const char *bytes;

    if (file == NULL || relais_command_n_args (call) != 1) {
        relais_command_fail (call, RELAIS_EXIT_USAGE, _ ("expected one FILE of replies"));
        return;
    }
    rules = begin (call);
    if (rules == NULL)
        return;
    replay.rules = rules;
    bytes = g_bytes_get_data (file, &size);
    replay_file (&replay, bytes, size);
    bounce_rules_unref (rules);
    relais_command_finish (call);
}
