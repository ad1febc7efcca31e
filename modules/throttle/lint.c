/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What of a configuration can never apply: providers that no MX host is of, rules that no reply reaches, patterns
 * that look for what a reply's text never holds. Pure; runs in relaisctl.
 */
#include "offline.h"
#include "rule.h"

#include <glib/gi18n-lib.h>
#include <string.h>

enum { REPLY_TEXT_BYTES = 1024 }; /* kept of a reply's text by the core */

typedef struct {
    RelaisConfig *config;
    const ThrottleRules *rules;
    GPtrArray *findings;
} Lint;

static void
finding_free (gpointer data)
{
    ThrottleFinding *finding = data;

    g_free (finding->place);
    g_free (finding->what);
    g_free (finding->mend);
    g_free (finding);
}

/* Takes `what`. */
static void
report (Lint *lint, const char *place, char *what, const char *mend)
{
    ThrottleFinding *finding = g_new0 (ThrottleFinding, 1);

    finding->place = g_strdup (place);
    finding->what = what;
    finding->mend = g_strdup (mend);
    g_ptr_array_add (lint->findings, finding);
}

/* --- Providers ---------------------------------------------------------------------------------- */

/* Whether hosts that end in `inner` end in `outer` too. */
static bool
is_below (const char *inner, const char *outer)
{
    gsize inner_size, outer_size;

    inner += inner[0] == '.';
    outer += outer[0] == '.';
    inner_size = strlen (inner);
    outer_size = strlen (outer);
    if (outer_size == 0 || inner_size < outer_size ||
        g_ascii_strcasecmp (inner + inner_size - outer_size, outer) != 0)
        return false;
    return inner_size == outer_size || inner[inner_size - outer_size - 1] == '.';
}

/* An earlier provider that takes every host of that suffix. */
static const RelaisSection *
find_shadow (const Lint *lint, guint n, const char *suffix)
{
    for (guint i = 0; i < n; i++) {
        const RelaisSection *earlier = relais_config_nth_section (lint->config, "provider", i);
        const char *const *others = relais_section_get_list (earlier, "mx");

        for (; *others != NULL; others++)
            if (is_below (suffix, *others))
                return earlier;
    }
    return NULL;
}

static bool
is_host_suffix (const char *suffix)
{
    static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

    return suffix[0] != '\0' && suffix[strspn (suffix, chars)] == '\0';
}

static void
check_suffix (Lint *lint, guint n, const RelaisSection *section, const char *suffix)
{
    const char *place = relais_section_get_origin (section, "mx");
    const char *name = relais_section_get_name (section);
    const RelaisSection *shadow;

    if (g_str_has_suffix (suffix, ".")) {
        report (lint, place,
                g_strdup_printf (_ ("[provider %s] mx: '%s' ends with a dot and no MX name does"),
                                 name, suffix),
                _ ("take the dot away"));
        return;
    }
    if (!is_host_suffix (suffix)) {
        report (
            lint, place,
            g_strdup_printf (_ ("[provider %s] mx: '%s' is no end of a host name"), name, suffix),
            _ ("write the name alone: whatever stands before it fits"));
        return;
    }
    shadow = find_shadow (lint, n, suffix);
    if (shadow != NULL)
        report (lint, place,
                g_strdup_printf (_ ("[provider %s] mx: all hosts of '%s' are [provider %s] already "
                                    "(%s)"),
                                 name, suffix, relais_section_get_name (shadow),
                                 relais_section_get_origin (shadow, "mx")),
                _ ("put this provider before that one, or take the name away"));
}

static void
check_provider (Lint *lint, guint n)
{
    const RelaisSection *section = relais_config_nth_section (lint->config, "provider", n);
    const char *const *suffixes = relais_section_get_list (section, "mx");
    g_autofree char *title = g_strdup_printf ("[provider %s]", relais_section_get_name (section));

    if (suffixes[0] == NULL)
        report (lint, title, g_strdup_printf (_ ("%s has no mx: no host is of it"), title),
                _ ("write mx = and what its MX names end in, or correct the name"));
    for (; *suffixes != NULL; suffixes++)
        check_suffix (lint, n, section, *suffixes);
}

