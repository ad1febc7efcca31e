/* SPDX-License-Identifier: MIT
 *
 * recipient-callout: asks a service by HTTP whether a recipient exists, before RCPT is answered. The session is
 * suspended meanwhile. 2xx: he does, and is remembered for a while; 404 and 410: he does not, 550; whatever else, and no
 * answer in time: as [recipient-callout] on_error says. Loop thread alone.
 */
#include <relais/counter.h>
#include <relais/fetch.h>
#include <relais/hook.h>
#include <relais/log.h>
#include <relais/module.h>
#include <relais/timer.h>

#include <string.h>

#define SECTION "recipient-callout"
#define RELOADABLE RELAIS_OPTION_RELOADABLE
enum { GRACE_US = G_USEC_PER_SEC }; /* that the ticket outlives the fetch: the fetch tells more */

typedef struct {
    char *url;
    char **domains;
    gint64 timeout_us, keep_us;
    guint keep_entries;
    gboolean tolerant;
} Settings;

typedef struct {
    RelaisModule *module;
    RelaisCounter *asked;
    GHashTable *known; /* address -> gint64 *, until when */
} Callout;

/* One question. It lives until the fetch is done, or cancelled because the client has gone. */
typedef struct {
    Callout *self;
    RelaisTicket *ticket;
    guint64 fetch;
    char *address;
    const Settings *settings; /* pinned for the call: not to be looked at once that is over */
} Question;

static const RelaisOption options[] = {
    {SECTION, "url", RELAIS_OPTION_STRING, RELOADABLE, NULL, 0, 0, NULL,
     "What is asked; the address, percent-encoded, is put behind it. Unset: nobody is asked."},
    {SECTION, "domains", RELAIS_OPTION_LIST, RELOADABLE, NULL, 0, 0, NULL,
     "Domains whose recipients are asked about."},
    {SECTION, "timeout", RELAIS_OPTION_DURATION, RELOADABLE, "5s", G_USEC_PER_SEC / 10,
     G_GINT64_CONSTANT (60) * G_USEC_PER_SEC, NULL, "How long an answer is waited for."},
    {SECTION, "keep", RELAIS_OPTION_DURATION, RELOADABLE, "10m", 0,
     G_GINT64_CONSTANT (86400) * G_USEC_PER_SEC, NULL,
     "How long a recipient that exists is known."},
    {SECTION, "keep_entries", RELAIS_OPTION_INT, RELOADABLE, "10000", 1, 1000000, NULL,
     "How many are known at most; beyond it all are asked about anew."},
    {SECTION, "on_error", RELAIS_OPTION_ENUM, RELOADABLE, "tempfail", 0, 0, "tempfail|accept",
     "What is done when the service gives no answer."},
};

/* --- Configuration ---------------------------------------------------------------------------- */

static void
free_config (gpointer object)
{
    Settings *settings = object;

    g_free (settings->url);
    g_strfreev (settings->domains);
    g_free (settings);
}

static gboolean
prepare_config (RelaisModule *module, RelaisConfig *config, gpointer *object, GError **error)
{
    const RelaisSection *section = relais_config_find_section (config, SECTION, NULL);
    Settings *settings = g_new (Settings, 1);

    *settings = (Settings){
        .url = g_strdup (relais_section_get_string (section, "url")),
        .domains = g_strdupv ((gchar **)relais_section_get_list (section, "domains")),
        .timeout_us = relais_section_get_int (section, "timeout"),
        .keep_us = relais_section_get_int (section, "keep"),
        .keep_entries = (guint)relais_section_get_int (section, "keep_entries"),
        .tolerant = relais_section_get_enum (section, "on_error") == 1,
    };
    *object = settings;
    return TRUE;
}

/* --- Who is known ----------------------------------------------------------------------------- */

static gboolean
knows (Callout *self, const char *address)
{
    const gint64 *until_us = g_hash_table_lookup (self->known, address);

    return until_us != NULL && *until_us > relais_module_now_us (self->module);
}

/* Where no room is left, all are asked about anew: that is bounded, too. */
static void
remember (Callout *self, const char *address, const Settings *settings)
{
    gint64 *until_us = g_new (gint64, 1);

    if (g_hash_table_size (self->known) >= settings->keep_entries)
        g_hash_table_remove_all (self->known);
    *until_us = relais_module_now_us (self->module) + settings->keep_us;
    g_hash_table_insert (self->known, g_strdup (address), until_us);
}

/* --- Asking ----------------------------------------------------------------------------------- */

