/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * click-redirector: links of a message lead over the tracking host to where they led before. MESSAGE (loop) decides
 * whether a message is tracked, REWRITE (worker; rewrite.c) has the links lead to /c/TOKEN, the route /c/ (HTTP
 * thread) notes the hit and sends the reader on to the URL that the token holds. No table of links, and so no
 * redirect to anywhere that we did not send.
 */
#include "click.h"

#include <glib/gi18n-lib.h>
#include <relais/timer.h>
#include <relais/token.h>

static const RelaisOption options[] = {
    TRACKING_OPTIONS ("click-redirector"),
    {"click-redirector", "text_links", RELAIS_OPTION_BOOL, RELAIS_OPTION_RELOADABLE, "no", 0, 0,
     NULL, N_ ("Whether URLs in text/plain parts are replaced, too: readers see the long ones.")},
    {"click-redirector", "trap", RELAIS_OPTION_BOOL, RELAIS_OPTION_RELOADABLE, "no", 0, 0, NULL,
     N_ ("Put a link that nobody sees into each HTML part: who follows it is a machine.")},
};

static const RelaisCommand commands[] = {
    {"clicks", "show", N_ ("[--tenant=NAME] [--campaign=NAME]"), "tenant= campaign=",
     N_ ("Clicks by tenant and campaign: of persons, of who knows, of machines."),
     RELAIS_COMMAND_ONLINE, 0, tracking_command_show},
    {"clicks", "kill", N_ ("--link=URL | --tenant=NAME [--campaign=NAME]"),
     "link= tenant= campaign=", N_ ("Switch links off: who follows one is told so."),
     RELAIS_COMMAND_ONLINE, 0, click_command_kill},
    {"clicks", "revive", N_ ("--link=URL | --tenant=NAME [--campaign=NAME]"),
     "link= tenant= campaign=", N_ ("Switch them on again."), RELAIS_COMMAND_ONLINE, 0,
     click_command_revive},
    {"clicks", "killed", "", "", N_ ("What is switched off."), RELAIS_COMMAND_ONLINE, 0,
     click_command_killed},
};

ClickKills *
click_kills_of (RelaisModule *module)
{
    const ClickRedirector *redirector = relais_module_get_data (module);

    return redirector->kills;
}

static RelaisVerdict
decide (RelaisHook *hook, gpointer data)
{
    tracking_decide (hook, "clicks");
    return RELAIS_VERDICT_CONTINUE;
}

/* --- The links' route ------------------------------------------------------------------------- */

static void
answer_unknown (RelaisHttpRequest *request)
{
    tracking_answer_page (request, 404, N_ ("There is nothing here"),
                          N_ ("The link is not whole; please open it from the message again."));
}

/* A link that is ours: leads on, unless it was switched off. That of a check never is, and needs no list: the first
 * check comes while the store is still opened. */
static void
answer_link (ClickRedirector *redirector, RelaisHttpRequest *request, TrackingIdentity *identity)
{
    if (!identity->probe && !click_kills_are_loaded (redirector->kills)) {
        relais_http_set_header (request, "Retry-After", "1");
        tracking_answer_page (request, 503, N_ ("One moment, please"),
                              N_ ("Please try again in a moment."));
    } else if (click_kills_match (redirector->kills, identity->tenant, identity->campaign,
                                  identity->url)) {
        relais_counter_add (redirector->killed, NULL, 1);
        tracking_answer_page (request, 410, N_ ("This link was switched off"),
                              N_ ("It leads nowhere any more. If you need what it led to, please "
                                  "ask the sender of the message."));
    } else if (!relais_http_set_header (request, "Location", identity->url)) {
        answer_unknown (request);
    } else {
        relais_http_set_header (request, "Cache-Control", "no-store, private, max-age=0");
        relais_http_answer (request, 302, NULL, NULL);
        if (!identity->probe)
            tracking_hits_add (redirector->hits, request, identity);
    }
}

static void
answer_good (ClickRedirector *redirector, RelaisHttpRequest *request, TrackingIdentity *identity)
{
    if (identity->trap) {
        relais_http_set_header (request, "Cache-Control", "no-store");
        relais_http_answer (request, 204, NULL, NULL);
        tracking_hits_add (redirector->hits, request, identity);
    } else {
        answer_link (redirector, request, identity);
    }
}

static void
answer (RelaisHttpRequest *request, gpointer data)
{
    TrackingIdentity identity = {0};
    g_autofree guint8 *payload = NULL;
    guint32 size = 0;
    const RelaisTokenResult result = relais_token_open (
        relais_http_get_module (request), "click", relais_http_get_rest (request), &payload, &size);

    if (result == RELAIS_TOKEN_EXPIRED) {
        tracking_answer_page (
            request, 410, N_ ("This link is too old"),
            N_ ("If you need what it led to, please ask the sender of the message."));
    } else if (result != RELAIS_TOKEN_GOOD ||
               !tracking_identity_decode (&identity, payload, size)) {
        answer_unknown (request);
    } else {
        answer_good (data, request, &identity);
        tracking_identity_clear (&identity);
    }
}

