/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What rules about replies have in common, whatever they say of them: which replies a rule is about (provider, phase,
 * codes, text), and how much work its pattern may make. Immutable once made; pure, any thread.
 */
#pragma once

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <relais/option.h>

#include <glib.h>
#include <stdbool.h>

#ifndef GETTEXT_PACKAGE
#define GETTEXT_PACKAGE "relais"
#endif

enum {
    REPLIES_PATTERN_BYTES = 1024,    /* of a rule's text; longer is refused */
    REPLIES_TEXT_BYTES = 8 * 1024,   /* of a reply that patterns look at; the rest is not seen */
    REPLIES_RULES = 1000,            /* of a configuration and kind */
    REPLIES_MATCH_STEPS = 10 * 1000, /* PCRE2's match limit */
    REPLIES_MATCH_DEPTH = 1000,      /* its depth limit */
    REPLIES_MATCH_KIB = 256,         /* its heap limit */
    REPLIES_MATCH_FAILURES = 4,      /* so many patterns over a limit, and the reply has no rule */
    REPLIES_PATTERN_DEPTH = 20,      /* parentheses in one another */
};

/* In the order of the dialogue; bits of RepliesSelector.phases. */
typedef enum {
    REPLIES_PHASE_CONNECT,
    REPLIES_PHASE_BANNER,
    REPLIES_PHASE_EHLO,
    REPLIES_PHASE_STARTTLS,
    REPLIES_PHASE_AUTH,
    REPLIES_PHASE_MAIL,
    REPLIES_PHASE_RCPT,
    REPLIES_PHASE_DATA,
    REPLIES_PHASE_BODY,
    REPLIES_PHASES
} RepliesPhase;
/* -1: none of them. */
int replies_phase_parse (const char *text);

enum { REPLIES_CODE_LEAST = 400, REPLIES_CODES = 200, REPLIES_CODE_WORDS = 4 };

/* "4.7.28", "*.7.*", "4.7.500-699". */
typedef struct {
    int klass, subject;        /* -1: any */
    guint16 detail, detail_to; /* from and to */
} RepliesEnhanced;

/* A reply as rules look at it. */
typedef struct {
    int phase;  /* -1: none of ours */
    guint code; /* 0: not known, which a rule without codes does not mind */
    bool has_enhanced;
    guint klass, subject, detail;
    const char *text; /* borrowed; never NULL */
    gsize size;
} RepliesView;
/* An enhanced code at the head of the text counts where none is given, and is no part of the text the rules see. */
void replies_view_of (const char *phase, guint code, const char *enhanced, const char *text,
                      RepliesView *view);
/* "4.7.28" and then a blank or the end: how many octets it takes with the blank, and what it says; 0: none is there.
 * The core reads details up to 255 and leaves longer ones, as Microsoft's 4.7.650, in the text. */
gsize replies_enhanced_take (const char *text, guint *klass, guint *subject, guint *detail);

/* The replies that a rule is about. */
typedef struct {
    char *name;
    char *origin;                      /* FILE:LINE */
    char **providers;                  /* empty: all */
    guint phases;                      /* bits; 0: any */
    guint64 codes[REPLIES_CODE_WORDS]; /* bits from REPLIES_CODE_LEAST on */
    bool any_code;
    GArray *enhanced; /* RepliesEnhanced; empty: any, and none */
    char *text;       /* NULL: any */
    pcre2_code *pattern;
    /* What the rule's maker adds to it. */
    bool leaves_mailboxes; /* replies about one mailbox (x.1.x, x.2.x) are for other rules */
    bool leaves_early;     /* replies from before a recipient was named are for other rules */
    bool is_off;           /* takes nothing */
} RepliesSelector;
bool replies_is_mailbox (int subject);

/* Reads the keys provider, phase, code, enhanced, text of a section [KIND NAME]; `action` or another key that it
 * always has says where it stands. On an error, "FILE:LINE: ...", the selector is to be cleared all the same. */
bool replies_selector_init (RepliesSelector *selector, const RelaisSection *section,
                            const char *kind, pcre2_compile_context *context, GError **error);
void replies_selector_clear (RepliesSelector *selector);
bool replies_selector_has_code (const RepliesSelector *selector, guint code);
/* Whether it is about every reply there is. */
bool replies_selector_is_open (const RepliesSelector *selector);
/* All but the pattern. */
bool replies_selector_fits (const RepliesSelector *selector, const RepliesView *view);
/* False, with an error that tells FILE:LINE of the key, or of another one of the section. Takes `text`. */
bool replies_refuse (const RelaisSection *section, const char *kind, const char *key,
                     GError **error, char *text);
