/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The route /u/TOKEN. GET and HEAD show the page and never act: who fetches links to look at them unsubscribes nobody.
 * POST acts, whoever sends it: the token is the right to, and it says for whom. HTTP pool: a POST waits here until the
 * loop tells that the wish is on disk.
 */
#include "unsubscribe.h"

#include <relais/timer.h>
#include <relais/translate.h>
#include <string.h>

enum { WAIT_S = 5 };
#define RETRY_AFTER "60"

static const char token_purpose[] = "link";

static const guint statuses[] = {
    [UNSUBSCRIBE_PAGE_ASK] = 200,     [UNSUBSCRIBE_PAGE_DONE] = 200,
    [UNSUBSCRIBE_PAGE_FAILED] = 503,  [UNSUBSCRIBE_PAGE_BAD] = 400,
    [UNSUBSCRIBE_PAGE_EXPIRED] = 410, [UNSUBSCRIBE_PAGE_UNKNOWN] = 404,
};

/* --- Tokens ----------------------------------------------------------------------------------- */

char *
unsubscribe_seal_token (RelaisModule *module, const UnsubscribeIdentity *identity,
                        gint64 expires_us)
{
    g_autoptr (GByteArray) payload = unsubscribe_identity_encode (identity);

    return payload != NULL
               ? relais_token_seal (module, token_purpose, payload->data, payload->len, expires_us)
               : NULL;
}

/* `identity` is to be cleared if it is GOOD. */
static RelaisTokenResult
open_token (RelaisModule *module, const char *token, UnsubscribeIdentity *identity)
{
    g_autofree guint8 *payload = NULL;
    guint32 size = 0;
    const RelaisTokenResult result =
        relais_token_open (module, token_purpose, token, &payload, &size);

    if (result == RELAIS_TOKEN_GOOD && !unsubscribe_identity_decode (identity, payload, size))
        return RELAIS_TOKEN_FORGED;
    return result;
}

/* --- Waiting ---------------------------------------------------------------------------------- */

/* Shared by the thread that waits and the loop, which may come too late. */
typedef struct {
    gatomicrefcount refs;
    GMutex mutex;
    GCond cond;
    bool told, kept; /* under mutex */
} Wait;

static void
wait_unref (Wait *wait)
{
    if (!g_atomic_ref_count_dec (&wait->refs))
        return;
    g_mutex_clear (&wait->mutex);
    g_cond_clear (&wait->cond);
    g_free (wait);
}

static void
on_acted (gpointer data, bool kept)
{
    Wait *wait = data;

    g_mutex_lock (&wait->mutex);
    wait->told = true;
    wait->kept = kept;
    g_cond_signal (&wait->cond);
    g_mutex_unlock (&wait->mutex);
    wait_unref (wait);
}

/* Whether the wish is on disk; false also where that is not known in time, which asking again mends. */
static bool
act_and_wait (Unsubscribe *self, const UnsubscribeIdentity *identity, UnsubscribeHow how)
{
    const gint64 until_us = g_get_monotonic_time () + WAIT_S * G_TIME_SPAN_SECOND;
    Wait *wait = g_new0 (Wait, 1);
    bool kept;

    g_atomic_ref_count_init (&wait->refs);
    g_atomic_ref_count_inc (&wait->refs);
    g_mutex_init (&wait->mutex);
    g_cond_init (&wait->cond);
    unsubscribe_act (self, identity, how, on_acted, wait);
    g_mutex_lock (&wait->mutex);
    while (!wait->told && g_cond_wait_until (&wait->cond, &wait->mutex, until_us))
        ;
    kept = wait->told && wait->kept;
    g_mutex_unlock (&wait->mutex);
    wait_unref (wait);
    return kept;
}

/* --- Answers ---------------------------------------------------------------------------------- */

static void
answer_page (RelaisHttpRequest *request, const Unsubscribe *self, UnsubscribePage page,
             const UnsubscribeIdentity *identity)
{
    const char *accept = relais_http_get_header (request, "Accept-Language");
    char *text = unsubscribe_page (page, accept, identity);
    g_autoptr (GBytes) body = g_bytes_new_take (text, strlen (text));

    relais_http_set_header (request, "Cache-Control", "no-store");
    relais_http_set_header (request, "Content-Language",
                            relais_translate_language (GETTEXT_PACKAGE, accept));
    relais_http_set_header (request, "Content-Security-Policy", self->policy);
    relais_http_set_header (request, "Referrer-Policy", "no-referrer");
    relais_http_set_header (request, "Vary", "Accept-Language");
    relais_http_set_header (request, "X-Frame-Options", "DENY");
    relais_http_set_header (request, "X-Robots-Tag", "noindex, nofollow");
    if (page == UNSUBSCRIBE_PAGE_FAILED)
        relais_http_set_header (request, "Retry-After", RETRY_AFTER);
    relais_http_answer (request, statuses[page], "text/html; charset=utf-8", body);
}

static UnsubscribePage
post (RelaisHttpRequest *request, Unsubscribe *self, const UnsubscribeIdentity *identity)
{
    gsize size = 0;
    const guint8 *body = g_bytes_get_data (relais_http_get_body (request), &size);
    const UnsubscribeForm form =
        unsubscribe_form_parse (relais_http_get_header (request, "Content-Type"), body, size);

    if (!form.one_click) {
        relais_counter_add (self->refused, "form", 1);
        return UNSUBSCRIBE_PAGE_BAD;
    }
    if (identity->probe)
        return UNSUBSCRIBE_PAGE_DONE;
    return act_and_wait (self, identity, form.page ? UNSUBSCRIBE_PAGE : UNSUBSCRIBE_ONE_CLICK)
               ? UNSUBSCRIBE_PAGE_DONE
               : UNSUBSCRIBE_PAGE_FAILED;
}

void
unsubscribe_answer (RelaisHttpRequest *request, gpointer data)
{
    Unsubscribe *self = data;
    UnsubscribeIdentity identity;
    const RelaisTokenResult result =
        open_token (self->module, relais_http_get_rest (request), &identity);
    UnsubscribePage page = UNSUBSCRIBE_PAGE_ASK;

    if (result != RELAIS_TOKEN_GOOD) {
        const bool expired = result == RELAIS_TOKEN_EXPIRED;

        relais_counter_add (self->refused, expired ? "expired" : "forged", 1);
        answer_page (request, self, expired ? UNSUBSCRIBE_PAGE_EXPIRED : UNSUBSCRIBE_PAGE_UNKNOWN,
                     NULL);
        return;
    }
    if (g_str_equal (relais_http_get_method (request), "POST"))
        page = post (request, self, &identity);
    answer_page (request, self, page, &identity);
    unsubscribe_identity_clear (&identity);
}

/* What `relaisctl track check` fetches: the page of no message. */
gboolean
unsubscribe_probe (RelaisModule *module, const gchar *host, gpointer data, RelaisHttpProbe *probe)
{
    const UnsubscribeIdentity identity = {.probe = true};
    g_autofree char *token = unsubscribe_seal_token (
        module, &identity, relais_module_wall_us (module) + UNSUBSCRIBE_DAY_US / 24);

    if (token == NULL)
        return FALSE;
    g_snprintf (probe->path, sizeof probe->path, "/u/%s", token);
    probe->status = 200;
    probe->header_name = "Content-Type";
    g_strlcpy (probe->header_value, "text/html; charset=utf-8", sizeof probe->header_value);
    return TRUE;
}
