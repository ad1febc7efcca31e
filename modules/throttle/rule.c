/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One rule: how its section is read, and what of a reply it looks at before its pattern. Pure, any thread.
 */
#include "rule.h"

#include <glib/gi18n-lib.h>
#include <string.h>

GQuark
throttle_rules_error_quark (void)
{
    return g_quark_from_static_string ("relais-throttle-rules-error");
}

static const char *const PHASES[THROTTLE_PHASES] = {"connect", "banner", "ehlo", "starttls", "auth",
                                                    "mail",    "rcpt",   "data", "body"};
static const char *const ACTIONS[] = {"none",        "slow",        "pause",
                                      "connections", "stop-tenant", "stop-campaign"};

int
throttle_phase_parse (const char *text)
{
    /* The reply to the whole message has a word of its own in events; in rules it is body's. */
    if (g_strcmp0 (text, "dot") == 0)
        return THROTTLE_PHASE_BODY;
    for (int i = 0; i < THROTTLE_PHASES; i++)
        if (text != NULL && strcmp (text, PHASES[i]) == 0)
            return i;
    return -1;
}

const char *
throttle_action_to_string (ThrottleActionKind kind)
{
    return ACTIONS[kind];
}

bool
throttle_rule_is_about_lane (const ThrottleRule *rule)
{
    return rule->kind == THROTTLE_ACTION_SLOW || rule->kind == THROTTLE_ACTION_PAUSE ||
           rule->kind == THROTTLE_ACTION_CONNECTIONS;
}

/* --- Parts of a section ------------------------------------------------------------------------- */

/* FILE:LINE of a key, or of another one of the section if that was not set. */
static const char *
place (const RelaisSection *section, const char *key)
{
    static const char *const others[] = {"action", "text",     "code", "enhanced",
                                         "phase",  "provider", "hits", "for"};

    for (guint i = 0; !relais_section_is_set (section, key) && i < G_N_ELEMENTS (others); i++)
        if (relais_section_is_set (section, others[i]))
            key = others[i];
    return relais_section_get_origin (section, key);
}

static bool
refuse (const RelaisSection *section, const char *key, GError **error, char *text)
{
    g_set_error (error, throttle_rules_error_quark (), 0, "%s: [throttle-rule %s] %s: %s",
                 place (section, key), relais_section_get_name (section), key, text);
    g_free (text);
    return false;
}

static bool
read_phases (ThrottleRule *rule, const RelaisSection *section, GError **error)
{
    const char *const *items = relais_section_get_list (section, "phase");

    for (; *items != NULL; items++) {
        int phase = throttle_phase_parse (*items);

        if (phase < 0)
            return refuse (section, "phase", error,
                           g_strdup_printf (_ ("'%s' is no phase; expected connect, banner, ehlo, "
                                               "starttls, auth, mail, rcpt, data or body"),
                                            *items));
        rule->phases |= 1u << phase;
    }
    return true;
}

static void
set_code (ThrottleRule *rule, guint code)
{
    guint bit = code - THROTTLE_CODE_LEAST;

    rule->codes[bit / 64] |= G_GUINT64_CONSTANT (1) << bit % 64;
}

bool
throttle_rule_has_code (const ThrottleRule *rule, guint code)
{
    guint bit = code - THROTTLE_CODE_LEAST;

    return bit < THROTTLE_CODES && (rule->codes[bit / 64] >> bit % 64 & 1) != 0;
}

/* "421", "45x", "4xx". */
static bool
add_codes (ThrottleRule *rule, const char *text)
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
        set_code (rule, code);
    return true;
}

static bool
read_codes (ThrottleRule *rule, const RelaisSection *section, GError **error)
{
    const char *const *items = relais_section_get_list (section, "code");

    rule->any_code = items[0] == NULL;
    if (rule->any_code)
        memset (rule->codes, 0xff, sizeof rule->codes);
    for (; *items != NULL; items++)
        if (!add_codes (rule, *items))
            return refuse (section, "code", error,
                           g_strdup_printf (_ ("'%s' is no code; expected one of 4xx and 5xx, as "
                                               "421, 45x or 4xx"),
                                            *items));
    return true;
}

