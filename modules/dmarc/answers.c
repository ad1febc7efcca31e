/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A walk's questions to the DNS, and what their answers hold: for the check of a message and for `relaisctl dmarc test`.
 * Loop thread.
 */
#include "dmarc.h"

RelaisLookup *
dmarc_walk_ask (const DmarcWalk *walk, RelaisModule *module, RelaisLookupFunc func, gpointer data)
{
    g_autofree char *name = dmarc_walk_next (walk);

    return name != NULL ? relais_lookup (module, name, RELAIS_DNS_TXT, func, data) : NULL;
}

bool
dmarc_answer_is_unknown (const RelaisDnsAnswer *answer)
{
    const RelaisDnsOutcome outcome = relais_dns_answer_get_outcome (answer);

    return outcome == RELAIS_DNS_TEMPORARY || outcome == RELAIS_DNS_BOGUS;
}

guint
dmarc_walk_take_answer (DmarcWalk *walk, const RelaisDnsAnswer *answer)
{
    DmarcRecord record;
    guint n = 0;

    for (guint32 i = 0; i < relais_dns_answer_n_records (answer); i++) {
        guint64 size;
        const guint8 *bytes = relais_dns_answer_get_bytes (answer, i, &size);
        DmarcRecord parsed;

        if (bytes != NULL && dmarc_record_parse ((const char *)bytes, (gsize)size, &parsed)) {
            record = parsed;
            n++;
        }
    }
    dmarc_walk_take (walk, n == 1 ? &record : NULL);
    return n;
}