GQuark replies_error_quark (void);
/* A number of at most `digits` digits; the rest of the text, or NULL. */
const char *replies_take_number (const char *text, guint digits, guint *number);

/* --- Patterns within limits. ------------------------------------------------------------------------------ */

/* For the patterns of one set of rules. */
pcre2_compile_context *replies_compile_context_new (void);
pcre2_match_context *replies_match_context_new (void);

/* One reply, looked at by one rule after the other. */
typedef struct {
    const RepliesView *view;
    pcre2_match_context *limits;
    pcre2_match_data *found; /* made for the first pattern */
    guint n_failures;        /* patterns that were over a limit: they match nothing */
} RepliesSearch;
/* The pattern included. */
bool replies_search_takes (RepliesSearch *search, const RepliesSelector *selector);
/* Whether it was too much: no more rules are asked. */
bool replies_search_is_over (const RepliesSearch *search);
void replies_search_clear (RepliesSearch *search);

/* --- Sets of rules. ------------------------------------------------------------------------------------------ */

typedef struct RepliesSet RepliesSet;
/* Makes a rule of a section, whose first member is its RepliesSelector; NULL with an error "FILE:LINE: ...". */
typedef gpointer (*RepliesRuleFunc) (const RelaisSection *section, pcre2_compile_context *context,
                                     GError **error);
/* The rules of [KIND NAME] that are good; what is wrong with the others goes to `problems` (char *). */
RepliesSet *replies_set_new (RelaisConfig *config, const char *kind, RepliesRuleFunc make,
                             GDestroyNotify free_rule, GPtrArray *problems);
void replies_set_free (RepliesSet *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RepliesSet, replies_set_free)

/* Which of the rules that name a provider are asked where it is not known whose reply it is. */
typedef enum {
    REPLIES_OWN_NONE,
    REPLIES_OWN_TELLING /* those that look at words, or at details of its own, as 5.7.606 */
} RepliesOwn;
enum { REPLIES_OWN_DETAILS = 100 }; /* of enhanced codes; those below are registered */
/* The first rule that takes it: the provider's own, then those for all, each in the order in which they stand. */
gconstpointer replies_set_find (const RepliesSet *set, RepliesOwn own, const char *provider,
                                const RepliesView *view);
/* Whether a rule names it. */
bool replies_set_has_provider (const RepliesSet *set, const char *provider);
guint replies_set_n (const RepliesSet *set);
gconstpointer replies_set_nth (const RepliesSet *set, guint n);
/* Patterns that were over a limit until now: each counted as no match. */
guint replies_set_n_limited (const RepliesSet *set);

/* --- Options ------------------------------------------------------------------------------------------------ */

/* Of [KIND NAME], a part of a module's one table; its user includes <glib/gi18n-lib.h>. */
#define REPLIES_SELECTOR_OPTION(kind, key, type, flags, doc)                                       \
    {                                                                                              \
        kind, key, RELAIS_OPTION_##type, RELAIS_OPTION_RELOADABLE | (flags), NULL, 0, 0, NULL, doc \
    }
#define REPLIES_SELECTOR_OPTIONS(kind)                                                             \
    REPLIES_SELECTOR_OPTION (                                                                      \
        kind, "provider", LIST, RELAIS_OPTION_REPEAT,                                              \
        N_ ("Providers whose replies it is about; empty: all. A provider's own rules come first, " \
            "then those for all, in the order in which they stand: the first that matches "        \
            "decides.")),                                                                          \
        REPLIES_SELECTOR_OPTION (                                                                  \
            kind, "phase", LIST, 0,                                                                \
            N_ ("Where in the dialogue: connect, banner, ehlo, starttls, auth, mail, rcpt, data, " \
                "body; empty: anywhere.")),                                                        \
        REPLIES_SELECTOR_OPTION (kind, "code", LIST, 0,                                            \
                                 N_ ("Reply codes: 421, 45x, 4xx; empty: 4xx and 5xx.")),          \
        REPLIES_SELECTOR_OPTION (                                                                  \
            kind, "enhanced", LIST, 0,                                                             \
            N_ ("Enhanced codes: 4.7.28, 4.7.*, *.7.1, 4.7.500-699; empty: any, and none.")),      \
        REPLIES_SELECTOR_OPTION (                                                                  \
            kind, "text", STRING, 0,                                                               \
            N_ ("A pattern (PCRE2, case does not matter, at most 1024 octets) that is looked for " \
                "in the text: all lines in one, without codes. Empty: any text."))
