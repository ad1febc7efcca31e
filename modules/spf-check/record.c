/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The parser of records (RFC 7208 sections 4.5, 4.6, 5, 6, 12). A record is read as a whole before any of it
 * is looked at: a fault anywhere is a fault of the record. Pure; any thread.
 */
#include "spf.h"

#include <arpa/inet.h>
#include <string.h>

enum { SHOWN_BYTES = 64, ADDRESS_BYTES = 64 };

static const char version[] = "v=spf1";

typedef struct {
    const char *at, *end;
} Text;

static bool
fail (char **problem, const char *what, const char *term, gsize size)
{
    const gsize shown = MIN (size, SHOWN_BYTES);

    *problem =
        g_strdup_printf ("%s: \"%.*s%s\"", what, (int)shown, term, shown < size ? "..." : "");
    return false;
}

bool
spf_record_is_spf (const guint8 *bytes, gsize size)
{
    const gsize n = sizeof version - 1;

    return size >= n && g_ascii_strncasecmp ((const char *)bytes, version, n) == 0 &&
           (size == n || bytes[n] == ' ');
}

/* --- Parts of a term -------------------------------------------------------------------------- */

static bool
text_is (const char *text, gsize size, const char *word)
{
    return strlen (word) == size && g_ascii_strncasecmp (text, word, size) == 0;
}

/* Letters first, then letters, digits, "-", "_" and "."; 0 if there is no name. */
static gsize
name_size (const char *text, gsize size)
{
    gsize n = 0;

    if (size == 0 || !g_ascii_isalpha (text[0]))
        return 0;
    while (n < size && (g_ascii_isalnum (text[n]) || memchr ("-_.", text[n], 3) != NULL))
        n++;
    return n;
}

/* Takes `slashes` and a number from the end; false, and nothing is taken, if they do not stand there. */
static bool
take_prefix (Text *text, const char *slashes, guint *prefix)
{
    const gsize n = strlen (slashes);
    const char *digits = text->end;
    guint value = 0;

    while (digits > text->at && g_ascii_isdigit (digits[-1]))
        digits--;
    if (digits == text->end || (gsize)(digits - text->at) < n ||
        memcmp (digits - n, slashes, n) != 0)
        return false;
    for (const char *at = digits; at < text->end; at++)
        value = MIN (value * 10 + (guint)(*at - '0'), 1000);
    *prefix = *digits == '0' && text->end - digits > 1 ? 1000 : value; /* no leading zero */
    text->end = digits - n;
    return true;
}

/* "/24", "//64" or both at the end of the term. */
static bool
take_prefixes (Text *text, SpfTerm *term)
{
    guint four = 32, six = 128;

    take_prefix (text, "//", &six);
    take_prefix (text, "/", &four);
    term->prefix4 = (guint8)MIN (four, 255);
    term->prefix6 = (guint8)MIN (six, 255);
    return four <= 32 && six <= 128;
}

/* ":domain-spec", all that is left. */
static bool
take_domain (Text *text, SpfTerm *term)
{
    if (text->at >= text->end || *text->at != ':' ||
        !spf_macro_is_valid (text->at + 1, (gsize)(text->end - text->at - 1), SPF_MACRO_DOMAIN))
        return false;
    term->domain = g_strndup (text->at + 1, (gsize)(text->end - text->at - 1));
    return true;
}

static bool
take_domain_or_none (Text *text, SpfTerm *term)
{
    return text->at == text->end || take_domain (text, term);
}

static bool
take_address (Text *text, SpfTerm *term, bool six)
{
    char address[ADDRESS_BYTES] = "";
    guint prefix = six ? 128 : 32;
    gsize size;

    take_prefix (text, "/", &prefix);
    if (text->at >= text->end || *text->at != ':')
        return false;
    size = (gsize)(text->end - text->at - 1);
    if (size >= sizeof address || prefix > (six ? 128u : 32u))
        return false;
    memcpy (address, text->at + 1, size);
    term->prefix4 = term->prefix6 = (guint8)prefix;
    return inet_pton (six ? AF_INET6 : AF_INET, address, term->net) == 1;
}

