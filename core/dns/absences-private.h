/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is known not to exist, for a while: our own negative cache, since libunbound's is kept empty
 * for the sake of second opinions (its bound on negative TTLs is one for all contexts of a process).
 * Bounded; loop thread only.
 */
#pragma once

#include "dns/dns-private.h"

typedef struct RelaisAbsences RelaisAbsences;

RelaisAbsences *relais_absences_new (guint most);
void relais_absences_free (RelaisAbsences *absences);
/* Keeps a NODATA or NXDOMAIN for `ttl_s`, at most RELAIS_ABSENCE_S. `name` in lower case. */
void relais_absences_note (RelaisAbsences *absences, const char *name, RelaisDnsType type,
                           const RelaisDnsAnswer *answer, gint64 now_us);
/* The name has the type after all. */
void relais_absences_forget (RelaisAbsences *absences, const char *name, RelaisDnsType type);
/* Fills outcome, secure and ttl_s of `answer` if an absence is known. */
bool relais_absences_find (const RelaisAbsences *absences, const char *name, RelaisDnsType type,
                           gint64 now_us, RelaisDnsAnswer *answer);

enum { RELAIS_ABSENCE_S = 300 };
