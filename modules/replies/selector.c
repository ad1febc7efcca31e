/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which replies a rule is about: how the keys of its section are read. Pure, any thread.
 */
#include "replies.h"

#include <glib/gi18n-lib.h>
#include <string.h>

GQuark
replies_error_quark (void)
{
    return g_quark_from_static_string ("relais-replies-error");
}

static const char *const PHASES[REPLIES_PHASES] = {"connect", "banner", "ehlo", "starttls", "auth",
                                                   "mail",    "rcpt",   "data", "body"};

int
replies_phase_parse (const char *text)
{
    /* The reply to the whole message has a word of its own in events; in rules it is body's. */
    if (g_strcmp0 (text, "dot") == 0)
        return REPLIES_PHASE_BODY;
    for (int i = 0; i < REPLIES_PHASES; i++)
        if (text != NULL && strcmp (text, PHASES[i]) == 0)
            return i;
    return -1;
}

/* --- Errors --------------------------------------------------------------------------------------- */

/* FILE:LINE of a key, or of another one of the section if that was not set. */
static const char *
place (const RelaisSection *section, const char *key)
{
    static const char *const others[] = {"action",   "scope", "reason",   "text", "code",
                                         "enhanced", "phase", "provider", "hits", "for"};

    for (guint i = 0; !relais_section_is_set (section, key) && i < G_N_ELEMENTS (others); i++)
        if (relais_section_is_set (section, others[i]))
            key = others[i];
    return relais_section_get_origin (section, key);
}

bool
replies_refuse (const RelaisSection *section, const char *kind, const char *key, GError **error,
                char *text)
{
    g_set_error (error, replies_error_quark (), 0, "%s: [%s %s] %s: %s", place (section, key), kind,
                 relais_section_get_name (section), key, text);
    g_free (text);
    return false;
}

/* Where a selector is read from. */
typedef struct {
    const RelaisSection *section;
    const char *kind;
} Source;

static bool
refuse (const Source *source, const char *key, GError **error, char *text)
{
    return replies_refuse (source->section, source->kind, key, error, text);
}

/* --- Parts of a section ------------------------------------------------------------------------- */

static bool
read_phases (RepliesSelector *selector, const Source *source, GError **error)
{
    const char *const *items = relais_section_get_list (source->section, "phase");

    for (; *items != NULL; items++) {
        int phase = replies_phase_parse (*items);

        if (phase < 0)
            return refuse (source, "phase", error,
                           g_strdup_printf (_ ("'%s' is no phase; expected connect, banner, ehlo, "
                                               "starttls, auth, mail, rcpt, data or body"),
                                            *items));
        selector->phases |= 1u << phase;
    }
    return true;
}

static void
set_code (RepliesSelector *selector, guint code)
{
    guint bit = code - REPLIES_CODE_LEAST;

    selector->codes[bit / 64] |= G_GUINT64_CONSTANT (1) << bit % 64;
}

bool
replies_selector_has_code (const RepliesSelector *selector, guint code)
{
    guint bit = code - REPLIES_CODE_LEAST;

    return bit < REPLIES_CODES && (selector->codes[bit / 64] >> bit % 64 & 1) != 0;
}

/* "421", "45x", "4xx". */
static bool
add_codes (RepliesSelector *selector, const char *text)
{
    guint from = 0, count = 1;

    if (strlen (text) != 3 || (text[0] != '4' && text[0] != '5'))
        return false;
    for (guint i = 0; i < 3; i++) {
        bool open = text[i] == 'x';

        if ((!open && !g_ascii_isdigit (text[i])) || (count > 1 && !open))
            return false;
        from = from * 10 + (open ? 0 : (guint)(text[i] - '0'));
        count *= open ? 10 : 1;
    }
    for (guint code = from; code < from + count; code++)
        set_code (selector, code);
    return true;
}

static bool
read_codes (RepliesSelector *selector, const Source *source, GError **error)
{
    const char *const *items = relais_section_get_list (source->section, "code");

    selector->any_code = items[0] == NULL;
    if (selector->any_code)
        memset (selector->codes, 0xff, sizeof selector->codes);
    for (; *items != NULL; items++)
        if (!add_codes (selector, *items))
            return refuse (source, "code", error,
                           g_strdup_printf (_ ("'%s' is no code; expected one of 4xx and 5xx, as "
                                               "421, 45x or 4xx"),
                                            *items));
    return true;
}

