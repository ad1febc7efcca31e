/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * spf-check: whether the client may send mail of the sender's domain, by the SPF record of that domain (RFC 7208).
 * MAIL waits for the verdict, with a ticket, and does what is configured for it; MESSAGE puts it into the header.
 * Who is authenticated, trusted or listed is not checked. Loop thread.
 */
#include "spf-check.h"

#include <relais/log.h>
#include <relais/timer.h>

#include <glib/gi18n-lib.h>
#include <string.h>

#include "waiting.h"

/* Beyond the check's own deadline: it ends the check first. */
#define TICKET_US (10 * G_USEC_PER_SEC)

#define ACTIONS "accept|tag|defer|reject"
#define RESULT(result, doc)                                                                        \
    {                                                                                              \
        "spf-check", result, RELAIS_OPTION_ENUM, RELAIS_OPTION_RELOADABLE, "tag", 0, 0, ACTIONS,   \
            doc                                                                                    \
    }

static const RelaisOption options[] = {
    {"spf-check", "skip", RELAIS_OPTION_LIST, RELAIS_OPTION_REPEAT | RELAIS_OPTION_RELOADABLE, NULL,
     0, 0, NULL,
     N_ ("Clients that are not checked, addresses and nets: own forwarders and secondary MX hosts. "
         "Authenticated and trusted clients never are.")},
    RESULT ("none", N_ ("The domain has no SPF record: accept, tag, defer or reject.")),
    RESULT ("neutral", N_ ("The record does not say: accept, tag, defer or reject.")),
    RESULT ("pass", N_ ("The client may send the domain's mail: accept, tag, defer or reject.")),
    RESULT ("fail", N_ ("The client may not: accept, tag, defer or reject. Rejecting also refuses "
                        "forwarded mail that its DKIM signature vouches for; tag leaves that to "
                        "DMARC.")),
    RESULT ("softfail", N_ ("The client probably may not: accept, tag, defer or reject.")),
    RESULT ("temperror", N_ ("DNS did not answer: accept, tag, defer or reject.")),
    RESULT ("permerror", N_ ("The record is in error: accept, tag, defer or reject.")),
    {"spf-check", "terms", RELAIS_OPTION_INT, RELAIS_OPTION_RELOADABLE, "10", 1, 50, NULL,
     N_ ("Terms of all records of a check that may need DNS; one more is permerror.")},
    {"spf-check", "void_lookups", RELAIS_OPTION_INT, RELAIS_OPTION_RELOADABLE, "2", 0, 50, NULL,
     N_ ("Of these, how many may ask for what does not exist; one more is permerror.")},
    {"spf-check", "mx_names", RELAIS_OPTION_INT, RELAIS_OPTION_RELOADABLE, "10", 1, 50, NULL,
     N_ ("Hosts that an mx may have; one more is permerror.")},
    {"spf-check", "ptr_names", RELAIS_OPTION_INT, RELAIS_OPTION_RELOADABLE, "10", 1, 50, NULL,
     N_ ("Names of the client that are looked at; others are not.")},
    {"spf-check", "deadline", RELAIS_OPTION_DURATION, RELAIS_OPTION_RELOADABLE, "20s",
     G_USEC_PER_SEC, 300 * G_USEC_PER_SEC, NULL,
     N_ ("Time for a whole check; then it is temperror.")},
    {"spf-check", "evaluator", RELAIS_OPTION_ENUM, 0, "own", 0, 0, "own|libspf2",
     N_ ("Whose verdict counts: own is RFC 7208's; libspf2 is that library's, in a process of its "
         "own, "
         "without explanations. Where its process fails, own steps in.")},
    {"spf-check", "explain", RELAIS_OPTION_BOOL, RELAIS_OPTION_RELOADABLE, "no", 0, 0, NULL,
     N_ ("Fetch the domain's explanation of a fail and hand it on in the answer.")},
};

static const RelaisCommand commands[] = {
    {"spf", "eval", N_ ("IP MAILFROM HELO"), "",
     N_ ("Check a sender as mail would be: result, cost and every answer of DNS."),
     RELAIS_COMMAND_ONLINE, 0, spf_command_eval},
    {"spf", "test", N_ ("DOMAIN"), "",
     N_ ("Look the SPF record of a domain up and see whether it lets our sources send."),
     RELAIS_COMMAND_ONLINE, 0, spf_command_test},
};

/* --- MAIL ------------------------------------------------------------------------------------- */

