/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One question to one zone: the addresses that it answers with, what they mean, and the reason of a listing. Loop
 * thread. The answer is a stranger's: it is counted, bounded and made printable here.
 */
#include "monitor.h"

#include <string.h>

struct DnsblPoll {
    RelaisModule *module;
    const DnsblZone *zone;
    char *name;
    bool wants_reason;
    RelaisLookup *lookup;
    DnsblResult result;
    DnsblPollFunc func;
    gpointer data;
};

static void
poll_free (DnsblPoll *poll)
{
    g_free (poll->name);
    g_free (poll->result.answer);
    g_free (poll->result.codes);
    g_free (poll->result.text);
    g_free (poll);
}

static void
finish (DnsblPoll *poll)
{
    poll->func (&poll->result, poll->data);
    poll_free (poll);
}

/* --- The reason ------------------------------------------------------------------------------- */

/* A stranger's text as one line, cut at a character's end. */
static char *
printable (const guint8 *bytes, guint64 size)
{
    const gsize some = (gsize)MIN (size, (guint64)DNSBL_ANSWER * 2);
    g_autofree char *valid = g_utf8_make_valid ((const char *)bytes, (gssize)some);
    g_autoptr (GString) line = g_string_new (NULL);

    for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p)) {
        const gunichar c = g_utf8_get_char (p);

        if (line->len + 6 > DNSBL_ANSWER)
            break;
        g_string_append_unichar (line, g_unichar_isprint (c) ? c : ' ');
    }
    return g_string_free (g_steal_pointer (&line), FALSE);
}

static void
on_text (const RelaisDnsAnswer *answer, gpointer data)
{
    DnsblPoll *poll = data;

    poll->lookup = NULL;
    if (relais_dns_answer_n_records (answer) > 0) {
        guint64 size;
        const guint8 *bytes = relais_dns_answer_get_bytes (answer, 0, &size);

        if (bytes != NULL)
            poll->result.text = printable (bytes, size);
    }
    finish (poll);
}

/* --- The answer ------------------------------------------------------------------------------- */

static void
read_records (DnsblPoll *poll, const RelaisDnsAnswer *answer)
{
    g_autoptr (GArray) records = g_array_new (FALSE, FALSE, sizeof (guint32));
    DnsblResult *result = &poll->result;

    for (guint32 i = 0; i < relais_dns_answer_n_records (answer); i++) {
        guint64 size;
        const guint8 *b = relais_dns_answer_get_bytes (answer, i, &size);

        if (b != NULL && size == 4) {
            const guint32 address =
                (guint32)b[0] << 24 | (guint32)b[1] << 16 | (guint32)b[2] << 8 | b[3];

            g_array_append_val (records, address);
        }
    }
    result->verdict = dnsbl_codes_judge (
        &poll->zone->codes, (const guint32 *)(gpointer)records->data, records->len, &result->codes);
    result->answer = dnsbl_codes_raw ((const guint32 *)(gpointer)records->data, records->len);
}

static void
read_answer (DnsblPoll *poll, const RelaisDnsAnswer *answer)
{
    DnsblResult *result = &poll->result;
    const char *reason = relais_dns_answer_get_reason (answer);

    result->ttl_s = relais_dns_answer_get_ttl (answer);
    result->verdict = DNSBL_UNKNOWN;
    switch (relais_dns_answer_get_outcome (answer)) {
    case RELAIS_DNS_DATA: read_records (poll, answer); return;
    case RELAIS_DNS_NXDOMAIN:
        result->verdict = DNSBL_CLEAN;
        result->answer = g_strdup ("NXDOMAIN");
        return;
    case RELAIS_DNS_NODATA:
        result->verdict = DNSBL_CLEAN;
        result->answer = g_strdup ("NODATA");
        return;
    default: result->answer = g_strdup (reason != NULL ? reason : "no answer"); return;
    }
}

static void
on_answer (const RelaisDnsAnswer *answer, gpointer data)
{
    DnsblPoll *poll = data;

    poll->lookup = NULL;
    read_answer (poll, answer);
    if (poll->wants_reason && poll->result.verdict == DNSBL_LISTED)
        poll->lookup = relais_lookup (poll->module, poll->name, RELAIS_DNS_TXT, on_text, poll);
    else
        finish (poll);
}

DnsblPoll *
dnsbl_poll_start (RelaisModule *module, const DnsblZone *zone, const char *name, bool reason,
                  DnsblPollFunc func, gpointer data)
{
    DnsblPoll *poll = g_new (DnsblPoll, 1);

    *poll = (DnsblPoll){.module = module,
                        .zone = zone,
                        .name = g_strdup (name),
                        .wants_reason = reason,
                        .func = func,
                        .data = data};
    poll->lookup = relais_lookup (module, poll->name, RELAIS_DNS_A, on_answer, poll);
    return poll;
}

void
dnsbl_poll_cancel (DnsblPoll *poll)
{
    if (poll == NULL)
        return;
    relais_lookup_cancel (poll->lookup);
    poll_free (poll);
}
