/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The check of one message: finds the author domain's policy by walking up the DNS, then sees whether something
 * that SPF or DKIM vouches for is of the same organisation, and says what came of it. One question is under
 * way at a time. Loop thread.
 */
#include "dmarc.h"

#include <relais/timer.h>

#include <string.h>

enum { MAX_IDENTIFIERS = 10 };

/* What SPF or DKIM vouches for, or might if its DNS answered. */
typedef struct {
    char *domain;
    bool is_spf;
    bool unknown;
} Identifier;

typedef struct {
    const Dmarc *dmarc;
    const DmarcConfig *config; /* pinned with the hook */
    RelaisTicket *ticket;
    RelaisModuleTimer *deadline;
    RelaisLookup *lookup; /* under way, or NULL */
    char *author;         /* domain */
    DmarcWalk walk;       /* the author's */
    DmarcWalk other;      /* of identifiers[next] */
    Identifier identifiers[MAX_IDENTIFIERS];
    guint n_identifiers, next;
    bool temporary;  /* something that might have vouched could not be found out */
    guint existence; /* types asked of the author domain */
} Check;

static void go_on (Check *check);

/* --- Beginning and end ------------------------------------------------------------------------ */

static void
check_free (Check *check)
{
    relais_lookup_cancel (check->lookup);
    relais_module_timer_free (check->deadline);
    relais_ticket_unref (check->ticket);
    dmarc_walk_clear (&check->walk);
    dmarc_walk_clear (&check->other);
    for (guint i = 0; i < check->n_identifiers; i++)
        g_free (check->identifiers[i].domain);
    g_free (check->author);
    g_free (check);
}

static void
add_result (const Check *check, RelaisHook *hook, const char *result, const char *reason)
{
    const DmarcFound *found =
        check->walk.at == NULL || check->walk.n_found > 0 ? dmarc_walk_policy (&check->walk) : NULL;
    g_autofree char *from = g_strconcat ("header.from=", check->author, NULL);
    g_autofree char *p = NULL, *domain = NULL;

    if (found != NULL) {
        p = g_strconcat ("polrec.p=", dmarc_policy_to_string (found->record.p), NULL);
        if (!g_str_equal (found->domain, check->author))
            domain = g_strconcat ("polrec.domain=", found->domain, NULL);
    }
    relais_hook_add_auth_result (hook, "dmarc", result, reason,
                                 (const char *const[]){from, p, domain, NULL});
    relais_counter_add (check->dmarc->results, result, 1);
}

/* Ends the check: the message goes on with `verdict`. */
static void
finish (Check *check, const char *result, const char *reason, RelaisVerdict verdict)
{
    RelaisHook *hook = relais_ticket_get_hook (check->ticket);

    if (hook != NULL)
        add_result (check, hook, result, reason);
    relais_ticket_complete (check->ticket, verdict);
    check_free (check);
}

static void
on_cancel (gpointer data)
{
    check_free (data);
}

static void
on_deadline (gpointer data)
{
    finish (data, "temperror", "the DNS did not answer in time", RELAIS_VERDICT_CONTINUE);
}

/* --- What is wanted of a failure -------------------------------------------------------------- */

static RelaisVerdict
refuse (const Check *check)
{
    RelaisHook *hook = relais_ticket_get_hook (check->ticket);
    g_autofree char *text = g_strdup_printf (
        "neither SPF nor DKIM vouches for %s, whose owner asks to refuse such mail (DMARC)",
        check->author);

    if (hook != NULL)
        relais_hook_set_reply (hook, 550, "5.7.26", text);
    return RELAIS_VERDICT_REJECT;
}

static void
fail (Check *check, bool exists)
{
    const DmarcFound *found = dmarc_walk_policy (&check->walk);
    const DmarcPolicy wanted = dmarc_policy_wanted (found, check->author, exists);
    const DmarcPolicy done = MIN (wanted, check->config->enforce);

    finish (check, "fail", NULL,
            done == DMARC_REJECT       ? refuse (check)
            : done == DMARC_QUARANTINE ? RELAIS_VERDICT_QUARANTINE
                                       : RELAIS_VERDICT_CONTINUE);
}

/* --- Does the author domain exist? ------------------------------------------------------------ */