/* What `relaisctl track check` fetches: a link to the host itself, of no message; its hits have no tenant. */
static gboolean
probe (RelaisModule *module, const gchar *host, gpointer data, RelaisHttpProbe *probe)
{
    TrackingIdentity identity = {.probe = true};
    g_autofree char *url = g_strdup_printf ("https://%s/", host);
    g_autoptr (GByteArray) payload = NULL;
    g_autofree char *token = NULL;

    identity.url = url;
    payload = tracking_identity_encode (&identity);
    token = relais_token_seal (module, "click", payload->data, payload->len,
                               relais_module_wall_us (module) +
                                   G_GINT64_CONSTANT (3600) * G_USEC_PER_SEC);
    if (token == NULL)
        return FALSE;
    g_snprintf (probe->path, sizeof probe->path, "/c/%s", token);
    probe->status = 302;
    probe->header_name = "Location";
    g_strlcpy (probe->header_value, url, sizeof probe->header_value);
    return TRUE;
}

/* --- The module ------------------------------------------------------------------------------- */

static gboolean
add_hooks (RelaisModule *module, ClickRedirector *redirector, GError **error)
{
    static const gchar *const before[] = {"open-tracker", NULL};
    const RelaisHookInfo message = {.struct_size = sizeof message,
                                    .hook = RELAIS_HOOK_MESSAGE,
                                    .name = "decide",
                                    .stage = RELAIS_STAGE_MODIFY,
                                    .func = decide};
    const RelaisHookInfo links = {.struct_size = sizeof links,
                                  .hook = RELAIS_HOOK_REWRITE,
                                  .name = "links",
                                  .before = before,
                                  .func = click_rewrite,
                                  .data = redirector};

    return relais_module_add_hook (module, &message, error) &&
           relais_module_add_hook (module, &links, error);
}

static gboolean
prepare_config (RelaisModule *module, RelaisConfig *config, gpointer *object, GError **error)
{
    const RelaisSection *section = relais_config_find_section (config, "click-redirector", NULL);
    ClickConfig *own = g_new (ClickConfig, 1);

    own->trap = relais_section_get_bool (section, "trap");
    own->text_links = relais_section_get_bool (section, "text_links");
    if (tracking_config_read (&own->tracking, module, config, error)) {
        *object = own;
        return TRUE;
    }
    g_free (own);
    return FALSE;
}

static void
free_config (gpointer object)
{
    ClickConfig *own = object;

    tracking_config_clear (&own->tracking);
    g_free (own);
}

static gboolean
init (RelaisModule *module, GError **error)
{
    ClickRedirector *redirector = g_new0 (ClickRedirector, 1);
    const RelaisHttpRouteInfo route = {.struct_size = sizeof route,
                                       .listener = RELAIS_HTTP_TRACKER,
                                       .path = "/c/",
                                       .methods = RELAIS_HTTP_GET,
                                       .kind = RELAIS_HTTP_INLINE,
                                       .func = answer,
                                       .data = redirector,
                                       .probe_name = "redirect",
                                       .probe = probe};

    relais_module_set_data (module, redirector);
    redirector->hits = tracking_hits_new (module, "clicked");
    redirector->kills = click_kills_new (module);
    redirector->skipped = relais_counter_new (module, "tracking_skipped", "reason");
    redirector->killed = relais_counter_new (module, "killed", NULL);
    return add_hooks (module, redirector, error) && relais_module_add_route (module, &route, error);
}

static gboolean
start (RelaisModule *module, GError **error)
{
    click_kills_load (click_kills_of (module));
    return TRUE;
}

static void
stop (RelaisModule *module)
{
    ClickRedirector *redirector = relais_module_get_data (module);

    tracking_hits_flush (redirector->hits);
    click_kills_stop (redirector->kills);
}

static void
finalize (RelaisModule *module)
{
    ClickRedirector *redirector = relais_module_get_data (module);

    tracking_hits_free (redirector->hits);
    click_kills_free (redirector->kills);
    g_free (redirector);
}

static const RelaisModuleOps ops = {
    .struct_size = sizeof ops,
    .init = init,
    .prepare_config = prepare_config,
    .free_config = free_config,
    .start = start,
    .stop = stop,
    .finalize = finalize,
};

RELAIS_MODULE_DEFINE (click_redirector, .name = "click-redirector", .version = RELAIS_VERSION,
                      .summary = N_ ("sees which links of a message were followed"),
                      .license = "GPL-3.0-or-later", .gettext_domain = GETTEXT_PACKAGE,
                      .options = options, .n_options = G_N_ELEMENTS (options), .commands = commands,
                      .n_commands = G_N_ELEMENTS (commands), .ops = &ops);
