/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The module's own state, and its configuration as a session or delivery has it pinned. Loop thread; configurations
 * are immutable.
 */
#pragma once

#include <relais/counter.h>
#include <relais/hook.h>
#include <relais/module.h>
#include <relais/shaping.h>

#include "verdict.h"

#ifndef GETTEXT_PACKAGE
#define GETTEXT_PACKAGE "relais"
#endif

/* See link.h. */
typedef struct BounceLinkConfig BounceLinkConfig;

/* Of one configuration. */
typedef struct {
    BounceRules *rules;
    BounceLinkConfig *link;
    bool defer, bounce; /* whether a rule may turn a rejection into a deferral, and the reverse */
} BounceConfig;

typedef struct {
    RelaisModule *module;
    RelaisCounter *judged; /* by scope */
    RelaisCounter *turned; /* by what an outcome was turned into */
    /* Of returned mail. */
    RelaisSlot *claim_slot;
    RelaisCounter *addresses; /* by what became of the recipient */
    RelaisCounter *reports;   /* by kind */
    RelaisCounter *links;     /* by how the delivery was found */
    guint letters;            /* that went on to the postmaster since then */
    gint64 letters_us;        /* monotonic */
    RelaisCounter *over_limit;
} BounceModule;

/* --- result.c: what replies mean, said to the core. ----------------------------------------------------- */

/* Hook result. */
RelaisVerdict bounce_result (RelaisHook *hook, gpointer data);

/* Options of it, a part of the module's one table; its user includes <glib/gi18n-lib.h>. */
#define BOUNCE_RESULT_OPTIONS                                                                      \
    {"bounce",                                                                                     \
     "defer",                                                                                      \
     RELAIS_OPTION_BOOL,                                                                           \
     RELAIS_OPTION_RELOADABLE,                                                                     \
     "yes",                                                                                        \
     0,                                                                                            \
     0,                                                                                            \
     NULL,                                                                                         \
     N_ ("Try again what was refused for good (5xx) where a rule with action = defer says that "   \
         "it will pass: a full mailbox, too many connections.")},                                  \
    {                                                                                              \
        "bounce", "bounce", RELAIS_OPTION_BOOL, RELAIS_OPTION_RELOADABLE, "yes", 0, 0, NULL,       \
            N_ ("Give up what was put off (4xx) where a rule with action = bounce says that it "   \
                "will never be taken.")                                                            \
    }
