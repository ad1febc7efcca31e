/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Grants: what functions of lane or admit allowed in one run, and who is to be told what becomes of it. Loop
 * thread.
 */
#include "config.h"

#include "module/module-private.h"

RelaisGrant *
relais_grant_new (void)
{
    return g_new0 (RelaisGrant, 1);
}

void
relais_grant_tell (RelaisGrant *grant, RelaisReservationStep step, guint n)
{
    RelaisGuard outer;

    for (guint i = 0; grant != NULL && i < grant->n; i++) {
        const RelaisReservation *reservation = &grant->reservations[i];

        relais_guard_enter (&outer, reservation->function->module, "reservation", 0);
        reservation->func (reservation->data, step, n);
        relais_guard_leave (&outer);
    }
}

void
relais_grant_end (RelaisGrant *grant, RelaisReservationStep step, guint n)
{
    relais_grant_tell (grant, step, n);
    g_free (grant);
}

bool
relais_grant_get_limits (const RelaisGrant *grant, RelaisLaneLimits *limits)
{
    if (grant == NULL || !grant->has_limits)
        return false;
    *limits = grant->limits;
    return true;
}

guint
relais_grant_get_max_recipients (const RelaisGrant *grant)
{
    return grant != NULL ? grant->max_recipients : 0;
}
