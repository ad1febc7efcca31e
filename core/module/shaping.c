/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What modules that limit mail are told and may say (include/relais/shaping.h): accessors of lane, admit and
 * result, grants with their reservations, sources out of use. Loop thread, but the accessors that the
 * header marks for workers.
 */
#include "config.h"

#include "module/module-private.h"

#include <relais/event.h>

#include <string.h>

enum { REASON_BYTES = 200 };

/* --- Who is asked about ------------------------------------------------------------------------- */

const gchar *
relais_hook_get_source (const RelaisHook *hook)
{
    return hook->subject->source;
}

const gchar *
relais_hook_get_pool (const RelaisHook *hook)
{
    return hook->subject->pool;
}

const gchar *
relais_hook_get_site (const RelaisHook *hook)
{
    return hook->subject->site;
}

const gchar *
relais_hook_get_provider (const RelaisHook *hook)
{
    return hook->subject->provider;
}

const gchar *
relais_hook_get_class (const RelaisHook *hook)
{
    return hook->subject->klass;
}

const gchar *
relais_hook_get_campaign (const RelaisHook *hook)
{
    return hook->subject->campaign;
}

guint32
relais_hook_n_connections (const RelaisHook *hook)
{
    return hook->subject->n_connections;
}

RelaisOutcome
relais_hook_get_outcome (const RelaisHook *hook)
{
    return hook->subject->outcome;
}

const gchar *
relais_hook_get_phase (const RelaisHook *hook)
{
    return hook->subject->phase;
}

const gchar *
relais_hook_get_reply_enhanced (const RelaisHook *hook)
{
    const guint16 *enhanced = hook->subject->reply_enhanced;
    RelaisHook *cache = (RelaisHook *)hook;

    if (enhanced == NULL || enhanced[0] == 0)
        return NULL;
    g_snprintf (cache->enhanced, sizeof cache->enhanced, "%u.%u.%u", enhanced[0], enhanced[1],
                enhanced[2]);
    return hook->enhanced;
}

gboolean
relais_hook_get_internal (const RelaisHook *hook)
{
    return hook->subject->internal;
}

const gchar *
relais_hook_get_host (const RelaisHook *hook)
{
    return hook->subject->host;
}

/* --- WAIT --------------------------------------------------------------------------------------- */

/* One printable line. */
static char *
reason_copy (const char *reason)
{
    g_autofree char *valid = NULL;
    char *line;

    if (reason == NULL)
        return NULL;
    valid = g_utf8_make_valid (reason, -1);
    line = g_utf8_substring (valid, 0, MIN (g_utf8_strlen (valid, -1), REASON_BYTES));
    for (char *c = line; *c != '\0'; c++)
        if (g_ascii_iscntrl (*c))
            *c = ' ';
    while (strlen (line) > REASON_BYTES)
        *g_utf8_find_prev_char (line, line + strlen (line)) = '\0';
    return line;
}

void
relais_hook_wait (RelaisHook *hook, gint64 until_us, RelaisWaitScope scope, const gchar *reason)
{
    RelaisHookResult *result = hook->result;

    g_return_if_fail (scope <= RELAIS_WAIT_DELIVERY);
    result->wait_until_us = until_us;
    result->wait_scope = scope;
    g_free (result->wait_reason);
    result->wait_reason = reason_copy (reason);
}

void
relais_lanes_wake (RelaisModule *module, const gchar *source, const gchar *site)
{
    const RelaisHost *host = module->host;

    relais_loop_assert_owner (host->loop);
    if (host->shaper != NULL)
        host->shaper->wake (host->shaper_data, source, site);
}

/* --- Grants ------------------------------------------------------------------------------------- */

static RelaisGrant *
grant_of (const RelaisHook *hook)
{
    return hook->id == RELAIS_HOOK_LANE || hook->id == RELAIS_HOOK_ADMIT ? hook->subject->grant
                                                                         : NULL;
}

gboolean
relais_hook_reserve (RelaisHook *hook, RelaisReservationFunc func, gpointer data)
{
    RelaisGrant *grant = grant_of (hook);

    g_return_val_if_fail (func != NULL, FALSE);
    if (grant == NULL || grant->n == RELAIS_GRANT_RESERVATIONS)
        return FALSE;
    for (guint i = 0; i < grant->n; i++)
        if (grant->reservations[i].function == hook->function)
            return FALSE;
    grant->reservations[grant->n++] = (RelaisReservation){hook->function, func, data};
    return TRUE;
}

void
relais_hook_set_max_recipients (RelaisHook *hook, guint32 n)
{
    RelaisGrant *grant = grant_of (hook);

    if (grant == NULL || hook->id != RELAIS_HOOK_ADMIT || n == 0)
        return;
    if (grant->max_recipients == 0 || n < grant->max_recipients)
        grant->max_recipients = n;
}

