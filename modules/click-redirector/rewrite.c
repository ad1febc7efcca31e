/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * REWRITE: chooses the links that are tracked, numbers them, and has each lead to its token. Worker; keeps nothing
 * beyond the call. Two passes, since a token says of how many links it is one.
 */
#include "click.h"

#include <relais/edit.h>
#include <relais/token.h>
#include <string.h>

#include "links.h"
#include "plain.h"
#include "url.h"

/* One link that is to be replaced. */
typedef struct {
    guint32 text;
    bool plain;
    guint32 link;         /* of HTML */
    guint64 offset, size; /* of plain text */
    char *url;
} Chosen;

typedef struct {
    RelaisHook *hook;
    ClickRedirector *redirector;
    const ClickConfig *config;
    const char *tracking; /* "https://HOST[:PORT]" */
    ClickPage page;
    GArray *chosen; /* Chosen */
} Rewriting;

static void
chosen_clear (gpointer data)
{
    g_free (((Chosen *)data)->url);
}

static void
skip (const Rewriting *rewriting, const char *reason)
{
    relais_counter_add (rewriting->redirector->skipped, reason, 1);
}

/* --- Choosing --------------------------------------------------------------------------------- */

/* Octets beyond ASCII mean what the part's charset says; only of UTF-8 we know what a browser makes of them. */
static bool
is_utf8 (RelaisHook *hook, guint32 text)
{
    const char *charset = relais_hook_get_text_charset (hook, text);

    return charset != NULL && (g_str_equal (charset, "utf-8") || g_str_equal (charset, "utf8"));
}

static void
choose_link (Rewriting *rewriting, guint32 text, guint32 link, bool utf8)
{
    RelaisLinkFlags flags = 0;
    g_autofree char *href = relais_hook_dup_link (rewriting->hook, text, link, &flags);
    Chosen chosen = {.text = text, .link = link};
    ClickChoice choice;

    if (href == NULL || (flags & RELAIS_LINK_NO_TRACK) != 0) {
        skip (rewriting, href == NULL ? "html" : "no-track");
        return;
    }
    choice = click_choose (href, strlen (href), utf8, &rewriting->page, &chosen.url);
    if (choice == CLICK_TRACK)
        g_array_append_val (rewriting->chosen, chosen);
    else
        skip (rewriting, click_choice_reason (choice));
}

static void
choose_plain (Rewriting *rewriting, guint32 text)
{
    guint64 size = 0;
    const guint8 *bytes = relais_hook_get_text (rewriting->hook, text, &size);
    gsize position = 0, offset, length;

    while (bytes != NULL && click_plain_next (bytes, (gsize)size, &position, &offset, &length)) {
        Chosen chosen = {.text = text, .plain = true, .offset = offset, .size = length};
        const ClickChoice choice = click_choose ((const char *)bytes + offset, length, false,
                                                 &rewriting->page, &chosen.url);

        if (choice == CLICK_TRACK)
            g_array_append_val (rewriting->chosen, chosen);
        else
            skip (rewriting, click_choice_reason (choice));
    }
}

static void
choose_in_text (Rewriting *rewriting, guint32 text)
{
    RelaisHook *hook = rewriting->hook;
    const bool html = g_str_equal (relais_hook_get_text_type (hook, text), "text/html");
    const bool plain = rewriting->config->text_links &&
                       g_str_equal (relais_hook_get_text_type (hook, text), "text/plain");
    const char *refusal = html || plain ? relais_hook_get_text_refusal (hook, text) : NULL;
    const guint32 n = html && refusal == NULL ? relais_hook_n_links (hook, text) : 0;
    const bool utf8 = is_utf8 (hook, text);

    if (refusal != NULL)
        skip (rewriting, refusal);
    for (guint32 i = 0; i < n; i++)
        choose_link (rewriting, text, i, utf8);
    if (plain && refusal == NULL)
        choose_plain (rewriting, text);
}

/* The URLs of List-Unsubscribe; NULL with an error if the header cannot be read. */
static GPtrArray *
unsubscribe_urls (RelaisHook *hook, GError **error)
{
    guint64 size = 0, position = 0;
    const guint8 *block = relais_hook_get_header (hook, &size, error);
    RelaisHeaderField field;

    if (block == NULL)
        return NULL;
    while (relais_header_next_field (block, size, &position, &field))
        if (field.name_size == strlen ("List-Unsubscribe") &&
            g_ascii_strncasecmp (field.name, "List-Unsubscribe", field.name_size) == 0)
            return click_list_unsubscribe (field.value, field.value_size);
    return g_ptr_array_new_with_free_func (g_free);
}