static RelaisVerdict
judge (Question *question, const RelaisFetchResult *result, RelaisHook *hook)
{
    Callout *self = question->self;
    const gboolean answered = result->outcome == RELAIS_FETCH_OK;

    if (answered && result->status / 100 == 2) {
        relais_counter_add (self->asked, "exists", 1);
        remember (self, question->address, question->settings);
        return RELAIS_VERDICT_CONTINUE;
    }
    if (answered && (result->status == 404 || result->status == 410)) {
        relais_counter_add (self->asked, "absent", 1);
        relais_hook_set_reply (hook, 550, "5.1.1", "No such recipient");
        return RELAIS_VERDICT_REJECT;
    }
    relais_counter_add (self->asked, "error", 1);
    relais_log (self->module, RELAIS_LOG_WARNING, "no answer about a recipient: %s %s, status %u",
                relais_fetch_outcome_to_string (result->outcome), result->text, result->status);
    if (question->settings->tolerant)
        return RELAIS_VERDICT_CONTINUE;
    relais_hook_set_reply (hook, 451, "4.4.3", "Recipient cannot be verified now");
    return RELAIS_VERDICT_TEMPFAIL;
}

static void
question_free (Question *question)
{
    relais_ticket_unref (question->ticket);
    g_free (question->address);
    g_free (question);
}

static void
on_answer (const RelaisFetchResult *result, gpointer data)
{
    Question *question = data;
    RelaisHook *hook = relais_ticket_get_hook (question->ticket);

    if (hook != NULL) /* else the ticket is being ended */
        relais_ticket_complete (question->ticket, judge (question, result, hook));
    question_free (question);
}

/* The client has gone: nobody wants to know any more. */
static void
on_gone (gpointer data)
{
    Question *question = data;

    if (relais_fetch_cancel (question->self->module, question->fetch))
        question_free (question);
}

static gboolean
ask (Question *question)
{
    g_autofree char *escaped = g_uri_escape_string (question->address, NULL, FALSE);
    g_autofree char *url = g_strconcat (question->settings->url, escaped, NULL);
    const RelaisFetchInfo info = {.struct_size = sizeof info,
                                  .url = url,
                                  .timeout_us = question->settings->timeout_us,
                                  .max_bytes = 4096};

    question->fetch = relais_fetch (question->self->module, &info, on_answer, question);
    return question->fetch != 0;
}

static RelaisVerdict
rcpt (RelaisHook *hook, gpointer data)
{
    const Settings *settings = relais_hook_get_config (hook);
    g_autofree char *address = g_ascii_strdown (relais_hook_get_recipient (hook, 0), -1);
    const char *at = strrchr (address, '@');
    Question *question;

    if (settings->url == NULL || at == NULL ||
        !g_strv_contains ((const gchar *const *)settings->domains, at + 1) || knows (data, address))
        return RELAIS_VERDICT_CONTINUE;
    question = g_new0 (Question, 1);
    question->self = data;
    question->settings = settings;
    question->ticket =
        relais_hook_suspend (hook, "callout", settings->timeout_us + GRACE_US, on_gone, question);
    question->address = g_steal_pointer (&address);
    if (!ask (question)) { /* the daemon stops */
        relais_ticket_complete (question->ticket, RELAIS_VERDICT_TEMPFAIL);
        question_free (question);
    }
    return RELAIS_VERDICT_PENDING;
}

/* --- The module ------------------------------------------------------------------------------- */

static gboolean
init (RelaisModule *module, GError **error)
{
    Callout *self = g_new0 (Callout, 1);
    const RelaisHookInfo info = {.struct_size = sizeof info,
                                 .hook = RELAIS_HOOK_RCPT,
                                 .name = "ask",
                                 .func = rcpt,
                                 .data = self};

    relais_module_set_data (module, self);
    self->module = module;
    self->asked = relais_counter_new (module, "callouts", "answer");
    self->known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    return relais_module_add_hook (module, &info, error);
}

static void
finalize (RelaisModule *module)
{
    Callout *self = relais_module_get_data (module);

    g_hash_table_unref (self->known);
    g_free (self);
}

static const RelaisModuleOps ops = {
    .struct_size = sizeof ops,
    .init = init,
    .prepare_config = prepare_config,
    .free_config = free_config,
    .finalize = finalize,
};

RELAIS_MODULE_DEFINE (recipient_callout, .name = "recipient-callout", .version = "1.0",
                      .summary = "asks a service whether a recipient exists", .license = "MIT",
                      .options = options, .n_options = G_N_ELEMENTS (options), .ops = &ops);
