/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What of rules can never apply: names that name nothing, rules that no reply reaches, patterns that look for what a
 * reply's text never holds. Pure; runs in relaisctl.
 */
#include "dead.h"

#include "recorded.h"

#include <glib/gi18n-lib.h>
#include <string.h>

enum { REPLY_TEXT_BYTES = 1024 }; /* kept of a reply's text by the core */

typedef struct {
    RelaisConfig *config;
    const char *kind;
    const RepliesSet *set;
    GPtrArray *findings;
} Lint;

static void
finding_free (gpointer data)
{
    RepliesFinding *finding = data;

    g_free (finding->place);
    g_free (finding->what);
    g_free (finding->mend);
    g_free (finding);
}

GPtrArray *
replies_findings_new (void)
{
    return g_ptr_array_new_with_free_func (finding_free);
}

void
replies_findings_add (GPtrArray *findings, const char *place, char *what, const char *mend)
{
    RepliesFinding *finding = g_new (RepliesFinding, 1);

    *finding = (RepliesFinding){g_strdup (place), what, g_strdup (mend)};
    g_ptr_array_add (findings, finding);
}

void
replies_findings_tell (RelaisCommandCall *call, const GPtrArray *findings, const char *none)
{
    g_autofree char *told = NULL;

    for (guint i = 0; i < findings->len; i++) {
        const RepliesFinding *finding = g_ptr_array_index (findings, i);

        relais_command_put (call, "place", finding->place);
        relais_command_put (call, "what", finding->what);
        relais_command_put (call, "do", finding->mend);
        relais_command_end_row (call);
    }
    if (findings->len == 0) {
        relais_command_note (call, none);
        relais_command_finish (call);
        return;
    }
    told = g_strdup_printf (ngettext ("%u finding", "%u findings", findings->len), findings->len);
    relais_command_fail (call, RELAIS_EXIT_REFUSED, told);
}

static void
report (Lint *lint, const char *place, char *what, const char *mend)
{
    replies_findings_add (lint->findings, place, what, mend);
}

void
replies_dead_names (GPtrArray *findings, RelaisConfig *config, const char *place, const char *title,
                    const char *key, const char *kind, const char *const *names)
{
    g_autoptr (GPtrArray) known = g_ptr_array_new ();
    guint n = relais_config_n_sections (config, kind);

    for (guint i = 0; i < n; i++)
        g_ptr_array_add (
            known, (gpointer)relais_section_get_name (relais_config_nth_section (config, kind, i)));
    for (; *names != NULL; names++) {
        const char *nearest;
        g_autofree char *mend = NULL;

        if (relais_config_find_section (config, kind, *names) != NULL)
            continue;
        nearest = replies_nearest (*names, known);
        mend = nearest != NULL
                   ? g_strdup_printf (_ ("did you mean '%s'?"), nearest)
                   : g_strdup_printf (_ ("add [%s %s], or take the name away"), kind, *names);
        replies_findings_add (
            findings, place,
            g_strdup_printf (_ ("[%s] %s: there is no [%s %s]"), title, key, kind, *names), mend);
    }
}

