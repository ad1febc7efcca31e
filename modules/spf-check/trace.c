/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a check asked of DNS and what it was told, for people who wonder about its result. Pure; any thread.
 */
#include "eval.h"

#include <arpa/inet.h>
#include <string.h>

enum { TEXT_BYTES = 2000 };

const char *
spf_dns_type_to_string (SpfDnsType type)
{
    switch (type) {
    case SPF_DNS_A: return "A";
    case SPF_DNS_PTR: return "PTR";
    case SPF_DNS_MX: return "MX";
    case SPF_DNS_TXT: return "TXT";
    case SPF_DNS_AAAA: return "AAAA";
    }
    return "?";
}

void
spf_trace_row_free (gpointer data)
{
    SpfTraceRow *row = data;

    g_free (row->name);
    g_free (row->text);
    g_free (row);
}

static void
append_text (GString *to, const guint8 *bytes, gsize size)
{
    for (gsize i = 0; i < size && to->len < TEXT_BYTES; i++) {
        if (bytes[i] < 0x20 || bytes[i] > 0x7e || bytes[i] == '\\')
            g_string_append_printf (to, "\\%03u", bytes[i]);
        else
            g_string_append_c (to, (char)bytes[i]);
    }
}

static void
append_record (GString *to, SpfDnsType type, GBytes *record)
{
    gsize size;
    const guint8 *bytes = g_bytes_get_data (record, &size);
    char address[INET6_ADDRSTRLEN] = "";

    if ((type == SPF_DNS_A && size == 4) || (type == SPF_DNS_AAAA && size == 16)) {
        inet_ntop (size == 4 ? AF_INET : AF_INET6, bytes, address, sizeof address);
        g_string_append (to, address);
    } else if (type == SPF_DNS_TXT) {
        g_string_append_c (to, '"');
        append_text (to, bytes, size);
        g_string_append_c (to, '"');
    } else if (size == 0)
        g_string_append_c (to, '.');
    else
        append_text (to, bytes, size);
}

static char *
text_of (SpfDnsType type, const SpfAnswer *answer)
{
    GString *text = g_string_new (NULL);

    if (answer->outcome == SPF_DNS_NODATA)
        g_string_append (text, "no record of this type");
    else if (answer->outcome == SPF_DNS_NXDOMAIN)
        g_string_append (text, "no such name");
    else if (answer->outcome == SPF_DNS_ERROR)
        g_string_append (text, answer->reason != NULL ? answer->reason : "no answer");
    for (guint i = 0; answer->outcome == SPF_DNS_DATA && answer->records != NULL &&
                      i < answer->records->len && text->len < TEXT_BYTES;
         i++) {
        if (i > 0)
            g_string_append (text, ", ");
        append_record (text, type, g_ptr_array_index (answer->records, i));
    }
    return g_string_free (text, FALSE);
}

SpfTraceRow *
spf_trace_row_new (const char *name, SpfDnsType type, const SpfAnswer *answer)
{
    SpfTraceRow *row = g_new (SpfTraceRow, 1);

    *row = (SpfTraceRow){spf_name_to_text (name), type, answer->outcome, text_of (type, answer)};
    return row;
}

void
spf_eval_trace (SpfEval *eval, const SpfAnswer *answer)
{
    if (eval->limits.trace && eval->trace->len < SPF_TRACE_ROWS)
        g_ptr_array_add (eval->trace,
                         spf_trace_row_new (eval->question.name, eval->question.type, answer));
}
