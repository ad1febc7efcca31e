/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which links of a message are tracked. Pure; any thread. Every test goes over the link once. A newsletter has
 * hundreds of links, so that words are looked up by their first two octets, in tables that the first link
 * makes.
 *
 * To leave a link alone costs a count; to wrap one that somebody wants untouched, or that was never filled
 * in, costs more. So what looks like either is left alone.
 */
#include "links.h"

#include "url.h"

#include <string.h>

const char *
click_choice_reason (ClickChoice choice)
{
    switch (choice) {
    case CLICK_TRACK: return "tracked";
    case CLICK_SCHEME: return "scheme";
    case CLICK_TEMPLATE: return "template";
    case CLICK_UNSUBSCRIBE: return "unsubscribe";
    case CLICK_URL: return "url";
    case CLICK_OWN: return "own";
    case CLICK_NO_TRACK: return "no-track";
    }
    return "url";
}

enum { WORDS = 254 /* at most, of a list */, SLOTS = 1024 };

/* A list of words by their first two octets: word 1 is the first of the list, 0 is none. */
typedef struct {
    const char *const *words; /* of two octets at least, in lower case */
    gsize made;               /* for g_once_init_enter (): the tables below are */
    guint8 first[SLOTS];
    guint8 next[WORDS + 1];
} WordIndex;

static guint
slot_of (const char *two)
{
    return ((guint8)two[0] * 31u + (guint8)two[1]) % SLOTS;
}

static void
index_words (WordIndex *index)
{
    for (guint n = 1; index->words[n - 1] != NULL; n++) {
        guint8 *first = &index->first[slot_of (index->words[n - 1])];

        g_assert (n <= WORDS);
        index->next[n] = *first;
        *first = (guint8)n;
    }
}

/* Of the words of a slot nearly none does, and it shows at once. */
static bool
begins_with (const char *text, const char *word)
{
    return text[0] == word[0] && text[1] == word[1] && g_str_has_prefix (text, word);
}

/* Whether one of the words stands in the text, which is in lower case. */
static bool
has_any (const GString *text, WordIndex *index)
{
    const char *end = text->str + strlen (text->str);

    if (g_once_init_enter (&index->made)) {
        index_words (index);
        g_once_init_leave (&index->made, 1);
    }
    for (const char *p = text->str; p < end; p++)
        for (guint n = index->first[slot_of (p)]; n != 0; n = index->next[n])
            if (begins_with (p, index->words[n - 1]))
                return true;
    return false;
}

/* --- Left by a mail merge -------------------------------------------------------------------------- */

/* How what is to be filled in begins (and for some ends) in the merge languages in use: Handlebars, Jinja,
 * Liquid, Mailchimp, ERB, JavaScript, Salesforce, Word; and the escapes that an editor may have made of it. */
static const char *const merge_marks[] = {
    "{{",     "}}",     "{%",     "%}",   "{#",     "{!",     "*|",       "|*",
    "[[",     "]]",     "[%",     "${",   "#{",     "<%",     "%>",       "<<",
    ">>",     "<?",     "?>",     "@@",   "%7b%7b", "%7b%25", "%7b!",     "%24%7b",
    "%5b%5b", "%3c%25", "%3c%3c", "*%7c", "%2a%7c", "%c2%ab", "\xc2\xab", NULL};

static WordIndex merge_index = {.words = merge_marks};

static bool
is_name_octet (char c)
{
    return g_ascii_isalnum (c) || c == '_' || c == '.' || c == '-' || c == ':';
}

/* Where the name that begins at `at` ends; `at` if none does. */
static gsize
end_of_name (const GString *text, gsize at)
{
    if (!g_ascii_isalpha (text->str[at]) && text->str[at] != '_')
        return at;
    while (is_name_octet (text->str[at]))
        at++;
    return at;
}

static bool
is_escape (const char *text)
{
    return text[0] == '%' && g_ascii_isxdigit (text[1]) && g_ascii_isxdigit (text[2]);
}

static bool
begins_placeholder (char c)
{
    return c == '%' || c == '#' || c == '$' || c == '~' || c == '|' || c == '{';
}

/* Whether a placeholder stands at `at`: %%name%%, ##name##, $$name$$, ~~name~~, ||name||, {name}, or %name%
 * if those are no escapes. */
static bool
is_placeholder (const GString *text, gsize at)
{
    const char *p = text->str + at;
    const bool doubled = p[0] != '{' && p[1] == p[0];
    const gsize begin = at + (doubled ? 2 : 1);
    const gsize end = end_of_name (text, begin);
    const char *after = text->str + end;

    if (end == begin)
        return false;
    if (doubled)
        return after[0] == p[0] && after[1] == p[0];
    if (p[0] == '{')
        return after[0] == '}';
    return p[0] == '%' && after[0] == '%' && !(is_escape (p) && is_escape (after));
}

