/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who was it: whether a hit on a pixel or a link was a person, a machine, or cannot be told, by what is known of it
 * and by a file of rules. Pure, GLib alone; nothing here changes after it was made, so that any thread may ask.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* The build system's; for whoever builds the module by hand. */
#ifndef GETTEXT_PACKAGE
#define GETTEXT_PACKAGE "relais"
#endif

/* In the order of doubt: the greater wins. */
typedef enum { TRACKING_HUMAN, TRACKING_SUSPECT, TRACKING_MACHINE } TrackingClass;

/* "human", "suspect", "machine". Static. */
const char *tracking_class_to_string (TrackingClass klass);

/* What is known of one hit; strings may be NULL. */
typedef struct {
    bool head;     /* asked by HEAD */
    bool click;    /* else an open */
    bool trap;     /* the hidden link of this delivery was followed around this time */
    bool burst;    /* 3 or more links of the delivery, and half of all there are, within seconds */
    bool prefetch; /* a browser fetched it ahead of its reader, and said so */
    gint64
        after_us; /* since the message was handed to the provider; negative: unknown, or the clock was set */
    const char *address, *agent;
} TrackingSigns;

enum { TRACKING_REASONS_SIZE = 160 };
typedef struct {
    TrackingClass klass;
    /* "head,burst,agent:curl": what speaks against a person; "" for nothing. */
    char reasons[TRACKING_REASONS_SIZE];
    const char *client, *platform; /* "Chrome", "Windows"; "unknown"; static */
    /* What the rules call the proxy, scanner or network; NULL; lives as long as the rules. */
    const char *proxy;
} TrackingVerdict;

/* --- Rules (rules.c). Lines of
 *
 *         net CIDR CLASS NAME SOURCE...
 *         agent "SUBSTRING" CLASS NAME SOURCE...
 *         seconds open|click N
 *
 *     CLASS: human, suspect or machine, or two of them, of an open and of a click ("machine/human"). SUBSTRING: of the
 *     user agent in either case; ^ at its begin and $ at its end anchor it. SOURCE: a URL and a date (YYYY-MM-DD), or
 *     the word guess. # begins a comment where a word could begin. */
enum {
    TRACKING_RULES_MAX_SIZE = 1 << 20, /* octets of a file */
    TRACKING_RULES_MAX_LINE = 1024,    /* octets of a line */
    TRACKING_RULES_MAX_AGENTS = 1024,  /* agent lines: each is looked for in every agent */
    TRACKING_RULES_MAX_NAME = 32,      /* octets of a NAME */
    TRACKING_RULES_MAX_SECONDS = 3600,
    TRACKING_AGENT_MAX = 512, /* octets of an agent that are looked at */
    /* Unless the rules say otherwise: an open, a click no later than that is suspect. */
    TRACKING_OPEN_SECONDS = 2,
    TRACKING_CLICK_SECONDS = 3
};

typedef struct TrackingRules TrackingRules;
/* NULL with an error that says file, line, what is wrong and what was expected; `name` is what the error calls the file. */
TrackingRules *
tracking_rules_parse (const char *text, gsize size, const char *name, GError **error);
TrackingRules *tracking_rules_load (const char *path, GError **error);
void tracking_rules_free (TrackingRules *rules);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TrackingRules, tracking_rules_free)

typedef struct {
    guint8 klass[2]; /* TrackingClass of an open, of a click */
    char name[TRACKING_RULES_MAX_NAME + 1];
} TrackingRule;
/* The longest network that holds `address` (text of either family), or NULL. */
const TrackingRule *tracking_rules_find_net (const TrackingRules *rules, const char *address);
/* The most doubtful rule for `agent` (in lower case), the longest of several; NULL. */
const TrackingRule *
tracking_rules_find_agent (const TrackingRules *rules, const char *agent, bool click);
gint64 tracking_rules_seconds (const TrackingRules *rules, bool click);

/* --- Agents (agents.c). What a user agent (in lower case) says of itself; static, "unknown" for what it does not say. */
void
tracking_agent_read (const char *agent, bool click, const char **client, const char **platform);

/* --- The verdict (who.c). `rules` NULL: of the hit itself alone. */
void
tracking_who (const TrackingRules *rules, const TrackingSigns *signs, TrackingVerdict *verdict);