static guint32
lower_of (guint32 a, guint32 b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* Where several modules set limits, the lowest ones count. */
void
relais_hook_set_lane_limits (RelaisHook *hook, const RelaisLaneLimits *limits)
{
    RelaisGrant *grant = grant_of (hook);
    RelaisLaneLimits known;

    g_return_if_fail (limits != NULL);
    if (grant == NULL)
        return;
    if (!relais_copy_known (&known, sizeof known, limits, limits->struct_size)) {
        relais_log (hook->function->module, RELAIS_LOG_ERROR,
                    "relais_hook_set_lane_limits: limits that this release does not know");
        return;
    }
    grant->has_limits = true;
    grant->limits.connections = lower_of (grant->limits.connections, known.connections);
    grant->limits.messages_per_connection =
        lower_of (grant->limits.messages_per_connection, known.messages_per_connection);
    grant->limits.recipients = lower_of (grant->limits.recipients, known.recipients);
}

/* --- Sources out of use ------------------------------------------------------------------------- */

/* What one module says of one source. */
typedef struct {
    const RelaisModule *module;
    char *source, *reason;
} SourceWord;

void
relais_source_word_free (gpointer data)
{
    SourceWord *word = data;

    g_free (word->source);
    g_free (word->reason);
    g_free (word);
}

void
relais_host_set_shaper (RelaisHost *host, const RelaisShaper *shaper, gpointer data)
{
    host->shaper = shaper;
    host->shaper_data = data;
}

void
relais_host_set_intake (RelaisHost *host, const RelaisIntake *intake, gpointer data)
{
    host->intake = intake;
    host->intake_data = data;
}

const char *
relais_host_source_reason (const RelaisHost *host, const char *source)
{
    for (guint i = 0; i < host->source_words->len; i++) {
        const SourceWord *word = g_ptr_array_index (host->source_words, i);

        if (g_str_equal (word->source, source))
            return word->reason;
    }
    return NULL;
}

static bool
source_exists (const RelaisHost *host, const char *source)
{
    if (host->config == NULL)
        return false;
    return relais_config_find_section (host->config, "source", source) != NULL ||
           (relais_config_n_sections (host->config, "source") == 0 &&
            g_str_equal (source, "default"));
}

/* `reason` may be the one that was said before. */
static void
set_word (RelaisModule *module, const char *source, const char *reason)
{
    GPtrArray *words = module->host->source_words;
    char *copy = reason_copy (reason);
    SourceWord *word;

    for (guint i = 0; i < words->len; i++) {
        word = g_ptr_array_index (words, i);
        if (word->module != module || !g_str_equal (word->source, source))
            continue;
        g_ptr_array_remove_index (words, i);
        break;
    }
    if (copy == NULL)
        return;
    word = g_new (SourceWord, 1);
    *word = (SourceWord){module, g_strdup (source), copy};
    g_ptr_array_add (words, word);
}

static void
tell_source (RelaisModule *module, const char *source, const char *reason)
{
    const RelaisHost *host = module->host;
    RelaisEvent *event = relais_event_new (module, "source", 0, NULL, -1);

    relais_event_add (event, "source", source);
    relais_event_add (event, "state", reason != NULL ? "out" : "in");
    relais_event_add (event, "reason", reason);
    relais_event_emit (event);
    if (host->shaper != NULL)
        host->shaper->source_changed (host->shaper_data, source, reason);
}

gboolean
relais_source_set_state (RelaisModule *module, const gchar *source, RelaisSourceState state,
                         const gchar *reason)
{
    const RelaisHost *host = module->host;
    g_autofree char *before = NULL;
    const char *after;

    relais_loop_assert_owner (host->loop);
    g_return_val_if_fail (source != NULL && state <= RELAIS_SOURCE_OUT, FALSE);
    if (!source_exists (host, source))
        return FALSE;
    before = g_strdup (relais_host_source_reason (host, source));
    if (state == RELAIS_SOURCE_OUT && reason == NULL)
        reason = module->descriptor.name;
    set_word (module, source, state == RELAIS_SOURCE_OUT ? reason : NULL);
    after = relais_host_source_reason (host, source);
    if ((before == NULL) != (after == NULL))
        tell_source (module, source, after);
    return TRUE;
}

const gchar *
relais_source_get_reason (RelaisModule *module, const gchar *source)
{
    g_return_val_if_fail (source != NULL, NULL);
    return relais_host_source_reason (module->host, source);
}

gboolean
relais_notify_postmaster (RelaisModule *module, const gchar *subject, const gchar *text)
{
    const RelaisHost *host = module->host;

    relais_loop_assert_owner (host->loop);
    g_return_val_if_fail (subject != NULL && text != NULL, FALSE);
    return host->shaper != NULL &&
           host->shaper->notify (host->shaper_data, module->descriptor.name, subject, text);
}
