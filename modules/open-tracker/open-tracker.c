/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * open-tracker: an image of one pixel at the end of each HTML part, whose being fetched says that the message was
 * opened. MESSAGE (loop) decides whether a message is tracked, REWRITE (worker) puts the pixel in, the route /o/
 * (HTTP thread) answers with a GIF and notes the hit. Where anything is in doubt the message stays as it is, and
 * tracking_skipped counts why.
 */
#include "tracking.h"

#include <glib/gi18n-lib.h>
#include <relais/edit.h>
#include <relais/timer.h>
#include <relais/token.h>
#include <string.h>

static const RelaisOption options[] = {TRACKING_OPTIONS ("open-tracker")};

static const RelaisCommand commands[] = {
    {"opens", "show", N_ ("[--tenant=NAME] [--campaign=NAME]"), "tenant= campaign=",
     N_ ("Opens by tenant and campaign: of persons, of who knows, of machines."),
     RELAIS_COMMAND_ONLINE, 0, tracking_command_show},
};

/* A transparent GIF of one pixel. */
static const guint8 gif[43] = {'G', 'I',  'F',  '8',  '9', 'a',  1, 0, 1, 0,   0x80, 0, 0,   0, 0,
                               0,   0xff, 0xff, 0xff, '!', 0xf9, 4, 1, 0, 0,   0,    0, ',', 0, 0,
                               0,   0,    1,    0,    1,   0,    0, 2, 2, 'D', 1,    0, ';'};

typedef struct {
    TrackingHits *hits;
    RelaisCounter *skipped;
    GBytes *gif;
} OpenTracker;

/* --- Into the message ------------------------------------------------------------------------- */

/* Out of the flow and without a border whatever the message's style sheet says of images, nothing for who has it
 * read aloud, and one pixel up, so that it does not make the page longer. Lines end within the tag alone, where they mean nothing: the
 * line that it is put to may be a long one. */
static char *
pixel_markup (const char *base, const char *token)
{
    return g_strdup_printf (
        "<img\r\nsrc=\"%s/o/%s\"\r\nwidth=\"1\" height=\"1\" alt=\"\" aria-hidden=\"true\" "
        "style=\"position:absolute!important;width:1px!important;height:1px!important;"
        "min-width:0!important;min-height:0!important;margin:-1px 0 0 "
        "0!important;padding:0!important;"
        "border:0!important;opacity:0!important\">",
        base, token);
}

static char *
make_token (RelaisHook *hook, TrackingMode mode)
{
    const TrackingConfig *config = relais_hook_get_config (hook);
    TrackingIdentity identity;
    g_autoptr (GByteArray) payload = NULL;
    char *token;

    tracking_identity_init (&identity, hook, mode);
    payload = tracking_identity_encode (&identity);
    token = relais_token_seal (relais_hook_get_module (hook), "open", payload->data, payload->len,
                               identity.sent_us + config->life_us);
    tracking_identity_clear (&identity);
    return token;
}

/* Puts the pixel into each HTML part that may be edited. */
static void
put_pixels (RelaisHook *hook, OpenTracker *tracker, guint32 n, const char *markup)
{
    guint32 html = 0;

    for (guint32 i = 0; i < n; i++) {
        const char *refusal = relais_hook_get_text_refusal (hook, i);

        if (!g_str_equal (relais_hook_get_text_type (hook, i), "text/html"))
            continue;
        html++;
        if (refusal != NULL)
            relais_counter_add (tracker->skipped, refusal, 1);
        else if (!relais_hook_append_html (hook, i, markup))
            relais_counter_add (tracker->skipped, "edit", 1);
    }
    if (html == 0)
        relais_counter_add (tracker->skipped, "no-html", 1);
}

static RelaisVerdict
rewrite (RelaisHook *hook, gpointer data)
{
    OpenTracker *tracker = data;
    const TrackingMode mode = tracking_mode_of (hook);
    const char *reason = NULL, *base;
    g_autoptr (GError) error = NULL;
    g_autofree char *token = NULL;
    g_autofree char *markup = NULL;
    guint32 n;

    if (mode == TRACKING_OFF)
        return RELAIS_VERDICT_CONTINUE;
    base = relais_hook_get_tracking_url (hook, &reason);
    n = base != NULL ? relais_hook_n_texts (hook, &error) : 0;
    token = base != NULL && error == NULL ? make_token (hook, mode) : NULL;
    if (token == NULL) {
        relais_counter_add (tracker->skipped, base == NULL ? reason : "unreadable", 1);
        return RELAIS_VERDICT_CONTINUE;
    }
    markup = pixel_markup (base, token);
    put_pixels (hook, tracker, n, markup);
    return RELAIS_VERDICT_CONTINUE;
}

static RelaisVerdict
decide (RelaisHook *hook, gpointer data)
{
    tracking_decide (hook, "opens");
    return RELAIS_VERDICT_CONTINUE;
}

/* --- The pixel's route ------------------------------------------------------------------------ */

