/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See reverse.h. Of several names the first counts, as it does for other MTAs.
 */
#include "reverse.h"

#include <relais/dns.h>
#include <relais/timer.h>

#include <gio/gio.h>
#include <string.h>

struct MilterReverse {
    RelaisModule *module;
    char *address;
    GInetAddress *parsed;
    void (*done) (gpointer data);
    gpointer data;
    RelaisLookup *lookup; /* NULL: none is under way */
    RelaisModuleTimer *timer;
    char *ptr;
    MilterResolve resolve;
    bool is_done;
};

/* --- Names -------------------------------------------------------------------------------------- */

char *
milter_reverse_query (const char *address)
{
    g_autoptr (GInetAddress) parsed = g_inet_address_new_from_string (address);
    g_autoptr (GString) name = g_string_new (NULL);
    const guint8 *bytes;
    gsize n;

    if (parsed == NULL)
        return NULL;
    bytes = g_inet_address_to_bytes (parsed);
    n = g_inet_address_get_native_size (parsed);
    for (gsize i = n; i > 0; i--) {
        if (n == 4)
            g_string_append_printf (name, "%u.", bytes[i - 1]);
        else
            g_string_append_printf (name, "%x.%x.", bytes[i - 1] & 15, bytes[i - 1] >> 4);
    }
    g_string_append (name, n == 4 ? "in-addr.arpa" : "ip6.arpa");
    return g_string_free (g_steal_pointer (&name), FALSE);
}

bool
milter_reverse_is_host (const char *name)
{
    const gsize size = strlen (name);

    return size > 0 && size <= MILTER_NAME_BYTES &&
           strspn (name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == size &&
           !g_hostname_is_ip_address (name);
}

/* --- Lookups ------------------------------------------------------------------------------------ */

static void
end (MilterReverse *reverse, MilterResolve resolve)
{
    relais_module_timer_stop (reverse->timer);
    reverse->resolve = resolve;
    reverse->is_done = true;
    reverse->done (reverse->data);
}

/* `absent` if there is no such record for sure. */
static void
end_without (MilterReverse *reverse, const RelaisDnsAnswer *answer, MilterResolve absent)
{
    const RelaisDnsOutcome outcome = relais_dns_answer_get_outcome (answer);

    end (reverse, outcome == RELAIS_DNS_TEMPORARY || outcome == RELAIS_DNS_BOGUS
                      ? MILTER_RESOLVE_TEMP
                      : absent);
}

static void
on_addresses (const RelaisDnsAnswer *answer, gpointer data)
{
    MilterReverse *reverse = data;
    const gsize size = g_inet_address_get_native_size (reverse->parsed);

    reverse->lookup = NULL;
    for (guint32 i = 0; i < relais_dns_answer_n_records (answer); i++) {
        guint64 n;
        const guint8 *bytes = relais_dns_answer_get_bytes (answer, i, &n);

        if (n == size && memcmp (bytes, g_inet_address_to_bytes (reverse->parsed), size) == 0) {
            end (reverse, MILTER_RESOLVE_OK);
            return;
        }
    }
    end_without (reverse, answer, MILTER_RESOLVE_FORGED);
}

static void
on_name (const RelaisDnsAnswer *answer, gpointer data)
{
    MilterReverse *reverse = data;
    const char *name =
        relais_dns_answer_n_records (answer) > 0 ? relais_dns_answer_get_name (answer, 0) : NULL;

    reverse->lookup = NULL;
    if (name == NULL || !milter_reverse_is_host (name)) {
        end_without (reverse, answer, MILTER_RESOLVE_FAIL);
        return;
    }
    reverse->ptr = g_strdup (name);
    reverse->lookup = relais_lookup (
        reverse->module, name,
        g_inet_address_get_family (reverse->parsed) == G_SOCKET_FAMILY_IPV4 ? RELAIS_DNS_A
                                                                            : RELAIS_DNS_AAAA,
        on_addresses, reverse);
}

static void
on_late (gpointer data)
{
    MilterReverse *reverse = data;

    relais_lookup_cancel (g_steal_pointer (&reverse->lookup));
    end (reverse, MILTER_RESOLVE_TEMP);
}

/* --- Life --------------------------------------------------------------------------------------- */

MilterReverse *
milter_reverse_new (RelaisModule *module, const char *address, void (*done) (gpointer data),
                    gpointer data)
{
    g_autofree char *query = address != NULL ? milter_reverse_query (address) : NULL;
    MilterReverse *reverse;

    if (query == NULL)
        return NULL;
    reverse = g_new (MilterReverse, 1);
    *reverse = (MilterReverse){.module = module,
                               .address = g_strdup (address),
                               .parsed = g_inet_address_new_from_string (address),
                               .done = done,
                               .data = data};
    reverse->timer = relais_module_timer_new (module, on_late, reverse);
    relais_module_timer_set (reverse->timer, MILTER_REVERSE_S * G_USEC_PER_SEC);
    reverse->lookup = relais_lookup (module, query, RELAIS_DNS_PTR, on_name, reverse);
    return reverse;
}

void
milter_reverse_free (MilterReverse *reverse)
{
    if (reverse == NULL)
        return;
    relais_lookup_cancel (reverse->lookup);
    relais_module_timer_free (reverse->timer);
    g_object_unref (reverse->parsed);
    g_free (reverse->address);
    g_free (reverse->ptr);
    g_free (reverse);
}

bool
milter_reverse_is_done (const MilterReverse *reverse)
{
    return reverse->is_done;
}

bool
milter_reverse_is_of (const MilterReverse *reverse, const char *address)
{
    return strcmp (reverse->address, address) == 0;
}

const char *
milter_reverse_get_ptr (const MilterReverse *reverse)
{
    return reverse != NULL ? reverse->ptr : NULL;
}

const char *
milter_reverse_get_name (const MilterReverse *reverse)
{
    return reverse != NULL && reverse->is_done && reverse->resolve == MILTER_RESOLVE_OK
               ? reverse->ptr
               : NULL;
}

const char *
milter_reverse_get_resolve (const MilterReverse *reverse)
{
    static const char *const names[] = {"OK", "FAIL", "FORGED", "TEMP"};

    return reverse != NULL && reverse->is_done ? names[reverse->resolve] : NULL;
}