static bool
has_template (const GString *text)
{
    if (has_any (text, &merge_index))
        return true;
    for (gsize at = 0; at < text->len; at++)
        if (begins_placeholder (text->str[at]) && is_placeholder (text, at))
            return true;
    return false;
}

/* --- Out of a list --------------------------------------------------------------------------------- */

static const char *const leaving_words[] = {
    /* English */
    "unsub", "un-sub", "un_sub", "optout", "opt-out", "opt_out", "opt+out", "opt%20out", "opt out",
    "optedout", "removeme", "remove-me", "remove_me", "list-remove", "leave-list", "preferenc",
    "prefcenter", "prefcentre", "pref-center", "pref_center", "managesubscri", "manage-subscri",
    "manage_subscri", "subscription-center", "subscriptioncenter", "email-settings",
    "emailsettings", "email_settings", "/email-prefs", "/emailprefs",
    /* French */
    "desabonn", "d\xc3\xa9sabonn", "d\xe9sabonn", "d%c3%a9sabonn", "d%e9sabonn", "desinscri",
    "d\xc3\xa9sinscri", "d\xe9sinscri", "d%c3%a9sinscri", "d%e9sinscri", "se-desabo",
    /* German, Dutch, Danish, Swedish, Norwegian */
    "abmeld", "abbestell", "austrag", "uitschrij", "afmeld", "voorkeur", "avmeld", "avregistr",
    "avprenum", "frameld",
    /* Spanish, Portuguese, Italian */
    "darse-de-baja", "darse_de_baja", "darsedebaja", "dar-de-baja", "dar_de_baja", "dardebaja",
    "dese-de-baja", "desuscri", "cancelar-suscri", "cancelarsuscri", "cancelar_suscri", "preferenc",
    "descadastr", "cancelar-inscri", "cancelarinscri", "cancelar-assin", "cancelarassin",
    "cancella-iscri", "cancella_iscri", "cancellaiscri", "disiscri", "annulla-iscri", "preferenz",
    /* Polish, Czech, Russian */
    "wypisz", "rezygnacj", "odhlasit", "odhlaseni", "otpis", NULL};

static WordIndex leaving_index = {.words = leaving_words};

static bool
is_listed (const char *url, const GPtrArray *listed)
{
    for (guint i = 0; listed != NULL && i < listed->len; i++)
        if (strcmp (url, listed->pdata[i]) == 0)
            return true;
    return false;
}

/* A < opens an URL, blanks and folds within it do not count, a > ends it. */
GPtrArray *
click_list_unsubscribe (const char *value, gsize size)
{
    GPtrArray *urls = g_ptr_array_new_with_free_func (g_free);
    const char *p = value, *end = value + size;

    while (p < end && urls->len < CLICK_UNSUBSCRIBE_URLS &&
           (p = memchr (p, '<', (gsize)(end - p))) != NULL) {
        const char *close = memchr (p, '>', (gsize)(end - p));
        g_autoptr (GString) text = g_string_new (NULL);
        char *url;

        if (close == NULL)
            break;
        for (p++; p < close; p++)
            if (!g_ascii_isspace (*p))
                g_string_append_c (text, *p);
        url = click_url_serialize (text->str, text->len, true);
        if (url != NULL)
            g_ptr_array_add (urls, url);
    }
    return urls;
}

/* --- The choice ------------------------------------------------------------------------------------ */

/* Whether the URL has the host and port of the other one; both serialized. */
static bool
is_own (const char *url, const char *base)
{
    const char *host = strstr (url, "://");
    const char *own = base != NULL ? strstr (base, "://") : NULL;

    return host != NULL && own != NULL &&
           strncmp (host, own, strcspn (own + 3, "/") + 4) == 0; /* :// and the slash behind */
}

ClickChoice
click_choose (const char *href, gsize size, bool utf8, const ClickPage *page, char **url)
{
    g_autoptr (GString) lower = g_string_new_len (href, (gssize)size);
    g_autofree char *serial = NULL;

    *url = NULL;
    g_string_ascii_down (lower);
    if (has_template (lower))
        return CLICK_TEMPLATE;
    if (!click_url_is_web (href, size))
        return CLICK_SCHEME;
    if (has_any (lower, &leaving_index))
        return CLICK_UNSUBSCRIBE;
    serial = click_url_serialize (href, size, utf8);
    if (serial == NULL)
        return CLICK_URL;
    if (is_listed (serial, page->unsubscribe))
        return CLICK_UNSUBSCRIBE;
    if (is_own (serial, page->own))
        return CLICK_OWN;
    *url = g_steal_pointer (&serial);
    return CLICK_TRACK;
}
