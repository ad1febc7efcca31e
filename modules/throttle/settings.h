/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is configured: limits by source and provider, each with the place where it stands, those of tenants, plans
 * of warm-up, and the rules of replies. An object of each configuration; counted, immutable but for what the loop
 * has resolved of it.
 */
#pragma once

#include <relais/option.h>

#include "rules.h"
#include "warmup.h"

/* In the order of KEYS in settings.c. */
typedef enum {
    THROTTLE_CONNECTIONS,
    THROTTLE_MESSAGES_PER_CONNECTION,
    THROTTLE_RECIPIENTS,
    THROTTLE_RATE,
    THROTTLE_CONNECTION_RATE,
    THROTTLE_CAMPAIGN_RATE,
    THROTTLE_MIN_RATE,
    THROTTLE_STEP,
    THROTTLE_STEP_INTERVAL,
    THROTTLE_RAISE,
    THROTTLE_RAISE_AFTER,
    THROTTLE_RAISE_SUCCESSES,
    THROTTLE_SLOW_AT,
    THROTTLE_SLOW_WINDOW,
    THROTTLE_SLOW_RESULTS,
    THROTTLE_KEYS
} ThrottleKey;
const char *throttle_key_to_string (ThrottleKey key);

/* The plan "default": 50 on the first day, doubled each day up to this (day 16). */
#define THROTTLE_PLAN_DEFAULT_LAST 1638400

/* A value and where it stands: "FILE:LINE", or "default". */
typedef struct {
    gint64 number;
    ThrottleRates rates;
    const char *origin; /* NULL: not set */
} ThrottleValue;

/* What holds for a source towards a provider. */
typedef struct {
    ThrottleValue values[THROTTLE_KEYS];
} ThrottleSettings;

typedef struct {
    const char *name;
    ThrottleValue rate, campaign_rate;
} ThrottleTenant;

typedef struct {
    const ThrottlePlan *plan;
    gint64 start; /* day */
    const char *origin;
} ThrottleSourceWarmup;

typedef struct ThrottleConfig ThrottleConfig;
ThrottleConfig *throttle_config_new (RelaisConfig *config, GError **error);
ThrottleConfig *throttle_config_ref (ThrottleConfig *config);
void throttle_config_unref (gpointer config);

/* Loop only: the first call for a pair works it out. Lives as long as the configuration. */
const ThrottleSettings *
throttle_config_resolve (ThrottleConfig *config, const char *source, const char *provider);
/* NULL: no limits of its own. */
const ThrottleTenant *
throttle_config_find_tenant (const ThrottleConfig *config, const char *tenant);
/* NULL: the source is not warmed up, or not towards that provider. */
const ThrottleSourceWarmup *throttle_config_find_warmup (const ThrottleConfig *config,
                                                         const char *source, const char *provider);
const ThrottleRules *throttle_config_get_rules (const ThrottleConfig *config);
/* The provider whose suffixes fit all of `hosts`, or NULL: the first, as the core has it. */
const char *throttle_config_provider_of (const ThrottleConfig *config, const GPtrArray *hosts);
/* Lanes that are remembered at most. */
guint throttle_config_get_lanes (const ThrottleConfig *config);
bool throttle_config_has_provider (const ThrottleConfig *config, const char *name);
