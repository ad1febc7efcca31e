/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The page that a link shows: one question, one button, in the reader's language. It works without a script and loads
 * nothing; a screen reader is told its language and its one heading; text and button have a contrast of 7:1 and more,
 * and the button is seen to have the focus. Pure but for the translations; any thread.
 */
#include "unsubscribe.h"

#include <glib/gi18n-lib.h>
#include <relais/translate.h>
#include <string.h>

/* "{address}" and "{sender}" are put in later, escaped. The second text is for where no sender is known. */
static const struct {
    const char *title, *text, *text_without_sender;
    bool has_form;
} pages[] = {
    [UNSUBSCRIBE_PAGE_ASK] = {N_ ("Unsubscribe?"),
                              N_ ("{sender} sends this mail to {address}. Should it stop?"),
                              N_ ("This mail is sent to {address}. Should it stop?"), true},
    [UNSUBSCRIBE_PAGE_DONE] = {N_ ("You are unsubscribed"),
                               N_ ("{sender} will send no more of this mail to {address}."),
                               N_ ("No more of this mail will be sent to {address}."), false},
    [UNSUBSCRIBE_PAGE_FAILED] =
        {N_ ("That did not work"),
         N_ ("Your wish could not be kept just now. Please try again in a minute."),
         N_ ("Your wish could not be kept just now. Please try again in a minute."), true},
    [UNSUBSCRIBE_PAGE_BAD] = {N_ ("That did not work"),
                              N_ ("The request did not say what you want. Please use the button."),
                              N_ ("The request did not say what you want. Please use the button."),
                              true},
    [UNSUBSCRIBE_PAGE_EXPIRED] = {N_ ("This link is too old"),
                                  N_ ("Nothing was changed. Please use the link in a newer "
                                      "message, or write to its sender."),
                                  N_ ("Nothing was changed. Please use the link in a newer "
                                      "message, or write to its sender."),
                                  false},
    [UNSUBSCRIBE_PAGE_UNKNOWN] =
        {N_ ("There is nothing here"),
         N_ ("Nothing was changed. The link is not whole; please open it from the message again."),
         N_ ("Nothing was changed. The link is not whole; please open it from the message again."),
         false},
};

static const char style[] =
    "html{background:#fff;color:#1a1a1a;font:1.125rem/1.6 system-ui,sans-serif}"
    "main{max-width:36rem;margin:3rem auto;padding:0 1.25rem;overflow-wrap:anywhere}"
    "h1{font-size:1.6rem;line-height:1.3}"
    "button{font:inherit;font-weight:600;color:#fff;background:#0b4a8f;border:2px solid #0b4a8f;"
    "border-radius:.375rem;padding:.625rem 1.5rem;min-height:2.75rem;cursor:pointer}"
    "button:hover{background:#08366a}"
    "button:focus-visible{outline:3px solid #1a1a1a;outline-offset:3px}";

char *
unsubscribe_page_policy (void)
{
    g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
    guint8 digest[32];
    gsize size = sizeof digest;
    g_autofree char *text = NULL;

    g_checksum_update (checksum, (const guchar *)style, (gssize)strlen (style));
    g_checksum_get_digest (checksum, digest, &size);
    text = g_base64_encode (digest, size);
    return g_strdup_printf ("default-src 'none'; style-src 'sha256-%s'; form-action 'self'; "
                            "base-uri 'none'; frame-ancestors 'none'",
                            text);
}

char *
unsubscribe_mask (const char *address)
{
    const char *at = strrchr (address, '@'), *first = address + (address[0] == '"');

    if (at == NULL || first >= at)
        return g_strdup ("\xe2\x80\xa6");
    return g_strdup_printf ("%.*s\xe2\x80\xa6%s", (int)(g_utf8_next_char (first) - first), first,
                            at);
}

/* --- Building --------------------------------------------------------------------------------- */

static void
append_escaped (GString *to, const char *text, gsize size)
{
    g_autofree char *escaped = g_markup_escape_text (text, (gssize)size);

    g_string_append (to, escaped);
}

/* In an element of its own, so that a name from right to left does not reorder the words around it. */
static void
append_name (GString *to, const char *name)
{
    g_string_append (to, "<bdi>");
    append_escaped (to, name, strlen (name));
    g_string_append (to, "</bdi>");
}

/* The text with its names put in; what stands in braces else is text. */
static void
append_filled (GString *to, const char *text, const char *address, const char *sender)
{
    while (*text != '\0') {
        gsize size = strcspn (text, "{");

        append_escaped (to, text, size);
        text += size;
        if (address != NULL && g_str_has_prefix (text, "{address}")) {
            append_name (to, address);
            text += strlen ("{address}");
        } else if (sender != NULL && g_str_has_prefix (text, "{sender}")) {
            append_name (to, sender);
            text += strlen ("{sender}");
        } else if (*text == '{') {
            g_string_append_c (to, *text++);
        }
    }
}

static void
append_head (GString *to, const char *language, const char *title)
{
    g_string_append_printf (to, "<!DOCTYPE html>\n<html lang=\"%s\">\n<head>\n", language);
    g_string_append (to,
                     "<meta charset=\"utf-8\">\n"
                     "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                     "<meta name=\"robots\" content=\"noindex, nofollow\">\n<title>");
    append_escaped (to, title, strlen (title));
    g_string_append_printf (to, "</title>\n<style>%s</style>\n</head>\n", style);
}

/* It has no action: it goes to where the page came from. */
static void
append_form (GString *to, const char *label)
{
    g_string_append (to, "<form method=\"post\">\n"
                         "<input type=\"hidden\" name=\"List-Unsubscribe\" value=\"One-Click\">\n"
                         "<input type=\"hidden\" name=\"how\" value=\"page\">\n"
                         "<button type=\"submit\">");
    append_escaped (to, label, strlen (label));
    g_string_append (to, "</button>\n</form>\n");
}

char *
unsubscribe_page (UnsubscribePage page, const char *accept, const UnsubscribeIdentity *identity)
{
    const char *sender = identity != NULL ? identity->sender : NULL;
    const char *title = relais_translate (GETTEXT_PACKAGE, accept, pages[page].title);
    const char *text = sender != NULL ? pages[page].text : pages[page].text_without_sender;
    g_autofree char *address = identity != NULL ? unsubscribe_mask (identity->address) : NULL;
    GString *to = g_string_sized_new (2048);

    append_head (to, relais_translate_language (GETTEXT_PACKAGE, accept), title);
    g_string_append (to, "<body>\n<main>\n<h1>");
    append_escaped (to, title, strlen (title));
    g_string_append (to, "</h1>\n<p>");
    append_filled (to, relais_translate (GETTEXT_PACKAGE, accept, text), address, sender);
    g_string_append (to, "</p>\n");
    if (pages[page].has_form)
        append_form (to, relais_translate (GETTEXT_PACKAGE, accept, N_ ("Unsubscribe")));
    g_string_append (to, "</main>\n</body>\n</html>\n");
    return g_string_free (to, FALSE);
}
