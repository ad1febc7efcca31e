/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How modules read an answer (include/relais/dns.h). Any thread that holds one.
 */
#include "config.h"

#include "dns/dns-private.h"

RelaisDnsOutcome
relais_dns_answer_get_outcome (const RelaisDnsAnswer *answer)
{
    return answer->outcome;
}

gboolean
relais_dns_answer_get_secure (const RelaisDnsAnswer *answer)
{
    return answer->secure;
}

guint32
relais_dns_answer_get_ttl (const RelaisDnsAnswer *answer)
{
    return answer->ttl_s;
}

const gchar *
relais_dns_answer_get_reason (const RelaisDnsAnswer *answer)
{
    return answer->reason;
}

guint32
relais_dns_answer_n_records (const RelaisDnsAnswer *answer)
{
    return answer->outcome == RELAIS_DNS_DATA ? answer->records->len : 0;
}

static const RelaisDnsRecord *
nth (const RelaisDnsAnswer *answer, guint32 n)
{
    static const RelaisDnsRecord none;

    if (n >= relais_dns_answer_n_records (answer))
        return &none;
    return &g_array_index (answer->records, RelaisDnsRecord, n);
}

guint32
relais_dns_answer_get_preference (const RelaisDnsAnswer *answer, guint32 n)
{
    return nth (answer, n)->preference;
}

const gchar *
relais_dns_answer_get_name (const RelaisDnsAnswer *answer, guint32 n)
{
    return nth (answer, n)->name;
}

const guint8 *
relais_dns_answer_get_bytes (const RelaisDnsAnswer *answer, guint32 n, guint64 *size)
{
    const RelaisDnsRecord *record = nth (answer, n);

    if (size != NULL)
        *size = record->size;
    return record->bytes;
}