/* A number of at most `digits` digits; the rest of the text, or NULL. */
const char *
replies_take_number (const char *text, guint digits, guint *number)
{
    guint n = 0;

    *number = 0;
    for (; n < digits && g_ascii_isdigit (text[n]); n++)
        *number = *number * 10 + (guint)(text[n] - '0');
    return n > 0 ? text + n : NULL;
}

static const char *
take_part (const char *text, guint digits, int *part)
{
    guint number;
    const char *rest;

    *part = -1;
    if (*text == '*')
        return text + 1;
    rest = replies_take_number (text, digits, &number);
    *part = (int)number;
    return rest;
}

static bool
parse_detail (const char *text, RepliesEnhanced *enhanced)
{
    guint from, to;

    if (strcmp (text, "*") == 0) {
        enhanced->detail = 0;
        enhanced->detail_to = 999;
        return true;
    }
    text = replies_take_number (text, 3, &from);
    to = from;
    if (text != NULL && *text == '-')
        text = replies_take_number (text + 1, 3, &to);
    enhanced->detail = (guint16)from;
    enhanced->detail_to = (guint16)to;
    return text != NULL && *text == '\0' && from <= to;
}

static bool
parse_enhanced (const char *text, RepliesEnhanced *enhanced)
{
    text = take_part (text, 1, &enhanced->klass);
    if (text == NULL || *text != '.' ||
        (enhanced->klass >= 0 && enhanced->klass != 4 && enhanced->klass != 5))
        return false;
    text = take_part (text + 1, 3, &enhanced->subject);
    return text != NULL && *text == '.' && parse_detail (text + 1, enhanced);
}

static bool
read_enhanced (RepliesSelector *selector, const Source *source, GError **error)
{
    const char *const *items = relais_section_get_list (source->section, "enhanced");

    selector->enhanced = g_array_new (FALSE, FALSE, sizeof (RepliesEnhanced));
    for (; *items != NULL; items++) {
        RepliesEnhanced enhanced;

        if (!parse_enhanced (*items, &enhanced))
            return refuse (
                source, "enhanced", error,
                g_strdup_printf (_ ("'%s' is no enhanced code; expected one of 4.x.x and "
                                    "5.x.x, as 4.7.28, 4.7.*, *.7.1 or 4.7.500-699"),
                                 *items));
        g_array_append_val (selector->enhanced, enhanced);
    }
    return true;
}

static bool
read_text (RepliesSelector *selector, const Source *source, pcre2_compile_context *context,
           GError **error)
{
    const char *text = relais_section_get_string (source->section, "text");
    const guint32 options = PCRE2_CASELESS | PCRE2_DOTALL | PCRE2_NO_AUTO_CAPTURE |
                            PCRE2_NEVER_UTF | PCRE2_NEVER_BACKSLASH_C;
    guint8 said[160];
    PCRE2_SIZE where;
    int code;

    if (text == NULL || text[0] == '\0')
        return true;
    selector->text = g_strdup (text);
    if (strlen (text) > REPLIES_PATTERN_BYTES)
        return refuse (
            source, "text", error,
            g_strdup_printf (_ ("the pattern is longer than %d octets"), REPLIES_PATTERN_BYTES));
    selector->pattern =
        pcre2_compile ((PCRE2_SPTR)text, strlen (text), options, &code, &where, context);
    if (selector->pattern != NULL)
        return true;
    pcre2_get_error_message (code, said, sizeof said);
    return refuse (source, "text", error,
                   g_strdup_printf (_ ("the pattern is wrong at its octet %zu: %s"), where + 1,
                                    (const char *)said));
}

/* --- The whole ---------------------------------------------------------------------------------- */

bool
replies_selector_init (RepliesSelector *selector, const RelaisSection *section, const char *kind,
                       pcre2_compile_context *context, GError **error)
{
    const Source source = {section, kind};

    *selector = (RepliesSelector){
        .name = g_strdup (relais_section_get_name (section)),
        .origin = g_strdup (place (section, "action")),
        .providers = g_strdupv ((char **)relais_section_get_list (section, "provider"))};
    return read_phases (selector, &source, error) && read_codes (selector, &source, error) &&
           read_enhanced (selector, &source, error) &&
           read_text (selector, &source, context, error);
}

void
replies_selector_clear (RepliesSelector *selector)
{
    g_free (selector->name);
    g_free (selector->origin);
    g_strfreev (selector->providers);
    g_clear_pointer (&selector->enhanced, g_array_unref);
    g_free (selector->text);
    pcre2_code_free (selector->pattern);
}

bool
replies_selector_is_open (const RepliesSelector *selector)
{
    return selector->phases == 0 && selector->any_code && selector->enhanced->len == 0 &&
           selector->text == NULL;
}