/* A number of at most `digits` digits; the rest of the text, or NULL. */
static const char *
take_number (const char *text, guint digits, guint *number)
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
    rest = take_number (text, digits, &number);
    *part = (int)number;
    return rest;
}

static bool
parse_detail (const char *text, ThrottleEnhanced *enhanced)
{
    guint from, to;

    if (strcmp (text, "*") == 0) {
        enhanced->detail = 0;
        enhanced->detail_to = 999;
        return true;
    }
    text = take_number (text, 3, &from);
    to = from;
    if (text != NULL && *text == '-')
        text = take_number (text + 1, 3, &to);
    enhanced->detail = (guint16)from;
    enhanced->detail_to = (guint16)to;
    return text != NULL && *text == '\0' && from <= to;
}

static bool
parse_enhanced (const char *text, ThrottleEnhanced *enhanced)
{
    text = take_part (text, 1, &enhanced->klass);
    if (text == NULL || *text != '.' ||
        (enhanced->klass >= 0 && enhanced->klass != 4 && enhanced->klass != 5))
        return false;
    text = take_part (text + 1, 3, &enhanced->subject);
    return text != NULL && *text == '.' && parse_detail (text + 1, enhanced);
}

static bool
read_enhanced (ThrottleRule *rule, const RelaisSection *section, GError **error)
{
    const char *const *items = relais_section_get_list (section, "enhanced");

    rule->enhanced = g_array_new (FALSE, FALSE, sizeof (ThrottleEnhanced));
    for (; *items != NULL; items++) {
        ThrottleEnhanced enhanced;

        if (!parse_enhanced (*items, &enhanced))
            return refuse (
                section, "enhanced", error,
                g_strdup_printf (_ ("'%s' is no enhanced code; expected one of 4.x.x and "
                                    "5.x.x, as 4.7.28, 4.7.*, *.7.1 or 4.7.500-699"),
                                 *items));
        g_array_append_val (rule->enhanced, enhanced);
    }
    return true;
}

static bool
read_text (ThrottleRule *rule, const RelaisSection *section, pcre2_compile_context *context,
           GError **error)
{
    const char *text = relais_section_get_string (section, "text");
    const guint32 options = PCRE2_CASELESS | PCRE2_DOTALL | PCRE2_NO_AUTO_CAPTURE |
                            PCRE2_NEVER_UTF | PCRE2_NEVER_BACKSLASH_C;
    guint8 said[160];
    PCRE2_SIZE where;
    int code;

    if (text == NULL || text[0] == '\0')
        return true;
    rule->text = g_strdup (text);
    if (strlen (text) > THROTTLE_PATTERN_BYTES)
        return refuse (
            section, "text", error,
            g_strdup_printf (_ ("the pattern is longer than %d octets"), THROTTLE_PATTERN_BYTES));
    rule->pattern =
        pcre2_compile ((PCRE2_SPTR)text, strlen (text), options, &code, &where, context);
    if (rule->pattern != NULL)
        return true;
    pcre2_get_error_message (code, said, sizeof said);
    return refuse (section, "text", error,
                   g_strdup_printf (_ ("the pattern is wrong at its octet %zu: %s"), where + 1,
                                    (const char *)said));
}

/* --- N/TIME ------------------------------------------------------------------------------------- */

static bool
parse_time (const char *text, gint64 *time_us)
{
    static const struct {
        const char *unit;
        gint64 seconds;
    } units[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 24 * 3600}};
    guint number;
    const char *unit = take_number (text, 6, &number);

    for (guint i = 0; unit != NULL && i < G_N_ELEMENTS (units); i++)
        if (strcmp (unit, units[i].unit) == 0) {
            *time_us = (gint64)number * units[i].seconds * G_USEC_PER_SEC;
            return number > 0 && *time_us <= (gint64)THROTTLE_WITHIN_S * G_USEC_PER_SEC;
        }
    return false;
}

