/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One rule as rules.c, lint.c and replay.c see it. Immutable once it is made; pure, any thread.
 */
#pragma once

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "rules.h"

/* In the order of the dialogue; bits of ThrottleRule.phases. */
typedef enum {
    THROTTLE_PHASE_CONNECT,
    THROTTLE_PHASE_BANNER,
    THROTTLE_PHASE_EHLO,
    THROTTLE_PHASE_STARTTLS,
    THROTTLE_PHASE_AUTH,
    THROTTLE_PHASE_MAIL,
    THROTTLE_PHASE_RCPT,
    THROTTLE_PHASE_DATA,
    THROTTLE_PHASE_BODY,
    THROTTLE_PHASES
} ThrottlePhase;
/* -1: none of them. */
int throttle_phase_parse (const char *text);

enum { THROTTLE_CODE_LEAST = 400, THROTTLE_CODES = 200, THROTTLE_CODE_WORDS = 4 };

/* "4.7.28", "*.7.*", "4.7.500-699". */
typedef struct {
    int klass, subject;        /* -1: any */
    guint16 detail, detail_to; /* from and to */
} ThrottleEnhanced;

typedef struct {
    char *name;
    char *origin;                       /* of `action`: every rule has one */
    char **providers;                   /* empty: all */
    guint phases;                       /* bits; 0: any */
    guint64 codes[THROTTLE_CODE_WORDS]; /* bits from THROTTLE_CODE_LEAST on */
    bool any_code;
    GArray *enhanced; /* ThrottleEnhanced; empty: any, and none */
    char *text;       /* NULL: any */
    pcre2_code *pattern;
    ThrottleActionKind kind;
    gint64 duration_us;
    guint32 hits;
    gint64 within_us;
} ThrottleRule;

/* NULL and an error "FILE:LINE: ..." for one that cannot be. */
ThrottleRule *
throttle_rule_new (const RelaisSection *section, pcre2_compile_context *context, GError **error);
void throttle_rule_free (gpointer rule);
bool throttle_rule_has_code (const ThrottleRule *rule, guint code);
/* Whether it changes a lane, and not the mail of one who sends. */
bool throttle_rule_is_about_lane (const ThrottleRule *rule);
GQuark throttle_rules_error_quark (void);
/* "90s", "2h". Owned. */
char *throttle_duration_to_string (gint64 duration_us);

/* A reply as rules look at it. */
typedef struct {
    int phase; /* -1: none of ours */
    guint code;
    bool has_enhanced;
    guint klass, subject, detail;
    const char *text; /* borrowed; never NULL */
    gsize size;
} ThrottleView;
/* False: no rule is asked about such a reply. */
bool throttle_view_of (const ThrottleReply *reply, ThrottleView *view);
/* All but the pattern. */
bool throttle_rule_fits (const ThrottleRule *rule, const ThrottleView *view);

/* The rules that are good; what is wrong with the others goes to `problems` (char *). */
ThrottleRules *throttle_rules_new_collecting (RelaisConfig *config, GPtrArray *problems);
const ThrottleRule *throttle_rules_nth (const ThrottleRules *rules, guint n);
/* As throttle_rules_match (), the rules with action `none` included. NULL: no rule. */
const ThrottleRule *
throttle_rules_find (const ThrottleRules *rules, const char *provider, const ThrottleReply *reply);