/* --- Terms ------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    SpfMechanism kind;
} mechanisms[] = {{"all", SPF_ALL}, {"include", SPF_INCLUDE}, {"a", SPF_A},
                  {"mx", SPF_MX},   {"ptr", SPF_PTR},         {"ip4", SPF_IP4},
                  {"ip6", SPF_IP6}, {"exists", SPF_EXISTS}};

static bool
take_arguments (Text *text, SpfTerm *term)
{
    switch (term->kind) {
    case SPF_ALL: return text->at == text->end;
    case SPF_INCLUDE:
    case SPF_EXISTS: return take_domain (text, term);
    case SPF_A:
    case SPF_MX: return take_prefixes (text, term) && take_domain_or_none (text, term);
    case SPF_PTR: return take_domain_or_none (text, term);
    case SPF_IP4: return take_address (text, term, false);
    case SPF_IP6: return take_address (text, term, true);
    }
    return false;
}

static SpfResult
take_qualifier (Text *text)
{
    switch (*text->at) {
    case '+': text->at++; return SPF_PASS;
    case '-': text->at++; return SPF_FAIL;
    case '~': text->at++; return SPF_SOFTFAIL;
    case '?': text->at++; return SPF_NEUTRAL;
    default: return SPF_PASS;
    }
}

static bool
take_mechanism (SpfRecord *record, const char *start, gsize size, char **problem)
{
    Text text = {start, start + size};
    SpfTerm term = {.qualifier = take_qualifier (&text)};
    const gsize n = name_size (text.at, (gsize)(text.end - text.at));
    bool known = false;

    for (guint i = 0; i < G_N_ELEMENTS (mechanisms) && !known; i++)
        if (text_is (text.at, n, mechanisms[i].name)) {
            term.kind = mechanisms[i].kind;
            known = true;
        }
    if (!known)
        return fail (problem, "unknown mechanism", start, size);
    text.at += n;
    if (!take_arguments (&text, &term)) {
        g_free (term.domain);
        return fail (problem, "syntax error", start, size);
    }
    term.text = g_strndup (start, size);
    g_array_append_val (record->terms, term);
    return true;
}

/* redirect and exp come once at most, with a domain; others are none of ours, but have a form too. */
static bool
take_modifier (SpfRecord *record, const char *start, gsize size, gsize name, char **problem)
{
    const char *value = start + name + 1;
    const gsize value_size = size - name - 1;
    char **place = NULL;

    if (text_is (start, name, "redirect"))
        place = &record->redirect;
    else if (text_is (start, name, "exp"))
        place = &record->explanation;
    if (place != NULL && *place != NULL)
        return fail (problem, "modifier comes twice", start, size);
    if (!spf_macro_is_valid (value, value_size, place != NULL ? SPF_MACRO_DOMAIN : SPF_MACRO_VALUE))
        return fail (problem, "syntax error", start, size);
    if (place != NULL)
        *place = g_strndup (value, value_size);
    return true;
}

static bool
take_term (SpfRecord *record, const char *start, gsize size, char **problem)
{
    const gsize name = name_size (start, size);

    if (name > 0 && name < size && start[name] == '=')
        return take_modifier (record, start, size, name, problem);
    return take_mechanism (record, start, size, problem);
}

/* --- The record ------------------------------------------------------------------------------- */

static void
clear_term (gpointer data)
{
    SpfTerm *term = data;

    g_free (term->domain);
    g_free (term->text);
}

void
spf_record_free (SpfRecord *record)
{
    if (record == NULL)
        return;
    g_array_unref (record->terms);
    g_free (record->redirect);
    g_free (record->explanation);
    g_free (record);
}

static bool
is_clean (const guint8 *bytes, gsize size)
{
    for (gsize i = 0; i < size; i++)
        if (bytes[i] < 0x20 || bytes[i] > 0x7e)
            return false;
    return true;
}

SpfRecord *
spf_record_parse (const guint8 *bytes, gsize size, char **problem)
{
    const char *at = (const char *)bytes + sizeof version - 1, *end = (const char *)bytes + size;
    g_autoptr (SpfRecord) record = g_new0 (SpfRecord, 1);

    record->terms = g_array_new (FALSE, FALSE, sizeof (SpfTerm));
    g_array_set_clear_func (record->terms, clear_term);
    if (size > SPF_RECORD_BYTES || !spf_record_is_spf (bytes, size) || !is_clean (bytes, size)) {
        *problem = g_strdup (size > SPF_RECORD_BYTES ? "the record is too long"
                                                     : "octets that are not printable ASCII");
        return NULL;
    }
    while (at < end) {
        const char *space = memchr (at, ' ', (gsize)(end - at));
        const char *stop = space != NULL ? space : end;

        if (stop > at && !take_term (record, at, (gsize)(stop - at), problem))
            return NULL;
        at = space != NULL ? space + 1 : end;
    }
    return g_steal_pointer (&record);
}