static bool
read_hits (ThrottleRule *rule, const RelaisSection *section, GError **error)
{
    const char *text = relais_section_get_string (section, "hits"), *rest;
    guint number;

    rule->hits = 1;
    if (text == NULL || text[0] == '\0')
        return true;
    rest = take_number (text, 7, &number);
    if (rest == NULL || *rest != '/' || number == 0 || number > THROTTLE_HITS ||
        !parse_time (rest + 1, &rule->within_us))
        return refuse (section, "hits", error,
                       g_strdup_printf (_ ("'%s' is not N/TIME, as 5/10m; expected from 1 to %d "
                                           "replies within at most 7d"),
                                        text, THROTTLE_HITS));
    rule->hits = number;
    if (number == 1)
        rule->within_us = 0;
    return true;
}

/* --- The whole ---------------------------------------------------------------------------------- */

static bool
needs_duration (const ThrottleRule *rule)
{
    return rule->kind == THROTTLE_ACTION_PAUSE || rule->kind == THROTTLE_ACTION_STOP_TENANT ||
           rule->kind == THROTTLE_ACTION_STOP_CAMPAIGN;
}

static bool
is_mailbox (int subject)
{
    return subject == 1 || subject == 2;
}

/* One mailbox's trouble closes no lane. */
static bool
check_lane (const ThrottleRule *rule, const RelaisSection *section, GError **error)
{
    if (!throttle_rule_is_about_lane (rule) || rule->text != NULL)
        return true;
    if (rule->phases == 1u << THROTTLE_PHASE_RCPT)
        return refuse (section, "phase", error,
                       g_strdup (_ ("a reply to RCPT is about one mailbox and changes no lane; "
                                    "expected a text that says otherwise, or other phases")));
    for (guint i = 0; i < rule->enhanced->len; i++)
        if (is_mailbox (g_array_index (rule->enhanced, ThrottleEnhanced, i).subject))
            return refuse (section, "enhanced", error,
                           g_strdup (_ ("x.1.x and x.2.x are about one mailbox and change no lane; "
                                        "expected a text that says otherwise, or other codes")));
    return true;
}

static bool
check_whole (const ThrottleRule *rule, const RelaisSection *section, GError **error)
{
    if (!relais_section_is_set (section, "action"))
        return refuse (
            section, "action", error,
            g_strdup_printf (_ ("there is none; expected one of %s"), THROTTLE_ACTION_CHOICES));
    if (needs_duration (rule) && rule->duration_us == 0)
        return refuse (section, "action", error,
                       g_strdup_printf (_ ("%s needs a time; expected for = TIME"),
                                        throttle_action_to_string (rule->kind)));
    if (rule->phases == 0 && rule->any_code && rule->enhanced->len == 0 && rule->text == NULL)
        return refuse (section, "action", error,
                       g_strdup (_ ("it would take every reply; expected a phase, a code, an "
                                    "enhanced code or a text")));
    return check_lane (rule, section, error);
}

/* --- A rule ----------------------------------------------------------------------------------------- */

char *
throttle_duration_to_string (gint64 duration_us)
{
    static const struct {
        const char *unit;
        gint64 ms;
    } units[] = {
        {"d", 24 * 3600 * 1000}, {"h", 3600 * 1000}, {"m", 60 * 1000}, {"s", 1000}, {"ms", 1}};
    const gint64 ms = duration_us / 1000;
    guint i = 0;

    while (i + 1 < G_N_ELEMENTS (units) && ms % units[i].ms != 0)
        i++;
    return g_strdup_printf ("%" G_GINT64_FORMAT "%s", ms / units[i].ms, units[i].unit);
}