/* --- Names --------------------------------------------------------------------------------------- */

/* Names in a list that name nothing. `title` is the section that has the list. */
static void
check_names (Lint *lint, const char *place, const char *title, const char *key, const char *kind,
             const char *const *names)
{
    g_autoptr (GPtrArray) known = g_ptr_array_new ();
    guint n = relais_config_n_sections (lint->config, kind);

    for (guint i = 0; i < n; i++)
        g_ptr_array_add (known, (gpointer)relais_section_get_name (
                                    relais_config_nth_section (lint->config, kind, i)));
    for (; *names != NULL; names++) {
        const char *nearest;
        g_autofree char *mend = NULL;

        if (relais_config_find_section (lint->config, kind, *names) != NULL)
            continue;
        nearest = throttle_nearest (*names, known);
        mend = nearest != NULL
                   ? g_strdup_printf (_ ("did you mean '%s'?"), nearest)
                   : g_strdup_printf (_ ("add [%s %s], or take the name away"), kind, *names);
        report (lint, place,
                g_strdup_printf (_ ("[%s] %s: there is no [%s %s]"), title, key, kind, *names),
                mend);
    }
}

/* Sections of the module that are for some sources or providers alone. */
static void
check_lists (Lint *lint)
{
    static const struct {
        const char *section, *key;
    } lists[] = {{"throttle-lane", "source"},
                 {"throttle-lane", "provider"},
                 {"throttle-warmup", "provider"}};

    for (guint i = 0; i < G_N_ELEMENTS (lists); i++)
        for (guint k = 0; k < relais_config_n_sections (lint->config, lists[i].section); k++) {
            const RelaisSection *section =
                relais_config_nth_section (lint->config, lists[i].section, k);
            g_autofree char *title =
                g_strdup_printf ("%s %s", lists[i].section, relais_section_get_name (section));

            check_names (lint, relais_section_get_origin (section, lists[i].key), title,
                         lists[i].key, lists[i].key,
                         relais_section_get_list (section, lists[i].key));
        }
}

static void
check_rule_names (Lint *lint, const ThrottleRule *rule)
{
    g_autofree char *title = g_strdup_printf ("throttle-rule %s", rule->name);

    check_names (lint, rule->origin, title, "provider", "provider",
                 (const char *const *)rule->providers);
}

/* --- Patterns ------------------------------------------------------------------------------------ */

/* A code at the head of the pattern: "421 ", "^4.7.1", "^(?:5\.7\.1". */
static bool
begins_with_code (const char *text)
{
    bool anchored = text[0] == '^';

    text += anchored;
    text += strspn (text, "(?:");
    if (text[0] != '4' && text[0] != '5')
        return false;
    if (g_ascii_isdigit (text[1]) && g_ascii_isdigit (text[2]))
        return !g_ascii_isalnum (text[3]) && (anchored || text[3] == ' ' || text[3] == '-');
    return text[1] == '.' || (text[1] == '\\' && text[2] == '.');
}

/* The escape at a backslash that stands for a line end. */
static bool
is_line_end (const char *escape)
{
    return escape[1] == 'r' || escape[1] == 'n' || escape[1] == 'R';
}

static const char *
trouble_of (const ThrottleRule *rule, const char **mend)
{
    guint32 least = 0;

    *mend = NULL;
    if (begins_with_code (rule->text)) {
        *mend = _ ("put it into code or enhanced: the text begins behind them");
        return _ ("the pattern wants a code, which is no part of the text");
    }
    for (const char *at = strchr (rule->text, '\\'); at != NULL && at[1] != '\0';
         at = strchr (at + 2, '\\')) {
        if (at[1] == '\\') {
            *mend = _ ("write one backslash: nothing is unquoted here before the pattern is read");
            return _ ("the pattern wants a backslash, which is in no reply");
        }
        if (is_line_end (at)) {
            *mend = _ ("write a blank: the lines of a reply are joined by one");
            return _ ("the pattern wants a line end, which is no part of the text");
        }
    }
    (void)pcre2_pattern_info (rule->pattern, PCRE2_INFO_MINLENGTH, &least);
    if (least > REPLY_TEXT_BYTES) {
        *mend = _ ("look for less");
        return _ ("the pattern wants more than the 1024 octets that are kept of a reply");
    }
    return NULL;
}

