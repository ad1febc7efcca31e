/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Callbacks of modules that took longer than their budget: each is counted, and one a second is told of in the log.
 * Any thread.
 */
#include "config.h"

#include "module/guard-private.h"
#include "module/module-private.h"

#include <relais/counter.h>

enum { TOLD_EVERY_US = 1000000 };

static gint64 told_us; /* atomic: when the last one was told of */
static guint untold;   /* atomic: those since */

void
relais_slow_tell (const RelaisGuard *guard, gint64 took_us)
{
    const gint64 now = relais_guard_now_us ();
    gint64 last = __atomic_load_n (&told_us, __ATOMIC_RELAXED);
    char id[RELAIS_ID_TEXT_BYTES] = "";
    guint others;

    if (guard->module->slow != NULL)
        relais_counter_add (guard->module->slow, guard->what, 1);
    if ((last != 0 && now - last < TOLD_EVERY_US) ||
        !__atomic_compare_exchange_n (&told_us, &last, now, false, __ATOMIC_RELAXED,
                                      __ATOMIC_RELAXED)) {
        __atomic_fetch_add (&untold, 1, __ATOMIC_RELAXED);
        return;
    }
    others = __atomic_exchange_n (&untold, 0, __ATOMIC_RELAXED);
    if (guard->id != 0)
        relais_id_to_text (guard->id, id);
    relais_log (guard->module, RELAIS_LOG_NOTICE,
                "%s took %" G_GINT64_FORMAT " ms%s%s; %u more were slow since the last such line",
                guard->what, took_us / 1000, id[0] != '\0' ? ", message " : "", id, others);
}
