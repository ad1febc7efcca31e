/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the DNS said of a key, kept: the answer itself is borrowed for a moment. Loop thread.
 */
#include "verify.h"

DkimAnswer *
dkim_answer_new (char *name)
{
    DkimAnswer *answer = g_new0 (DkimAnswer, 1);

    answer->name = name;
    answer->records = g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
    return answer;
}

void
dkim_answer_free (gpointer data)
{
    DkimAnswer *answer = data;

    g_free (answer->name);
    g_free (answer->reason);
    g_ptr_array_unref (answer->records);
    g_free (answer);
}

void
dkim_answer_fail (DkimAnswer *answer, const char *reason)
{
    answer->answered = true;
    answer->temporary = true;
    answer->reason = g_strdup (reason);
}

/* One octet more than a record may have is kept, so that its reader sees that it is too large. */
static void
keep_records (DkimAnswer *answer, const RelaisDnsAnswer *found)
{
    for (guint32 i = 0; i < answer->n_records && i < DKIM_RECORDS; i++) {
        guint64 size = 0;
        const guint8 *bytes = relais_dns_answer_get_bytes (found, i, &size);

        g_ptr_array_add (answer->records,
                         g_bytes_new (bytes, (gsize)MIN (size, DKIM_RECORD_BYTES + 1)));
    }
}

void
dkim_answer_take (DkimAnswer *answer, const RelaisDnsAnswer *found)
{
    const char *reason = relais_dns_answer_get_reason (found);

    answer->answered = true;
    answer->secure = relais_dns_answer_get_secure (found);
    answer->ttl = relais_dns_answer_get_ttl (found);
    answer->n_records = relais_dns_answer_n_records (found);
    switch (relais_dns_answer_get_outcome (found)) {
    case RELAIS_DNS_DATA: keep_records (answer, found); break;
    case RELAIS_DNS_NODATA: answer->reason = g_strdup ("there is no key: no TXT record"); break;
    case RELAIS_DNS_NXDOMAIN: answer->reason = g_strdup ("there is no key: no such name"); break;
    default:
        answer->temporary = true;
        answer->reason = g_strdup_printf ("the key could not be looked up: %s",
                                          reason != NULL ? reason : "no answer");
    }
}
