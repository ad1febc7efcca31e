/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rates: read, scaled, written. Pure; any thread.
 */
#include "limit.h"

#ifndef GETTEXT_PACKAGE
#define GETTEXT_PACKAGE "relais"
#endif
#include <glib/gi18n-lib.h>
#include <string.h>

__extension__ typedef __int128 Wide;

static const struct {
    char letter;
    gint64 period_us;
} UNITS[] = {
    {'s', THROTTLE_SECOND_US},
    {'m', THROTTLE_MINUTE_US},
    {'h', THROTTLE_HOUR_US},
    {'d', THROTTLE_DAY_US},
};

static gint64
default_burst (gint64 n, gint64 period_us)
{
    return CLAMP ((n * THROTTLE_BURST_US + period_us - 1) / period_us, 1, THROTTLE_RATE_MOST);
}

ThrottleRate
throttle_rate_new (gint64 n, gint64 period_us)
{
    return (ThrottleRate){n, period_us, default_burst (n, period_us)};
}

/* --- Reading ---------------------------------------------------------------------------------- */

static void
skip_blanks (const char **text)
{
    while (**text == ' ' || **text == '\t')
        (*text)++;
}

static bool
read_number (const char **text, gint64 *number)
{
    const char *p = *text;

    for (*number = 0; g_ascii_isdigit (*p); p++) {
        *number = *number * 10 + (*p - '0');
        if (*number > THROTTLE_RATE_MOST)
            return false;
    }
    if (p == *text || *number == 0)
        return false;
    *text = p;
    return true;
}

static bool
read_unit (const char **text, gint64 *period_us)
{
    for (guint i = 0; i < G_N_ELEMENTS (UNITS); i++)
        if (**text == UNITS[i].letter && !g_ascii_isalnum ((*text)[1])) {
            *period_us = UNITS[i].period_us;
            (*text)++;
            return true;
        }
    return false;
}

/* What is wrong, or NULL. */
static const char *
read_rate (const char **text, ThrottleRate *rate)
{
    skip_blanks (text);
    if (!read_number (text, &rate->n))
        return _ ("expected a number from 1 to 100000000 as in 100/m");
    if (**text != '/')
        return _ ("expected \"/\" and a unit (s, m, h or d) as in 100/m");
    (*text)++;
    if (!read_unit (text, &rate->period_us))
        return _ ("the unit must be s, m, h or d, as in 100/m");
    rate->burst = default_burst (rate->n, rate->period_us);
    skip_blanks (text);
    if (!g_str_has_prefix (*text, "burst"))
        return NULL;
    *text += strlen ("burst");
    if (**text != ' ' && **text != '\t')
        return _ ("expected \"burst\" and a number as in 100/m burst 20");
    skip_blanks (text);
    if (!read_number (text, &rate->burst))
        return _ ("the burst must be a number from 1 to 100000000, as in 100/m burst 20");
    skip_blanks (text);
    return NULL;
}

bool
throttle_rates_parse (const char *text, ThrottleRates *rates, char **problem)
{
    const char *from = text, *wrong = NULL;

    *rates = (ThrottleRates){0};
    skip_blanks (&from);
    if (g_str_has_prefix (from, "unlimited")) {
        from += strlen ("unlimited");
        skip_blanks (&from);
        if (*from == '\0')
            return true;
        from = text;
    }
    while (wrong == NULL) {
        if (rates->n == THROTTLE_RATES)
            wrong = _ ("more than 4 rates");
        else
            wrong = read_rate (&from, &rates->rates[rates->n]);
        if (wrong != NULL)
            break;
        rates->n++;
        if (*from == '\0')
            return true;
        if (*from != ',')
            wrong = _ ("expected a comma, \"burst\" or the end after a rate");
        from++;
    }
    *rates = (ThrottleRates){0};
    *problem = g_strdup_printf ("\"%s\": %s", text, wrong);
    return false;
}

/* --- Scaling ---------------------------------------------------------------------------------- */

ThrottleRate
throttle_rate_scale (const ThrottleRate *rate, guint32 parts)
{
    const gint64 by = CLAMP (parts, THROTTLE_PARTS_LEAST, THROTTLE_PARTS);
    ThrottleRate scaled = *rate;

    if (by == THROTTLE_PARTS || rate->n == 0)
        return scaled;
    scaled.burst = MAX (rate->burst * by / THROTTLE_PARTS, 1);
    /* Rounded up: the scaled rate is never above. A period is below 2^37, so nothing overflows. */
    scaled.period_us = (rate->period_us * THROTTLE_PARTS + by - 1) / by;
    return scaled;
}

bool
throttle_rate_is_below (const ThrottleRate *left, const ThrottleRate *right)
{
    return (Wide)left->n * right->period_us < (Wide)right->n * left->period_us;
}

guint32
throttle_rate_divide (const ThrottleRate *part, const ThrottleRate *whole)
{
    const Wide above = (Wide)part->n * whole->period_us * THROTTLE_PARTS;
    const Wide below = (Wide)whole->n * part->period_us;

    return (guint32)MIN ((above + below - 1) / below, THROTTLE_PARTS);
}

/* --- Writing ---------------------------------------------------------------------------------- */

char *
throttle_rate_to_string (const ThrottleRate *rate)
{
    const guint last = G_N_ELEMENTS (UNITS) - 1;
    gint64 burst, n = 0;
    guint unit;

    if (rate->n == 0)
        return g_strdup ("unlimited");
    for (unit = 0; unit <= last; unit++) {
        const Wide exact = (Wide)rate->n * UNITS[unit].period_us;

        n = exact < rate->period_us ? 0 : (gint64)((exact + rate->period_us / 2) / rate->period_us);
        /* As it was written, or the first unit that shows something of it. */
        if (n >= 1 && (rate->period_us <= UNITS[unit].period_us || n >= 10 || unit == last))
            break;
    }
    unit = MIN (unit, last);
    if (n == 0)
        return g_strdup ("<1/d");
    burst = default_burst (rate->n, rate->period_us);
    if (burst == rate->burst)
        return g_strdup_printf ("%" G_GINT64_FORMAT "/%c", n, UNITS[unit].letter);
    return g_strdup_printf ("%" G_GINT64_FORMAT "/%c burst %" G_GINT64_FORMAT, n,
                            UNITS[unit].letter, rate->burst);
}

char *
throttle_rates_to_string (const ThrottleRates *rates, guint32 parts)
{
    g_autoptr (GString) text = g_string_new (rates->n == 0 ? "unlimited" : NULL);

    for (guint i = 0; i < rates->n; i++) {
        const ThrottleRate scaled = throttle_rate_scale (&rates->rates[i], parts);
        g_autofree char *one = throttle_rate_to_string (&scaled);

        g_string_append_printf (text, "%s%s", i > 0 ? ", " : "", one);
    }
    return g_string_free (g_steal_pointer (&text), FALSE);
}