/* --- Replacing -------------------------------------------------------------------------------- */

/* Owned; NULL if no token could be made. */
static char *
link_url (const Rewriting *rewriting, TrackingIdentity *identity, char *url)
{
    g_autoptr (GByteArray) payload = NULL;
    g_autofree char *token = NULL;
    char *before = identity->url;

    identity->url = url;
    payload = tracking_identity_encode (identity);
    identity->url = before;
    token =
        relais_token_seal (relais_hook_get_module (rewriting->hook), "click", payload->data,
                           payload->len, identity->sent_us + rewriting->config->tracking.life_us);
    return token != NULL ? g_strconcat (rewriting->tracking, "/c/", token, NULL) : NULL;
}

static bool
replace (const Rewriting *rewriting, const Chosen *chosen, const char *url)
{
    if (chosen->plain)
        return relais_hook_replace_text (rewriting->hook, chosen->text, chosen->offset,
                                         chosen->size, url, strlen (url));
    return relais_hook_replace_link (rewriting->hook, chosen->text, chosen->link, url);
}

static void
put_trap (const Rewriting *rewriting, TrackingIdentity *identity)
{
    g_autofree char *nothing = g_strdup ("");
    g_autofree char *url = NULL;
    g_autofree char *markup = NULL;

    identity->trap = true;
    url = link_url (rewriting, identity, nothing);
    markup = g_strdup_printf ("<a\r\nhref=\"%s\"\r\naria-hidden=\"true\" tabindex=\"-1\" "
                              "rel=\"nofollow\" style=\"display:none!important\"></a>",
                              url != NULL ? url : "");
    for (guint32 i = 0; url != NULL && i < relais_hook_n_texts (rewriting->hook, NULL); i++)
        if (g_str_equal (relais_hook_get_text_type (rewriting->hook, i), "text/html"))
            relais_hook_append_html (rewriting->hook, i, markup);
}

static void
replace_all (const Rewriting *rewriting, TrackingMode mode)
{
    TrackingIdentity identity;

    tracking_identity_init (&identity, rewriting->hook, mode);
    identity.n_links = rewriting->chosen->len;
    for (guint i = 0; i < rewriting->chosen->len; i++) {
        const Chosen *chosen = &g_array_index (rewriting->chosen, Chosen, i);
        g_autofree char *url = NULL;

        identity.link = i;
        url = link_url (rewriting, &identity, chosen->url);
        if (url != NULL && strlen (url) > CLICK_LINK_BYTES)
            skip (rewriting, "too-long");
        else if (url == NULL || !replace (rewriting, chosen, url))
            skip (rewriting, "edit");
    }
    if (rewriting->config->trap && rewriting->chosen->len > 0)
        put_trap (rewriting, &identity);
    tracking_identity_clear (&identity);
}

RelaisVerdict
click_rewrite (RelaisHook *hook, gpointer data)
{
    Rewriting rewriting = {
        .hook = hook, .redirector = data, .config = relais_hook_get_config (hook)};
    const TrackingMode mode = tracking_mode_of (hook);
    const char *reason = "unreadable";
    g_autoptr (GPtrArray) unsubscribe = NULL;
    g_autoptr (GError) error = NULL;
    g_autofree char *own = NULL;
    guint32 n;

    if (mode == TRACKING_OFF)
        return RELAIS_VERDICT_CONTINUE;
    rewriting.tracking = relais_hook_get_tracking_url (hook, &reason);
    if (rewriting.tracking != NULL)
        unsubscribe = unsubscribe_urls (hook, &error);
    n = unsubscribe != NULL ? relais_hook_n_texts (hook, &error) : 0;
    if (unsubscribe == NULL || error != NULL) {
        skip (&rewriting, error != NULL ? "unreadable" : reason);
        return RELAIS_VERDICT_CONTINUE;
    }
    own = click_url_serialize (rewriting.tracking, strlen (rewriting.tracking), true);
    rewriting.page = (ClickPage){unsubscribe, own};
    rewriting.chosen = g_array_new (FALSE, FALSE, sizeof (Chosen));
    g_array_set_clear_func (rewriting.chosen, chosen_clear);
    for (guint32 i = 0; i < n; i++)
        choose_in_text (&rewriting, i);
    replace_all (&rewriting, mode);
    g_array_unref (rewriting.chosen);
    return RELAIS_VERDICT_CONTINUE;
}
