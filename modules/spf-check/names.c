/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The client's validated names (RFC 7208 section 5.5): what its PTR records say, as far as the addresses of
 * those names lead back to it. Looked for once in a check, for all that want them. Pure; any thread.
 */
#include "eval.h"

#include <string.h>

bool
spf_eval_is_among (const SpfEval *eval, const SpfAnswer *answer, guint prefix)
{
    const gsize wanted = eval->ip.six ? 16 : 4;

    if (answer->outcome != SPF_DNS_DATA || answer->records == NULL)
        return false;
    for (guint i = 0; i < answer->records->len; i++) {
        gsize size;
        const guint8 *bytes = g_bytes_get_data (g_ptr_array_index (answer->records, i), &size);

        if (size == wanted && spf_ip_is_in (&eval->ip, bytes, prefix))
            return true;
    }
    return false;
}

bool
spf_eval_need_names (SpfEval *eval, SpfState resume)
{
    if (eval->names != NULL)
        return true;
    eval->resume = resume;
    spf_eval_ask (eval, STATE_PTR, spf_ip_to_arpa (&eval->ip), SPF_DNS_PTR);
    return false;
}

/* Asks for the addresses of the next name, or goes on with what the names were wanted for. */
static void
next_name (SpfEval *eval)
{
    if (eval->host < eval->hosts->len)
        spf_eval_ask (eval, STATE_PTR_HOST, g_strdup (g_ptr_array_index (eval->hosts, eval->host)),
                      eval->ip.six ? SPF_DNS_AAAA : SPF_DNS_A);
    else
        eval->state = eval->resume;
}

void
spf_eval_take_ptr (SpfEval *eval, const SpfAnswer *answer)
{
    const bool data = answer->outcome == SPF_DNS_DATA && answer->records != NULL;
    const guint n = data ? MIN (answer->records->len, eval->limits.ptr_names) : 0;

    eval->names = g_ptr_array_new_with_free_func (g_free);
    eval->names_void = answer->outcome == SPF_DNS_NODATA || answer->outcome == SPF_DNS_NXDOMAIN;
    g_clear_pointer (&eval->hosts, g_ptr_array_unref);
    eval->hosts = g_ptr_array_new_with_free_func (g_free);
    eval->host = 0;
    for (guint i = 0; i < n; i++) {
        gsize size;
        const guint8 *bytes = g_bytes_get_data (g_ptr_array_index (answer->records, i), &size);
        g_autofree char *name = g_strndup (bytes != NULL ? (const char *)bytes : "", size);

        if (spf_name_is_good (name))
            g_ptr_array_add (eval->hosts, g_steal_pointer (&name));
    }
    next_name (eval);
}

void
spf_eval_take_ptr_host (SpfEval *eval, const SpfAnswer *answer)
{
    const char *name = g_ptr_array_index (eval->hosts, eval->host);

    if (spf_eval_is_among (eval, answer, eval->ip.six ? 128 : 32))
        g_ptr_array_add (eval->names, g_strdup (name));
    eval->host++;
    next_name (eval);
}

bool
spf_eval_has_name_within (const SpfEval *eval, const char *domain)
{
    for (guint i = 0; i < eval->names->len; i++)
        if (spf_name_is_within (g_ptr_array_index (eval->names, i), domain))
            return true;
    return false;
}

/* The domain itself, else one below it, else any. */
const char *
spf_eval_name_for (const SpfEval *eval, const char *domain)
{
    const char *best = "unknown";

    if (eval->names == NULL || eval->names->len == 0)
        return best;
    best = g_ptr_array_index (eval->names, 0);
    for (guint i = 0; i < eval->names->len; i++) {
        const char *name = g_ptr_array_index (eval->names, i);

        if (!spf_name_is_within (name, domain))
            continue;
        if (spf_name_is_within (domain, name))
            return name;
        if (!spf_name_is_within (best, domain))
            best = name;
    }
    return best;
}