static const RelaisDnsType existence_types[] = {RELAIS_DNS_MX, RELAIS_DNS_A, RELAIS_DNS_AAAA};

static void ask_existence (Check *check);

static void
on_existence (const RelaisDnsAnswer *answer, gpointer data)
{
    Check *check = data;

    check->lookup = NULL;
    switch (relais_dns_answer_get_outcome (answer)) {
    case RELAIS_DNS_NXDOMAIN: fail (check, false); return;
    case RELAIS_DNS_NODATA:
        if (++check->existence < G_N_ELEMENTS (existence_types))
            ask_existence (check);
        else
            fail (check, false);
        return;
    default: fail (check, true); /* it does, or might */
    }
}

static void
ask_existence (Check *check)
{
    check->lookup = relais_lookup (check->dmarc->module, check->author,
                                   existence_types[check->existence], on_existence, check);
}

static void
no_one_vouches (Check *check)
{
    if (check->temporary)
        finish (check, "temperror", NULL, RELAIS_VERDICT_CONTINUE);
    else if (dmarc_policy_needs_existence (dmarc_walk_policy (&check->walk), check->author))
        ask_existence (check);
    else
        fail (check, true);
}

/* --- Walking ---------------------------------------------------------------------------------- */

static void
on_author (const RelaisDnsAnswer *answer, gpointer data)
{
    Check *check = data;

    check->lookup = NULL;
    if (dmarc_answer_is_unknown (answer)) {
        finish (check, "temperror", "the policy could not be looked up", RELAIS_VERDICT_CONTINUE);
        return;
    }
    dmarc_walk_take_answer (&check->walk, answer);
    go_on (check);
}

static void
on_other (const RelaisDnsAnswer *answer, gpointer data)
{
    Check *check = data;

    check->lookup = NULL;
    if (dmarc_answer_is_unknown (answer)) {
        check->temporary = true;
        check->next++;
        dmarc_walk_clear (&check->other);
    } else {
        dmarc_walk_take_answer (&check->other, answer);
    }
    go_on (check);
}

static bool
ask_next (Check *check, const DmarcWalk *walk, RelaisLookupFunc func)
{
    check->lookup = dmarc_walk_ask (walk, check->dmarc->module, func, check);
    return check->lookup != NULL;
}

/* --- Alignment -------------------------------------------------------------------------------- */

static bool
author_is_vouched_for (const Check *check)
{
    for (guint i = 0; i < check->n_identifiers; i++)
        if (!check->identifiers[i].unknown &&
            g_str_equal (check->identifiers[i].domain, check->author))
            return true;
    return false;
}

/* Whether `domain` is `above` or stands below it: only then can it be of that organisation. */
static bool
is_below (const char *domain, const char *above)
{
    const gsize size = strlen (domain), tail = strlen (above);

    return size >= tail && g_str_equal (domain + size - tail, above) &&
           (size == tail || domain[size - tail - 1] == '.');
}

static bool
may_align (const Check *check, const Identifier *identifier)
{
    const DmarcRecord *record = &dmarc_walk_policy (&check->walk)->record;

    if (g_str_equal (identifier->domain, check->author))
        return true;
    return !(identifier->is_spf ? record->strict_spf : record->strict_dkim) &&
           is_below (identifier->domain, dmarc_walk_organisation (&check->walk));
}

/* Goes through the identifiers until one is of the author's organisation. */
static void
align_next (Check *check)
{
    for (; check->next < check->n_identifiers; check->next++) {
        const Identifier *identifier = &check->identifiers[check->next];

        if (!may_align (check, identifier))
            continue;
        if (identifier->unknown) {
            check->temporary = true;
            continue;
        }
        if (check->other.start == NULL)
            dmarc_walk_init (&check->other, identifier->domain);
        if (ask_next (check, &check->other, on_other))
            return;
        if (g_str_equal (dmarc_walk_organisation (&check->other),
                         dmarc_walk_organisation (&check->walk))) {
            finish (check, "pass", NULL, RELAIS_VERDICT_CONTINUE);
            return;
        }
        dmarc_walk_clear (&check->other);
    }
    no_one_vouches (check);
}