static void
check_providers (Lint *lint, const RepliesSelector *rule)
{
    g_autofree char *title = g_strdup_printf ("%s %s", lint->kind, rule->name);

    /* Rules without the file of providers: those that look at words are asked all the same. */
    if (relais_config_n_sections (lint->config, "provider") == 0)
        return;
    replies_dead_names (lint->findings, lint->config, rule->origin, title, "provider", "provider",
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
trouble_of (const RepliesSelector *rule, const char **mend)
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
check_pattern (Lint *lint, const RepliesSelector *rule)
{
    const char *what, *mend;

    if (rule->text == NULL)
        return;
    what = trouble_of (rule, &mend);
    if (what != NULL)
        report (lint, rule->origin,
                g_strdup_printf ("[%s %s] text: %s", lint->kind, rule->name, what), mend);
}

/* --- Codes --------------------------------------------------------------------------------------- */

#define BIT(phase) (1u << REPLIES_PHASE_##phase)
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
check_phase (Lint *lint, const RepliesSelector *rule)
{
    bool possible = rule->phases == 0;

    if (rule->phases == BIT (CONNECT)) {
        report (lint, rule->origin,
                g_strdup_printf (_ ("[%s %s] phase: nothing is said in connect"), lint->kind,
                                 rule->name),
                _ ("write banner: that is the first reply"));
        return;
    }
    for (guint i = 0; i < REPLIES_CODES && !possible; i++)
        possible = replies_selector_has_code (rule, REPLIES_CODE_LEAST + i) &&
                   (phases_of (REPLIES_CODE_LEAST + i) & rule->phases) != 0;
    if (!possible)
        report (lint, rule->origin,
                g_strdup_printf (_ ("[%s %s] code: none of its codes comes in its "
                                    "phases"),
                                 lint->kind, rule->name),
                _ ("take the phase away, or correct the code"));
}

static bool
has_class (const RepliesSelector *rule, guint klass)
{
    for (guint code = klass * 100; code < klass * 100 + 100; code++)
        if (replies_selector_has_code (rule, code))
            return true;
    return false;
}

static void
check_class (Lint *lint, const RepliesSelector *rule)
{
    for (guint i = 0; i < rule->enhanced->len; i++) {
        int klass = g_array_index (rule->enhanced, RepliesEnhanced, i).klass;

        if (klass >= 0 && !has_class (rule, (guint)klass))
            report (lint, rule->origin,
                    g_strdup_printf (_ ("[%s %s] enhanced: %d.x.x comes with %dxx alone, "
                                        "and code has none"),
                                     lint->kind, rule->name, klass, klass),
                    _ ("correct one of them"));
    }
}

/* --- Reach --------------------------------------------------------------------------------------- */

static bool
names_all (const RepliesSelector *wide, const RepliesSelector *narrow)
{
    if (wide->providers[0] == NULL || narrow->providers[0] == NULL)
        return wide->providers[0] == narrow->providers[0];
    for (char **name = narrow->providers; *name != NULL; name++)
        if (!g_strv_contains ((const char *const *)wide->providers, *name))
            return false;
    return true;
}

static bool
enhanced_is_within (const RepliesEnhanced *narrow, const RepliesEnhanced *wide)
{
    return (wide->klass < 0 || wide->klass == narrow->klass) &&
           (wide->subject < 0 || wide->subject == narrow->subject) &&
           wide->detail <= narrow->detail && narrow->detail_to <= wide->detail_to;
}

static bool
takes_enhanced (const RepliesSelector *wide, const RepliesSelector *narrow)
{
    if (wide->enhanced->len == 0)
        return true;
    for (guint i = 0; i < narrow->enhanced->len; i++) {
        bool found = false;

        for (guint k = 0; k < wide->enhanced->len && !found; k++)
            found = enhanced_is_within (&g_array_index (narrow->enhanced, RepliesEnhanced, i),
                                        &g_array_index (wide->enhanced, RepliesEnhanced, k));
        if (!found)
            return false;
    }
    return narrow->enhanced->len > 0;
}

static bool
takes_mailboxes (const RepliesSelector *rule)
{
    if (rule->leaves_mailboxes)
        return false;
    for (guint i = 0; i < rule->enhanced->len; i++) {
        int subject = g_array_index (rule->enhanced, RepliesEnhanced, i).subject;

        if (subject < 0 || replies_is_mailbox (subject))
            return true;
    }
    return rule->enhanced->len == 0;
}

static bool
takes_early (const RepliesSelector *rule)
{
    const guint early = BIT (RCPT) - 1;

    return !rule->leaves_early && (rule->phases == 0 || (rule->phases & early) != 0);
}

/* Whether every reply that `narrow` would take is taken by `wide`. */
static bool
covers (const RepliesSelector *wide, const RepliesSelector *narrow)
{
    for (guint i = 0; i < REPLIES_CODE_WORDS; i++)
        if ((narrow->codes[i] & ~wide->codes[i]) != 0)
            return false;
    if (wide->phases != 0 && (narrow->phases == 0 || (narrow->phases & ~wide->phases) != 0))
        return false;
    if (wide->text != NULL && g_strcmp0 (wide->text, narrow->text) != 0)
        return false;
    if ((wide->leaves_mailboxes && takes_mailboxes (narrow)) ||
        (wide->leaves_early && takes_early (narrow)))
        return false;
    return names_all (wide, narrow) && takes_enhanced (wide, narrow);
}

static void
check_reach (Lint *lint, guint n)
{
    const RepliesSelector *rule = replies_set_nth (lint->set, n);

    for (guint i = 0; i < n; i++) {
        const RepliesSelector *earlier = replies_set_nth (lint->set, i);

        if (earlier->is_off || !covers (earlier, rule))
            continue;
        if (covers (rule, earlier))
            report (lint, rule->origin,
                    g_strdup_printf (_ ("[%s %s] takes the same replies as "
                                        "[%s %s] before it (%s)"),
                                     lint->kind, rule->name, lint->kind, earlier->name,
                                     earlier->origin),
                    _ ("take one of them away"));
        else
            report (lint, rule->origin,
                    g_strdup_printf (_ ("[%s %s] is reached by no reply: [%s "
                                        "%s] before it takes them all (%s)"),
                                     lint->kind, rule->name, lint->kind, earlier->name,
                                     earlier->origin),
                    _ ("put it before that one, or take it away"));
        return;
    }
}

/* --- The whole ----------------------------------------------------------------------------------- */

void
replies_dead_problem (GPtrArray *findings, const char *problem)
{
    const char *rest = strstr (problem, ": [");
    g_autofree char *place = g_strndup (problem, rest != NULL ? (gsize)(rest - problem) : 0);

    replies_findings_add (findings, place, g_strdup (rest != NULL ? rest + 2 : problem),
                          _ ("correct it: the configuration is refused as it is"));
}

void
replies_dead_rules (GPtrArray *findings, RelaisConfig *config, const char *kind,
                    const RepliesSet *set)
{
    Lint lint = {config, kind, set, findings};

    for (guint i = 0; i < replies_set_n (set); i++) {
        const RepliesSelector *rule = replies_set_nth (set, i);

        if (rule->is_off)
            continue;
        check_providers (&lint, rule);
        check_pattern (&lint, rule);
        check_phase (&lint, rule);
        check_class (&lint, rule);
        check_reach (&lint, i);
    }
}