static void
check_pattern (Lint *lint, const ThrottleRule *rule)
{
    const char *what, *mend;

    if (rule->text == NULL)
        return;
    what = trouble_of (rule, &mend);
    if (what != NULL)
        report (lint, rule->origin,
                g_strdup_printf ("[throttle-rule %s] text: %s", rule->name, what), mend);
}

/* --- Codes --------------------------------------------------------------------------------------- */

#define BIT(phase) (1u << THROTTLE_PHASE_##phase)
#define IN_TRANSACTION (BIT (MAIL) | BIT (RCPT) | BIT (DATA) | BIT (BODY))

/* Codes that RFC 5321 and RFC 4954 have for some phases alone. */
static const struct {
    guint code, phases;
} ONLY[] = {
    {432, BIT (AUTH) | IN_TRANSACTION},
    {452, IN_TRANSACTION},
    {455, BIT (MAIL) | BIT (RCPT)},
    {534, BIT (AUTH)},
    {535, BIT (AUTH)},
    {538, BIT (AUTH)},
    {551, BIT (RCPT)},
    {552, IN_TRANSACTION},
    {555, BIT (MAIL) | BIT (RCPT)},
};

/* Where a reply with the code can come. */
static guint
phases_of (guint code)
{
    for (guint i = 0; i < G_N_ELEMENTS (ONLY); i++)
        if (ONLY[i].code == code)
            return ONLY[i].phases;
    return ~0u;
}

static void
check_phase (Lint *lint, const ThrottleRule *rule)
{
    bool possible = rule->phases == 0;

    if (rule->phases == BIT (CONNECT)) {
        report (lint, rule->origin,
                g_strdup_printf (_ ("[throttle-rule %s] phase: nothing is said in connect"),
                                 rule->name),
                _ ("write banner: that is the first reply"));
        return;
    }
    for (guint i = 0; i < THROTTLE_CODES && !possible; i++)
        possible = throttle_rule_has_code (rule, THROTTLE_CODE_LEAST + i) &&
                   (phases_of (THROTTLE_CODE_LEAST + i) & rule->phases) != 0;
    if (!possible)
        report (lint, rule->origin,
                g_strdup_printf (_ ("[throttle-rule %s] code: none of its codes comes in its "
                                    "phases"),
                                 rule->name),
                _ ("take the phase away, or correct the code"));
}

static bool
has_class (const ThrottleRule *rule, guint klass)
{
    for (guint code = klass * 100; code < klass * 100 + 100; code++)
        if (throttle_rule_has_code (rule, code))
            return true;
    return false;
}

static void
check_class (Lint *lint, const ThrottleRule *rule)
{
    for (guint i = 0; i < rule->enhanced->len; i++) {
        int klass = g_array_index (rule->enhanced, ThrottleEnhanced, i).klass;

        if (klass >= 0 && !has_class (rule, (guint)klass))
            report (
                lint, rule->origin,
                g_strdup_printf (_ ("[throttle-rule %s] enhanced: %d.x.x comes with %dxx alone, "
                                    "and code has none"),
                                 rule->name, klass, klass),
                _ ("correct one of them"));
    }
}

/* --- Reach --------------------------------------------------------------------------------------- */

static bool
names_all (const ThrottleRule *wide, const ThrottleRule *narrow)
{
    if (wide->providers[0] == NULL || narrow->providers[0] == NULL)
        return wide->providers[0] == narrow->providers[0];
    for (char **name = narrow->providers; *name != NULL; name++)
        if (!g_strv_contains ((const char *const *)wide->providers, *name))
            return false;
    return true;
}

static bool
enhanced_is_within (const ThrottleEnhanced *narrow, const ThrottleEnhanced *wide)
{
    return (wide->klass < 0 || wide->klass == narrow->klass) &&
           (wide->subject < 0 || wide->subject == narrow->subject) &&
           wide->detail <= narrow->detail && narrow->detail_to <= wide->detail_to;
}

