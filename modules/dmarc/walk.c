/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The walk up the DNS that finds a domain's policy and its organisational domain (RFC 9989 section 4.10).
 * Pure; one thread.
 */
#include "dmarc.h"

#include <string.h>

void
dmarc_walk_init (DmarcWalk *walk, const char *domain)
{
    *walk = (DmarcWalk){.start = g_strdup (domain)};
    walk->at = walk->start;
}

void
dmarc_walk_clear (DmarcWalk *walk)
{
    for (guint i = 0; i < walk->n_found; i++)
        g_free (walk->found[i].domain);
    g_free (walk->start);
    *walk = (DmarcWalk){.start = NULL};
}

char *
dmarc_walk_next (const DmarcWalk *walk)
{
    return walk->at != NULL ? g_strconcat ("_dmarc.", walk->at, NULL) : NULL;
}

static guint
count_labels (const char *domain)
{
    guint n = 1;

    for (const char *c = domain; *c != '\0'; c++)
        n += *c == '.';
    return n;
}

/* One label up; from a long name at once to so few labels that the limit is kept. */
static const char *
parent_of (const char *domain)
{
    const guint keep = MIN (count_labels (domain), DMARC_WALK_QUERIES) - 1;
    const char *at = domain;

    if (keep == 0)
        return NULL;
    for (guint n = count_labels (domain); n > keep; n--)
        at = strchr (at, '.') + 1;
    return at;
}

void
dmarc_walk_take (DmarcWalk *walk, const DmarcRecord *record)
{
    g_return_if_fail (walk->at != NULL);
    if (record != NULL) {
        walk->found[walk->n_found++] = (DmarcFound){g_strdup (walk->at), *record};
        if (record->psd != 'u') {
            walk->at = NULL;
            return;
        }
    }
    walk->at = parent_of (walk->at);
}

/* The domain one label below `above`, on the way to `domain`. */
static const char *
child_of (const char *domain, const char *above)
{
    const char *at = domain + strlen (domain) - strlen (above) - 1;

    while (at > domain && at[-1] != '.')
        at--;
    return at;
}

const char *
dmarc_walk_organisation (const DmarcWalk *walk)
{
    const DmarcFound *last;

    if (walk->n_found == 0)
        return walk->start;
    /* The walk goes up: the last one has the fewest labels, and it alone can have said psd=. */
    last = &walk->found[walk->n_found - 1];
    if (last->record.psd == 'y' && !g_str_equal (last->domain, walk->start))
        return child_of (walk->start, last->domain);
    return walk->start + strlen (walk->start) - strlen (last->domain);
}

const DmarcFound *
dmarc_walk_policy (const DmarcWalk *walk)
{
    const char *organisation = dmarc_walk_organisation (walk);

    if (walk->n_found == 0)
        return NULL;
    if (g_str_equal (walk->found[0].domain, walk->start))
        return &walk->found[0];
    for (guint i = 0; i < walk->n_found; i++)
        if (g_str_equal (walk->found[i].domain, organisation))
            return &walk->found[i];
    /* The one above the organisation, of those who give names away. */
    return &walk->found[walk->n_found - 1];
}