/* A MAIL command that waits for its check. */
typedef struct {
    SpfModule *spf;
    RelaisTicket *ticket;
    SpfCheck *check;
} Wait;

static void
wait_free (Wait *wait)
{
    relais_ticket_unref (wait->ticket);
    g_free (wait);
}

/* Why there is nothing to check, for the counter; NULL if there is. */
static const char *
skip_reason (const RelaisHook *hook, const SpfConfig *config)
{
    const char *client = relais_hook_get_client (hook);
    SpfIp ip;

    if (relais_hook_get_user (hook) != NULL)
        return "authenticated";
    if (relais_hook_get_trusted (hook))
        return "trusted";
    if (client == NULL || !spf_ip_parse (client, &ip))
        return "no-address";
    return spf_config_skips (config, &ip) ? "listed" : NULL;
}

static SpfSubject
subject_of (const RelaisHook *hook)
{
    const SpfConfig *config = relais_hook_get_config (hook);

    return (SpfSubject){relais_hook_get_client (hook), relais_hook_get_sender (hook),
                        relais_hook_get_helo (hook), config->receiver};
}

static RelaisVerdict
refuse (RelaisHook *hook, const SpfVerdict *verdict, bool defer)
{
    /* RFC 7372 section 3.2: SPF validation failed, or was in error. */
    const bool error = verdict->result == SPF_TEMPERROR || verdict->result == SPF_PERMERROR;
    const char *enhanced = defer ? (error ? "4.7.24" : "4.7.23") : (error ? "5.7.24" : "5.7.23");
    const SpfSubject subject = subject_of (hook);
    g_autofree char *text = spf_report_reply (verdict, &subject);

    relais_hook_set_reply (hook, defer ? 451 : 550, enhanced, text);
    return defer ? RELAIS_VERDICT_TEMPFAIL : RELAIS_VERDICT_REJECT;
}

static RelaisVerdict
act (SpfModule *spf, RelaisHook *hook, SpfVerdict *verdict)
{
    const SpfConfig *config = relais_hook_get_config (hook);

    relais_counter_add (spf->results, spf_result_to_string (verdict->result), 1);
    switch (config->actions[verdict->result]) {
    case SPF_ACTION_DEFER: return refuse (hook, verdict, true);
    case SPF_ACTION_REJECT: return refuse (hook, verdict, false);
    case SPF_ACTION_TAG:
    case SPF_ACTION_ACCEPT: break;
    }
    return RELAIS_VERDICT_CONTINUE;
}

static void
on_verdict (SpfVerdict *verdict, gpointer data)
{
    Wait *wait = data;
    RelaisHook *hook = relais_ticket_get_hook (wait->ticket);
    RelaisVerdict answer = RELAIS_VERDICT_CONTINUE;

    if (hook != NULL)
        answer = act (wait->spf, hook, verdict);
    if (hook == NULL || !relais_hook_set_slot (hook, wait->spf->slot, verdict))
        spf_verdict_free (verdict);
    relais_ticket_complete (wait->ticket, answer);
    wait_free (wait);
}

/* The session ended, or did not want to wait any longer. */
static void
on_cancel (gpointer data)
{
    Wait *wait = data;

    spf_check_cancel (wait->check);
    wait_free (wait);
}

static RelaisVerdict
mail (RelaisHook *hook, gpointer data)
{
    SpfModule *spf = data;
    const SpfConfig *config = relais_hook_get_config (hook);
    const char *reason = skip_reason (hook, config);
    const SpfSubject subject = subject_of (hook);
    const SpfIdentity identity = {subject.ip, subject.sender, subject.helo, subject.receiver,
                                  relais_module_wall_us (relais_hook_get_module (hook)) /
                                      G_USEC_PER_SEC};
    Wait *wait;

    if (reason != NULL) {
        relais_counter_add (spf->skipped, reason, 1);
        return RELAIS_VERDICT_CONTINUE;
    }
    wait = g_new0 (Wait, 1);
    wait->spf = spf;
    wait->ticket =
        relais_hook_suspend (hook, "SPF", config->deadline_us + TICKET_US, on_cancel, wait);
    if (wait->ticket == NULL) {
        g_free (wait);
        return RELAIS_VERDICT_CONTINUE;
    }
    wait->check = spf_check_start (spf, config, &identity, false, on_verdict, wait);
    return RELAIS_VERDICT_PENDING;
}

