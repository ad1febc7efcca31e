/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A set of domains as configurations name them: names, "*.example.org" for all below, "*" for all. Owns its texts;
 * any thread, one at a time.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct RelaisDomainSet RelaisDomainSet;

RelaisDomainSet *relais_domain_set_new (void);
/* Accepts NULL. */
void relais_domain_set_free (RelaisDomainSet *set);
/* False if the text is neither a name nor a pattern. */
bool relais_domain_set_add (RelaisDomainSet *set, const char *text);
/* `domain`: A-labels, lower case. */
bool relais_domain_set_has (const RelaisDomainSet *set, const char *domain);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisDomainSet, relais_domain_set_free)
