/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From what a report says to what it means. Of a failure the rules judge as of a reply in the dialogue; what only waits
 * is temporary, whatever its words; who complained is out. Pure; any thread.
 */
#include "report-judge.h"

#include <string.h>

#include "report-words.h"

enum { ADDRESSES = 20 };

/* Behind "550 " or "550-"; the code is in the reply already. */
static const char *
skip_code (const char *text)
{
    for (guint i = 0; i < 3; i++)
        if (!g_ascii_isdigit (text[i]))
            return text;
    return text[3] == ' ' || text[3] == '-' ? text + 4 : text[3] == '\0' ? text + 3 : text;
}

/* Without any code the action is what is known: who reports a failure has given up (RFC 3464 section 2.3.3). */
static const char *
enhanced_of (const BounceReportRecipient *recipient)
{
    if (recipient->status != NULL || recipient->code != 0)
        return recipient->status;
    return recipient->action == BOUNCE_REPORT_FAILED ? "5.0.0" : NULL;
}

char **
bounce_text_dup_addresses (const char *text)
{
    g_autoptr (GPtrArray) found = g_ptr_array_new ();
    const gsize size = text != NULL ? strlen (text) : 0;
    BounceAddress at = {0};

    while (found->len < ADDRESSES && size > 0 && bounce_address_find (text, size, at.to, &at))
        g_ptr_array_add (found, bounce_address_dup (text, &at));
    g_ptr_array_add (found, NULL);
    return (char **)g_ptr_array_free (g_steal_pointer (&found), FALSE);
}

static bool
is_of_name (char c)
{
    return g_ascii_isalnum (c) || c == '-' || c == '_';
}

/* Whether the domain stands in the words; `below`: or a host of it. */
static bool
names_domain (const char *text, const char *domain, bool below)
{
    const gsize size = strlen (domain);

    for (const char *at = text; *at != '\0'; at++) {
        const char *end = at + size;

        if (g_ascii_strncasecmp (at, domain, size) != 0 || (at > text && is_of_name (at[-1])) ||
            (at > text && at[-1] == '.' && !below))
            continue;
        if (!is_of_name (end[0]) && (end[0] != '.' || !is_of_name (end[1])))
            return true;
    }
    return false;
}

static const char *
domain_of (const char *address)
{
    const char *at = address != NULL ? strrchr (address, '@') : NULL;

    return at != NULL ? at + 1 : address;
}

void
bounce_verdict_look_for_sender (BounceVerdict *verdict, const char *text, const char *recipient,
                                const char *const *senders)
{
    const char *of_recipient = domain_of (recipient);

    if (verdict->scope != RELAIS_BOUNCE_DOMAIN || text == NULL ||
        (of_recipient != NULL && *of_recipient != '\0' && names_domain (text, of_recipient, false)))
        return;
    for (; *senders != NULL; senders++) {
        const char *domain = domain_of (*senders);

        if (*domain == '\0' || !names_domain (text, domain, true))
            continue;
        verdict->scope = RELAIS_BOUNCE_AUTH;
        verdict->reason = "sender-refused";
        verdict->suppress = RELAIS_SUPPRESS_NONE;
        return;
    }
}

/* Whether the words name the sender: then it may be he who is unknown. */
static bool
names_sender (const BounceReport *report, const char *text)
{
    g_auto (GStrv) addresses = bounce_text_dup_addresses (text);

    for (char **address = addresses; report->sender != NULL && *address != NULL; address++)
        if (g_ascii_strcasecmp (*address, report->sender) == 0)
            return true;
    return false;
}

static void
judge_words (const BounceRules *rules, const BounceReport *report,
             const BounceReportRecipient *recipient, BounceVerdict *verdict)
{
    const BounceReply reply = {
        .phase = recipient->phase,
        .code = recipient->code,
        .enhanced = enhanced_of (recipient),
        .text = recipient->diagnostic != NULL ? skip_code (recipient->diagnostic) : NULL};

    bounce_judge (rules, &reply, verdict);
    if (verdict->suppress != RELAIS_SUPPRESS_NONE && names_sender (report, recipient->diagnostic))
        verdict->suppress = RELAIS_SUPPRESS_NONE;
    /* The report's word for who the sender was is enough to spare a recipient, and for no more. */
    if (verdict->suppress != RELAIS_SUPPRESS_NONE && report->sender != NULL)
        bounce_verdict_look_for_sender (verdict, recipient->diagnostic, recipient->recipient,
                                        (const char *const[]){report->sender, NULL});
    if (recipient->action != BOUNCE_REPORT_DELAYED)
        return;
    verdict->permanence = RELAIS_PERMANENCE_TEMPORARY;
    verdict->suppress = RELAIS_SUPPRESS_NONE;
}

/* Types of RFC 5965 section 3.5, RFC 6591, RFC 6650 and those in use: a person wants no more of it. */
static RelaisSuppressClass
class_of_feedback (const char *type)
{
    static const char *const complaints[] = {"abuse", "fraud", "miscategorized", NULL};

    if (g_strv_contains (complaints, type))
        return RELAIS_SUPPRESS_COMPLAINT;
    return g_str_has_prefix (type, "opt-out") ? RELAIS_SUPPRESS_UNSUBSCRIBE : RELAIS_SUPPRESS_NONE;
}

void
bounce_report_judge (const BounceRules *rules, const BounceReport *report,
                     const BounceReportRecipient *recipient, BounceVerdict *verdict)
{
    *verdict = (BounceVerdict){.scope = RELAIS_BOUNCE_UNKNOWN,
                               .permanence = RELAIS_PERMANENCE_UNKNOWN,
                               .suppress = RELAIS_SUPPRESS_NONE,
                               .action = BOUNCE_ACTION_KEEP,
                               .reason = "unknown",
                               .rule = bounce_report_kind_to_string (report->kind)};
    if (report->kind == BOUNCE_REPORT_FEEDBACK) {
        verdict->suppress = class_of_feedback (report->feedback_type);
        verdict->reason = verdict->suppress != RELAIS_SUPPRESS_NONE ? "complaint" : "unknown";
        return;
    }
    if (recipient == NULL ||
        (report->kind != BOUNCE_REPORT_DSN && report->kind != BOUNCE_REPORT_FREETEXT))
        return;
    if (recipient->action == BOUNCE_REPORT_FAILED || recipient->action == BOUNCE_REPORT_DELAYED)
        judge_words (rules, report, recipient, verdict);
}