ThrottleRule *
throttle_rule_new (const RelaisSection *section, pcre2_compile_context *context, GError **error)
{
    ThrottleRule *rule = g_new0 (ThrottleRule, 1);

    rule->name = g_strdup (relais_section_get_name (section));
    rule->origin = g_strdup (relais_section_get_origin (section, "action"));
    rule->providers = g_strdupv ((char **)relais_section_get_list (section, "provider"));
    rule->kind = (ThrottleActionKind)relais_section_get_enum (section, "action");
    rule->duration_us = relais_section_get_int (section, "for");
    if (read_phases (rule, section, error) && read_codes (rule, section, error) &&
        read_enhanced (rule, section, error) && read_text (rule, section, context, error) &&
        read_hits (rule, section, error) && check_whole (rule, section, error))
        return rule;
    throttle_rule_free (rule);
    return NULL;
}

void
throttle_rule_free (gpointer data)
{
    ThrottleRule *rule = data;

    g_free (rule->name);
    g_free (rule->origin);
    g_strfreev (rule->providers);
    g_clear_pointer (&rule->enhanced, g_array_unref);
    g_free (rule->text);
    pcre2_code_free (rule->pattern);
    g_free (rule);
}

/* --- Replies -------------------------------------------------------------------------------------- */

/* "4.7.28" and then a blank or the end; how many octets it takes with the blank, 0: none is there. The core reads
 * details up to 255 and leaves longer ones, as Microsoft's 4.7.650, in the text. */
static gsize
take_enhanced (ThrottleView *view, const char *text)
{
    guint klass, subject, detail;
    const char *rest = take_number (text, 1, &klass);

    if (rest == NULL || *rest != '.')
        return 0;
    rest = take_number (rest + 1, 3, &subject);
    if (rest == NULL || *rest != '.')
        return 0;
    rest = take_number (rest + 1, 3, &detail);
    if (rest == NULL || (*rest != '\0' && *rest != ' ') || klass != view->code / 100)
        return 0;
    view->has_enhanced = true;
    view->klass = klass;
    view->subject = subject;
    view->detail = detail;
    return (gsize)(rest - text) + (*rest == ' ' ? 1 : 0);
}

bool
throttle_view_of (const ThrottleReply *reply, ThrottleView *view)
{
    if (reply->internal || reply->delivered || reply->code < THROTTLE_CODE_LEAST ||
        reply->code >= THROTTLE_CODE_LEAST + THROTTLE_CODES)
        return false;
    *view = (ThrottleView){.phase = throttle_phase_parse (reply->phase),
                           .code = reply->code,
                           .text = reply->text != NULL ? reply->text : ""};
    if (reply->enhanced != NULL)
        (void)take_enhanced (view, reply->enhanced);
    if (!view->has_enhanced)
        view->text += take_enhanced (view, view->text);
    view->size = strnlen (view->text, THROTTLE_TEXT_BYTES);
    return true;
}

static bool
enhanced_fits (const ThrottleEnhanced *enhanced, const ThrottleView *view)
{
    return (enhanced->klass < 0 || enhanced->klass == (int)view->klass) &&
           (enhanced->subject < 0 || enhanced->subject == (int)view->subject) &&
           enhanced->detail <= view->detail && view->detail <= enhanced->detail_to;
}

static bool
any_enhanced_fits (const ThrottleRule *rule, const ThrottleView *view)
{
    for (guint i = 0; view->has_enhanced && i < rule->enhanced->len; i++)
        if (enhanced_fits (&g_array_index (rule->enhanced, ThrottleEnhanced, i), view))
            return true;
    return rule->enhanced->len == 0;
}

bool
throttle_rule_fits (const ThrottleRule *rule, const ThrottleView *view)
{
    if (rule->phases != 0 && (view->phase < 0 || (rule->phases >> view->phase & 1) == 0))
        return false;
    if (!throttle_rule_has_code (rule, view->code) || !any_enhanced_fits (rule, view))
        return false;
    return rule->text != NULL || !throttle_rule_is_about_lane (rule) || !view->has_enhanced ||
           !is_mailbox ((int)view->subject);
}