static bool
takes_enhanced (const ThrottleRule *wide, const ThrottleRule *narrow)
{
    if (wide->enhanced->len == 0)
        return true;
    for (guint i = 0; i < narrow->enhanced->len; i++) {
        bool found = false;

        for (guint k = 0; k < wide->enhanced->len && !found; k++)
            found = enhanced_is_within (&g_array_index (narrow->enhanced, ThrottleEnhanced, i),
                                        &g_array_index (wide->enhanced, ThrottleEnhanced, k));
        if (!found)
            return false;
    }
    return narrow->enhanced->len > 0;
}

/* A rule about a lane that looks at no text leaves replies about one mailbox to the others. */
static bool
leaves_mailboxes (const ThrottleRule *rule)
{
    return rule->text == NULL && throttle_rule_is_about_lane (rule);
}

static bool
takes_mailboxes (const ThrottleRule *rule)
{
    if (leaves_mailboxes (rule))
        return false;
    for (guint i = 0; i < rule->enhanced->len; i++) {
        int subject = g_array_index (rule->enhanced, ThrottleEnhanced, i).subject;

        if (subject < 0 || subject == 1 || subject == 2)
            return true;
    }
    return rule->enhanced->len == 0;
}

/* Whether every reply that `narrow` would take is taken by `wide`. */
static bool
covers (const ThrottleRule *wide, const ThrottleRule *narrow)
{
    for (guint i = 0; i < THROTTLE_CODE_WORDS; i++)
        if ((narrow->codes[i] & ~wide->codes[i]) != 0)
            return false;
    if (wide->phases != 0 && (narrow->phases == 0 || (narrow->phases & ~wide->phases) != 0))
        return false;
    if (wide->text != NULL && g_strcmp0 (wide->text, narrow->text) != 0)
        return false;
    if (leaves_mailboxes (wide) && takes_mailboxes (narrow))
        return false;
    return names_all (wide, narrow) && takes_enhanced (wide, narrow);
}

static void
check_reach (Lint *lint, guint n)
{
    const ThrottleRule *rule = throttle_rules_nth (lint->rules, n);

    for (guint i = 0; i < n; i++) {
        const ThrottleRule *earlier = throttle_rules_nth (lint->rules, i);

        if (!covers (earlier, rule))
            continue;
        if (covers (rule, earlier))
            report (lint, rule->origin,
                    g_strdup_printf (_ ("[throttle-rule %s] takes the same replies as "
                                        "[throttle-rule %s] before it (%s)"),
                                     rule->name, earlier->name, earlier->origin),
                    _ ("take one of them away"));
        else
            report (lint, rule->origin,
                    g_strdup_printf (_ ("[throttle-rule %s] is reached by no reply: [throttle-rule "
                                        "%s] before it takes them all (%s)"),
                                     rule->name, earlier->name, earlier->origin),
                    _ ("put it before that one, or take it away"));
        return;
    }
}

/* --- The whole ----------------------------------------------------------------------------------- */

static void
report_problem (Lint *lint, const char *problem)
{
    const char *rest = strstr (problem, ": [");
    g_autofree char *place = g_strndup (problem, rest != NULL ? (gsize)(rest - problem) : 0);

    report (lint, place, g_strdup (rest != NULL ? rest + 2 : problem),
            _ ("correct it: the configuration is refused as it is"));
}

static void
check_rules (Lint *lint)
{
    g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (ThrottleRules) rules = throttle_rules_new_collecting (lint->config, problems);

    for (guint i = 0; i < problems->len; i++)
        report_problem (lint, g_ptr_array_index (problems, i));
    lint->rules = rules;
    for (guint i = 0; i < throttle_rules_n (rules); i++) {
        const ThrottleRule *rule = throttle_rules_nth (rules, i);

        check_rule_names (lint, rule);
        check_pattern (lint, rule);
        check_phase (lint, rule);
        check_class (lint, rule);
        check_reach (lint, i);
    }
}

GPtrArray *
throttle_lint (RelaisConfig *config)
{
    Lint lint = {.config = config, .findings = g_ptr_array_new_with_free_func (finding_free)};
    guint n = relais_config_n_sections (config, "provider");

    for (guint i = 0; i < n; i++)
        check_provider (&lint, i);
    check_lists (&lint);
    check_rules (&lint);
    return lint.findings;
}
