/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Accept-Language: "fr-CA, fr;q=0.9, en;q=0.5, *;q=0.1". What is not well-formed is passed over, range by range. A
 * range is looked for as it stands, then with ever fewer subtags; those that were refused (q=0) are never taken. Pure;
 * any thread.
 */
#include "config.h"

#include "module/language-private.h"

#include <stdbool.h>
#include <string.h>

enum { NONE = -1, UNDECIDED = -2 };

typedef struct {
    char tag[RELAIS_LANGUAGE_TAG_BYTES + 1];
    guint weight; /* thousandths; 0: refused */
} Range;

typedef struct {
    Range ranges[RELAIS_LANGUAGE_RANGES];
    guint n;
} Ranges;

/* --- Reading ---------------------------------------------------------------------------------- */

static const char *
skip_blanks (const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    return at;
}

static const char *
trim_end (const char *at, const char *end)
{
    while (end > at && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return end;
}

/* "*", or letters, then "-" and letters and digits; no subtag is empty or longer than 8. */
static bool
is_range (const char *tag)
{
    guint run = 0;
    bool first = true;

    if (g_str_equal (tag, "*"))
        return true;
    for (; *tag != '\0'; tag++) {
        if (*tag == '-') {
            if (run == 0)
                return false;
            run = 0;
            first = false;
        } else if (run++ == 8 || !(first ? g_ascii_isalpha (*tag) : g_ascii_isalnum (*tag)))
            return false;
    }
    return run > 0;
}

/* "0", "0.", "0.375", "1.000". */
static bool
read_weight (const char *at, const char *end, guint *weight)
{
    guint digits = 0;

    if (at == end || (*at != '0' && *at != '1'))
        return false;
    *weight = *at++ == '1' ? 1000 : 0;
    if (at == end)
        return true;
    if (*at++ != '.')
        return false;
    for (guint unit = 100; at < end; at++, unit /= 10) {
        if (!g_ascii_isdigit (*at) || digits++ == 3)
            return false;
        *weight += (guint)(*at - '0') * unit;
    }
    return *weight <= 1000;
}

static bool
read_range (const char *at, const char *end, Range *range)
{
    const char *semicolon = memchr (at, ';', (gsize)(end - at));
    const char *tag_end = trim_end (at, semicolon != NULL ? semicolon : end);
    const gsize size = (gsize)(tag_end - at);

    *range = (Range){.weight = 1000};
    if (size == 0 || size > RELAIS_LANGUAGE_TAG_BYTES)
        return false;
    memcpy (range->tag, at, size);
    if (!is_range (range->tag))
        return false;
    if (semicolon == NULL)
        return true;
    at = skip_blanks (semicolon + 1, end);
    return end - at > 2 && (*at == 'q' || *at == 'Q') && at[1] == '=' &&
           read_weight (at + 2, end, &range->weight);
}

static void
read_ranges (const char *accept, Ranges *ranges)
{
    const gsize size = strnlen (accept, RELAIS_ACCEPT_BYTES);
    const char *at = accept, *end = accept + size;
    const bool cut = *end != '\0';

    while (at < end && ranges->n < RELAIS_LANGUAGE_RANGES) {
        const char *comma = memchr (at, ',', (gsize)(end - at));
        const char *from = skip_blanks (at, end), *to = comma != NULL ? comma : end;

        if (comma == NULL && cut)
            return;
        if (from < to && read_range (from, trim_end (from, to), &ranges->ranges[ranges->n]))
            ranges->n++;
        at = to + 1;
    }
}

/* --- Choosing --------------------------------------------------------------------------------- */

static bool
is_refused (const Ranges *ranges, const char *tag)
{
    for (guint i = 0; i < ranges->n; i++)
        if (ranges->ranges[i].weight == 0 && g_ascii_strcasecmp (ranges->ranges[i].tag, tag) == 0)
            return true;
    return false;
}

/* Without its last subtag, and without a single letter before that, which began it. */
static void
shorten (char *tag)
{
    char *dash = strrchr (tag, '-');

    if (dash == NULL) {
        *tag = '\0';
        return;
    }
    *dash = '\0';
    if (dash - tag >= 2 && dash[-2] == '-')
        dash[-2] = '\0';
}

/* UNDECIDED if the range matches nothing. */
static int
look_up (const Ranges *ranges, const Range *range, const char *const *tags, guint n)
{
    Range left = *range;

    if (g_str_equal (range->tag, "*"))
        return NONE;
    for (; left.tag[0] != '\0'; shorten (left.tag)) {
        if (is_refused (ranges, left.tag))
            continue;
        for (guint i = 0; i < n; i++)
            if (g_ascii_strcasecmp (tags[i], left.tag) == 0)
                return (int)i;
        if (g_ascii_strcasecmp (left.tag, "en") == 0)
            return NONE;
    }
    return UNDECIDED;
}

/* The heaviest one, of those the first, at weights below `*weight`, or at it and behind `*index`. */
static const Range *
next_range (const Ranges *ranges, guint *weight, guint *index)
{
    const Range *best = NULL;
    guint at = 0;

    for (guint i = 0; i < ranges->n; i++) {
        const Range *range = &ranges->ranges[i];
        const bool left = range->weight < *weight || (range->weight == *weight && i >= *index);

        if (range->weight > 0 && left && (best == NULL || range->weight > best->weight)) {
            best = range;
            at = i;
        }
    }
    if (best != NULL) {
        *weight = best->weight;
        *index = at + 1;
    }
    return best;
}

int
relais_language_choose (const char *accept, const char *const *tags, guint n)
{
    Ranges ranges = {.n = 0};
    guint weight = 1000, index = 0;
    const Range *range;

    if (accept == NULL)
        return NONE;
    read_ranges (accept, &ranges);
    while ((range = next_range (&ranges, &weight, &index)) != NULL) {
        const int found = look_up (&ranges, range, tags, n);

        if (found != UNDECIDED)
            return found;
    }
    return NONE;
}
