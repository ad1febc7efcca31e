/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The verdict over one hit. Each sign speaks for a class; where they disagree the more doubtful one wins, so that a
 * sign can only ever take a hit away from the people. Pure; any thread.
 */
#include "who.h"

#include <string.h>

/* In the order in which reasons are told. */
typedef enum { HEAD, TRAP, BURST, PREFETCH, SOON, NO_AGENT, N_SIGNS } Sign;

static const struct {
    TrackingClass klass;
    const char *reason;
} table[N_SIGNS] = {
    /* Nothing that shows mail or pages to a reader asks by HEAD; link checkers do. */
    [HEAD] = {TRACKING_MACHINE, "head"},
    /* Nobody can see that link; what followed it follows all that it finds. */
    [TRAP] = {TRACKING_MACHINE, "trap"},
    /* A reader follows one link at a time, and reads in between. */
    [BURST] = {TRACKING_MACHINE, "burst"},
    /* Nobody followed it yet; if its reader does now, nothing more may be asked of us. */
    [PREFETCH] = {TRACKING_SUSPECT, "prefetch"},
    /* Gateways look before they put a message into the mailbox. A reader who happens to look there at that moment
     * is possible, hence no more than doubt. */
    [SOON] = {TRACKING_SUSPECT, "soon"},
    /* Every browser and mail program says what it is. */
    [NO_AGENT] = {TRACKING_MACHINE, "no-agent"},
};

const char *
tracking_class_to_string (TrackingClass klass)
{
    switch (klass) {
    case TRACKING_HUMAN: return "human";
    case TRACKING_SUSPECT: return "suspect";
    case TRACKING_MACHINE:
    default: return "machine";
    }
}

/* Room for all of them is certain: names are bounded. */
static void
add_reason (TrackingVerdict *verdict, const char *word, const char *name)
{
    const char *comma = verdict->reasons[0] != '\0' ? "," : "";

    g_strlcat (verdict->reasons, comma, sizeof verdict->reasons);
    g_strlcat (verdict->reasons, word, sizeof verdict->reasons);
    g_strlcat (verdict->reasons, name, sizeof verdict->reasons);
}

static void
add_rule (TrackingVerdict *verdict, const TrackingRule *rule, bool click, const char *word)
{
    TrackingClass klass;

    if (rule == NULL)
        return;
    klass = (TrackingClass)rule->klass[click];
    verdict->klass = MAX (verdict->klass, klass);
    if (klass != TRACKING_HUMAN)
        add_reason (verdict, word, rule->name);
}

/* The more doubtful one names it; the agent if they are equal, which says more than where it came from. */
static const char *
choose_name (const TrackingRule *net, const TrackingRule *agent, bool click)
{
    if (net == NULL || agent == NULL)
        return net != NULL ? net->name : agent != NULL ? agent->name : NULL;
    return net->klass[click] > agent->klass[click] ? net->name : agent->name;
}

/* A copy in lower case of what is looked at, without blanks around it. */
static void
fold_agent (const char *agent, char folded[TRACKING_AGENT_MAX + 1])
{
    gsize n = 0;

    while (agent != NULL && g_ascii_isspace (*agent))
        agent++;
    while (agent != NULL && agent[n] != '\0' && n < TRACKING_AGENT_MAX) {
        folded[n] = g_ascii_tolower (agent[n]);
        n++;
    }
    while (n > 0 && g_ascii_isspace (folded[n - 1]))
        n--;
    folded[n] = '\0';
}

void
tracking_who (const TrackingRules *rules, const TrackingSigns *signs, TrackingVerdict *verdict)
{
    char agent[TRACKING_AGENT_MAX + 1];
    const gint64 soon_us = tracking_rules_seconds (rules, signs->click) * G_USEC_PER_SEC;
    const TrackingRule *net = tracking_rules_find_net (rules, signs->address), *program;
    bool seen[N_SIGNS];

    fold_agent (signs->agent, agent);
    program = tracking_rules_find_agent (rules, agent, signs->click);
    *verdict = (TrackingVerdict){.klass = TRACKING_HUMAN};
    seen[HEAD] = signs->head;
    seen[TRAP] = signs->trap;
    seen[BURST] = signs->burst;
    seen[PREFETCH] = signs->prefetch;
    seen[SOON] = signs->after_us >= 0 && signs->after_us <= soon_us;
    seen[NO_AGENT] = agent[0] == '\0' || strcmp (agent, "-") == 0;
    for (guint i = 0; i < N_SIGNS; i++)
        if (seen[i]) {
            verdict->klass = MAX (verdict->klass, table[i].klass);
            add_reason (verdict, table[i].reason, "");
        }
    add_rule (verdict, net, signs->click, "net:");
    add_rule (verdict, program, signs->click, "agent:");
    verdict->proxy = choose_name (net, program, signs->click);
    tracking_agent_read (agent, signs->click, &verdict->client, &verdict->platform);
}