static void
answer (RelaisHttpRequest *request, gpointer data)
{
    OpenTracker *tracker = data;
    TrackingIdentity identity;
    g_autofree guint8 *payload = NULL;
    guint32 size = 0;
    const RelaisTokenResult result = relais_token_open (
        relais_http_get_module (request), "open", relais_http_get_rest (request), &payload, &size);

    if (result == RELAIS_TOKEN_FORGED) {
        tracking_answer_page (request, 404, N_ ("There is nothing here"),
                              N_ ("The link is not whole; please open it from the message again."));
        return;
    }
    relais_http_set_header (request, "Cache-Control", "no-store, private, max-age=0");
    relais_http_answer (request, 200, "image/gif", tracker->gif);
    if (result != RELAIS_TOKEN_GOOD || !tracking_identity_decode (&identity, payload, size))
        return;
    if (!identity.probe)
        tracking_hits_add (tracker->hits, request, &identity);
    tracking_identity_clear (&identity);
}

/* What `relaisctl track check` fetches: a pixel of no message, which is counted nowhere. */
static gboolean
probe (RelaisModule *module, const gchar *host, gpointer data, RelaisHttpProbe *probe)
{
    TrackingIdentity identity = {.probe = true};
    g_autoptr (GByteArray) payload = tracking_identity_encode (&identity);
    g_autofree char *token = relais_token_seal (module, "open", payload->data, payload->len,
                                                relais_module_wall_us (module) +
                                                    G_GINT64_CONSTANT (3600) * G_USEC_PER_SEC);

    if (token == NULL)
        return FALSE;
    g_snprintf (probe->path, sizeof probe->path, "/o/%s", token);
    probe->status = 200;
    probe->header_name = "Content-Type";
    g_strlcpy (probe->header_value, "image/gif", sizeof probe->header_value);
    return TRUE;
}

/* --- The module ------------------------------------------------------------------------------- */

static gboolean
add_hooks (RelaisModule *module, OpenTracker *tracker, GError **error)
{
    static const gchar *const after[] = {"click-redirector", NULL};
    const RelaisHookInfo message = {.struct_size = sizeof message,
                                    .hook = RELAIS_HOOK_MESSAGE,
                                    .name = "decide",
                                    .stage = RELAIS_STAGE_MODIFY,
                                    .func = decide};
    const RelaisHookInfo pixel = {.struct_size = sizeof pixel,
                                  .hook = RELAIS_HOOK_REWRITE,
                                  .name = "pixel",
                                  .after = after,
                                  .func = rewrite,
                                  .data = tracker};

    return relais_module_add_hook (module, &message, error) &&
           relais_module_add_hook (module, &pixel, error);
}

static gboolean
prepare_config (RelaisModule *module, RelaisConfig *config, gpointer *object, GError **error)
{
    TrackingConfig *own = g_new (TrackingConfig, 1);

    if (tracking_config_read (own, module, config, error)) {
        *object = own;
        return TRUE;
    }
    g_free (own);
    return FALSE;
}

static void
free_config (gpointer object)
{
    tracking_config_clear (object);
    g_free (object);
}

static gboolean
init (RelaisModule *module, GError **error)
{
    OpenTracker *tracker = g_new0 (OpenTracker, 1);
    const RelaisHttpRouteInfo route = {.struct_size = sizeof route,
                                       .listener = RELAIS_HTTP_TRACKER,
                                       .path = "/o/",
                                       .methods = RELAIS_HTTP_GET,
                                       .kind = RELAIS_HTTP_INLINE,
                                       .func = answer,
                                       .data = tracker,
                                       .probe_name = "pixel",
                                       .probe = probe};

    relais_module_set_data (module, tracker);
    tracker->hits = tracking_hits_new (module, "opened");
    tracker->skipped = relais_counter_new (module, "tracking_skipped", "reason");
    tracker->gif = g_bytes_new_static (gif, sizeof gif);
    return add_hooks (module, tracker, error) && relais_module_add_route (module, &route, error);
}

static void
stop (RelaisModule *module)
{
    OpenTracker *tracker = relais_module_get_data (module);

    tracking_hits_flush (tracker->hits);
}

static void
finalize (RelaisModule *module)
{
    OpenTracker *tracker = relais_module_get_data (module);

    tracking_hits_free (tracker->hits);
    g_bytes_unref (tracker->gif);
    g_free (tracker);
}

static const RelaisModuleOps ops = {
    .struct_size = sizeof ops,
    .init = init,
    .prepare_config = prepare_config,
    .free_config = free_config,
    .stop = stop,
    .finalize = finalize,
};

RELAIS_MODULE_DEFINE (open_tracker, .name = "open-tracker", .version = RELAIS_VERSION,
                      .summary = N_ ("sees by a pixel that a message was opened"),
                      .license = "GPL-3.0-or-later", .gettext_domain = GETTEXT_PACKAGE,
                      .options = options, .n_options = G_N_ELEMENTS (options), .commands = commands,
                      .n_commands = G_N_ELEMENTS (commands), .ops = &ops);