/* --- MESSAGE ---------------------------------------------------------------------------------- */

static void
add_result (RelaisHook *hook, const SpfVerdict *verdict, const SpfSubject *subject)
{
    g_autofree char *property = verdict->is_helo
                                    ? g_strconcat ("smtp.helo=", subject->helo, NULL)
                                    : g_strconcat ("smtp.mailfrom=", subject->sender, NULL);
    const char *const properties[] = {property, NULL};
    const char *result = spf_result_to_string (verdict->result);

    if (!relais_hook_add_auth_result (hook, "spf", result, NULL, properties))
        relais_hook_add_auth_result (hook, "spf", result, NULL, NULL);
}

static RelaisVerdict
message (RelaisHook *hook, gpointer data)
{
    SpfModule *spf = data;
    const SpfConfig *config = relais_hook_get_config (hook);
    const SpfVerdict *verdict = relais_hook_get_slot (hook, spf->slot);
    const SpfSubject subject = subject_of (hook);
    g_autofree char *field = NULL;

    if (verdict == NULL || config->actions[verdict->result] == SPF_ACTION_ACCEPT)
        return RELAIS_VERDICT_CONTINUE;
    add_result (hook, verdict, &subject);
    field = spf_report_field (verdict, &subject);
    if (!relais_hook_prepend_header (hook, field, strlen (field)))
        relais_log (spf->module, RELAIS_LOG_WARNING, "Received-SPF was not taken");
    return RELAIS_VERDICT_CONTINUE;
}

/* --- The module ------------------------------------------------------------------------------- */

static gboolean
init (RelaisModule *module, GError **error)
{
    SpfModule *spf = g_new0 (SpfModule, 1);
    const RelaisHookInfo before = {
        .struct_size = sizeof before,
        .hook = RELAIS_HOOK_MAIL,
        .name = "mail",
        .func = mail,
        .data = spf,
    };
    const RelaisHookInfo after = {
        .struct_size = sizeof after,
        .hook = RELAIS_HOOK_MESSAGE,
        .name = "message",
        .stage = RELAIS_STAGE_MODIFY,
        .func = message,
        .data = spf,
    };

    spf->module = module;
    g_queue_init (&spf->calls);
    spf->slot = relais_slot_new (module, RELAIS_SCOPE_TRANSACTION, spf_verdict_free);
    spf->results = relais_counter_new (module, "spf_results", "result");
    spf->skipped = relais_counter_new (module, "spf_skipped", "reason");
    spf->failures = relais_counter_new (module, "spf_libspf2_failures", "reason");
    relais_module_set_data (module, spf);
    return relais_module_add_hook (module, &before, error) &&
           relais_module_add_hook (module, &after, error);
}

static gboolean
prepare_config (RelaisModule *module, RelaisConfig *config, gpointer *object, GError **error)
{
    *object = spf_config_new (config, error);
    return *object != NULL;
}

/* The program has to be there if it is asked for; the first check starts it. */
static gboolean
start (RelaisModule *module, GError **error)
{
    SpfModule *spf = relais_module_get_data (module);
    const SpfConfig *config = relais_module_get_config (module);
    const RelaisHelperInfo info = {.struct_size = sizeof info, .program = "spf-check-libspf2"};

    if (!config->libspf2)
        return TRUE;
    spf->libspf2 = relais_helper_new (module, &info, error);
    return spf->libspf2 != NULL;
}

static void
stop (RelaisModule *module)
{
    SpfModule *spf = relais_module_get_data (module);

    waiting_calls_end_all (&spf->calls);
    relais_helper_free (g_steal_pointer (&spf->libspf2));
}

static void
finalize (RelaisModule *module)
{
    g_free (relais_module_get_data (module));
}

static const RelaisModuleOps ops = {
    .struct_size = sizeof ops,
    .init = init,
    .prepare_config = prepare_config,
    .free_config = spf_config_free,
    .start = start,
    .stop = stop,
    .finalize = finalize,
};

RELAIS_MODULE_DEFINE (spf_check, .name = "spf-check", .version = RELAIS_VERSION,
                      .summary = N_ ("checks by SPF whether a client may send a domain's mail"),
                      .license = "GPL-3.0-or-later", .gettext_domain = GETTEXT_PACKAGE,
                      .options = options, .n_options = G_N_ELEMENTS (options), .commands = commands,
                      .n_commands = G_N_ELEMENTS (commands), .ops = &ops);