/* Does what comes next. */
static void
go_on (Check *check)
{
    const DmarcWalk *walk = &check->walk;
    const DmarcFound *found;

    if (walk->n_found > 0 && g_str_equal (walk->found[0].domain, check->author) &&
        author_is_vouched_for (check)) {
        finish (check, "pass", NULL, RELAIS_VERDICT_CONTINUE);
        return;
    }
    if (ask_next (check, walk, on_author))
        return;
    found = dmarc_walk_policy (walk);
    if (found == NULL)
        finish (check, "none", NULL, RELAIS_VERDICT_CONTINUE);
    else if (dmarc_policy_wanted (found, check->author, true) == DMARC_UNSET)
        finish (check, "permerror", "the record has no valid policy", RELAIS_VERDICT_CONTINUE);
    else if (author_is_vouched_for (check))
        finish (check, "pass", NULL, RELAIS_VERDICT_CONTINUE);
    else
        align_next (check);
}

/* --- What SPF and DKIM found ------------------------------------------------------------------ */

static void
add_identifier (Check *check, const char *address, bool is_spf, bool unknown)
{
    const char *at = address != NULL ? strrchr (address, '@') : NULL;
    const char *domain = at != NULL ? at + 1 : address;

    if (domain != NULL && domain[0] != '\0' && check->n_identifiers < MAX_IDENTIFIERS)
        check->identifiers[check->n_identifiers++] =
            (Identifier){g_ascii_strdown (domain, -1), is_spf, unknown};
}

static const char *
identity_of (const RelaisHook *hook, guint32 n, bool is_spf)
{
    const char *from = relais_hook_get_auth_property (hook, n, "smtp.mailfrom");

    if (!is_spf)
        return relais_hook_get_auth_property (hook, n, "header.d");
    return from != NULL ? from : relais_hook_get_auth_property (hook, n, "smtp.helo");
}

static void
collect (Check *check, const RelaisHook *hook, const char *result)
{
    for (guint32 i = 0; i < relais_hook_n_auth_results (hook); i++) {
        const char *method = relais_hook_get_auth_method (hook, i);
        const bool is_spf = g_str_equal (method, "spf");

        if ((is_spf || g_str_equal (method, "dkim")) &&
            g_str_equal (relais_hook_get_auth_result (hook, i), result))
            add_identifier (check, identity_of (hook, i, is_spf), is_spf,
                            !g_str_equal (result, "pass"));
    }
}

/* There is nobody whose policy could be asked for: what is done is the operator's to say (RFC 7489 section 6.6.1
 * leaves it to the receiver). The result stays "none", as RFC 7489 section 11.2 has it where no identifier can be
 * extracted. */
static RelaisVerdict
without_author (RelaisHook *hook, const Dmarc *dmarc, const DmarcConfig *config)
{
    relais_hook_add_auth_result (hook, "dmarc", "none", "no single author", NULL);
    relais_counter_add (dmarc->results, "none", 1);
    switch (config->no_author) {
    case DMARC_REJECT:
        relais_hook_set_reply (hook, 550, "5.7.1",
                               "the From field must name exactly one author, so that his domain's "
                               "policy (DMARC) can be asked for");
        return RELAIS_VERDICT_REJECT;
    case DMARC_QUARANTINE: return RELAIS_VERDICT_QUARANTINE;
    case DMARC_UNSET:
    case DMARC_NONE:
    case DMARC_INVALID: break;
    }
    return RELAIS_VERDICT_CONTINUE;
}

RelaisVerdict
dmarc_check (RelaisHook *hook, const Dmarc *dmarc)
{
    const char *from = relais_message_get_header_from (relais_hook_get_message (hook));
    const char *at = from != NULL ? strrchr (from, '@') : NULL;
    const DmarcConfig *config = relais_hook_get_config (hook);
    Check *check;

    if (at == NULL)
        return without_author (hook, dmarc, config);
    check = g_new (Check, 1);
    *check = (Check){.dmarc = dmarc, .config = config, .author = g_strdup (at + 1)};
    collect (check, hook, "pass");
    collect (check, hook, "temperror");
    dmarc_walk_init (&check->walk, check->author);
    check->ticket =
        relais_hook_suspend (hook, "DMARC policy", 2 * config->timeout_us, on_cancel, check);
    check->deadline = relais_module_timer_new (dmarc->module, on_deadline, check);
    relais_module_timer_set (check->deadline, config->timeout_us);
    go_on (check);
    return RELAIS_VERDICT_PENDING;
}
