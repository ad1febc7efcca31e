/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One address of ours as receivers look it up: three questions, one after the other. Loop thread.
 */
#include "config.h"

#include "dns/ptr-check-private.h"

#include "conf/net-private.h"
#include "dns/targets-private.h"

#include <glib/gi18n-lib.h>
#include <netinet/in.h>
#include <string.h>

struct RelaisPtrCheck {
    RelaisDns *dns;
    RelaisPtrCheckFunc func;
    gpointer data;
    RelaisDnsQuery *query;
    char *source, *helo;
    guint8 bytes[16];
    gsize n_bytes;
    bool is_public;
    char *address, *reverse;
    char *ptr; /* the name that the address has, once it is known; or NULL */
    bool leads_back;
};

/* The name whose PTR records tell of an address of 4 or 16 octets (RFC 1035 section 3.5, RFC 3596 section 2.5): owned. */
static char *
reverse_name (const guint8 *bytes, gsize n)
{
    GString *name = g_string_new (NULL);

    for (gsize i = n; i > 0; i--)
        if (n == 4)
            g_string_append_printf (name, "%u.", bytes[i - 1]);
        else
            g_string_append_printf (name, "%x.%x.", bytes[i - 1] & 15, bytes[i - 1] >> 4);
    g_string_append (name, n == 4 ? "in-addr.arpa" : "ip6.arpa");
    return g_string_free (name, FALSE);
}

static RelaisDnsType
address_type (const RelaisPtrCheck *check)
{
    return check->n_bytes == 4 ? RELAIS_DNS_A : RELAIS_DNS_AAAA;
}

void
relais_ptr_check_free (RelaisPtrCheck *check)
{
    if (check == NULL)
        return;
    relais_dns_cancel (check->query);
    g_free (check->source);
    g_free (check->helo);
    g_free (check->address);
    g_free (check->reverse);
    g_free (check->ptr);
    g_free (check);
}

/* --- What answers say ------------------------------------------------------------------------- */

static bool
is_unknown (const RelaisDnsAnswer *answer)
{
    return answer->outcome == RELAIS_DNS_TEMPORARY || answer->outcome == RELAIS_DNS_BOGUS;
}

static bool
has_address (const RelaisPtrCheck *check, const RelaisDnsAnswer *answer)
{
    if (answer->outcome != RELAIS_DNS_DATA)
        return false;
    for (guint i = 0; i < answer->records->len; i++) {
        const RelaisDnsRecord *record = &g_array_index (answer->records, RelaisDnsRecord, i);

        if (record->size == check->n_bytes &&
            memcmp (record->bytes, check->bytes, check->n_bytes) == 0)
            return true;
    }
    return false;
}

/* Of several names the one that EHLO gives, else the first. */
static const char *
choose_name (const RelaisPtrCheck *check, const RelaisDnsAnswer *answer)
{
    const char *chosen = NULL;

    for (guint i = 0; i < answer->records->len; i++) {
        const char *name = g_array_index (answer->records, RelaisDnsRecord, i).name;

        if (chosen == NULL || g_ascii_strcasecmp (name, check->helo) == 0)
            chosen = name;
    }
    return chosen;
}

static void
tell (RelaisPtrCheck *check, const char *what, const char *state, const char *name,
      const char *reason, const char *publish)
{
    const RelaisDnsFinding finding = {check->source, what, state, name, reason, publish};

    check->func (check->data, &finding);
}

static void
finish (RelaisPtrCheck *check)
{
    const RelaisPtrCheckFunc func = check->func;
    gpointer data = check->data;

    relais_ptr_check_free (check);
    func (data, NULL);
}

/* --- EHLO's name ------------------------------------------------------------------------------ */

static void
tell_good_helo (RelaisPtrCheck *check)
{
    g_autofree char *reason = NULL;

    if (check->leads_back && g_ascii_strcasecmp (check->ptr, check->helo) != 0)
        reason = g_strdup_printf (_ ("the name of %s is %s: some providers want EHLO to give that"),
                                  check->address, check->ptr);
    tell (check, "helo", "good", check->helo, reason, NULL);
}

static void
tell_bad_helo (RelaisPtrCheck *check, const char *state)
{
    g_autofree char *reason = g_strdup_printf (_ ("it does not lead to %s"), check->address);
    g_autofree char *publish = g_strdup_printf (
        "%s %s", address_type (check) == RELAIS_DNS_A ? "A" : "AAAA", check->address);

    tell (check, "helo", state, check->helo, reason, publish);
}

static void
on_helo (gpointer data, const RelaisDnsAnswer *answer)
{
    RelaisPtrCheck *check = data;

    check->query = NULL;
    if (is_unknown (answer))
        tell (check, "helo", "unknown", check->helo, answer->reason, NULL);
    else if (has_address (check, answer))
        tell_good_helo (check);
    else if (!check->is_public)
        tell (check, "helo", "unknown", check->helo,
              _ ("the source's address is private: receivers see another"), NULL);
    else
        tell_bad_helo (check, answer->outcome == RELAIS_DNS_DATA ? "different" : "missing");
    finish (check);
}

static void
look_at_helo (RelaisPtrCheck *check)
{
    if (strchr (check->helo, '.') == NULL) {
        tell (check, "helo", "unusable", check->helo,
              _ ("EHLO wants a full name: set helo in [source], or [relais] hostname"), NULL);
        finish (check);
        return;
    }
    check->query = relais_dns_query (check->dns, check->helo, address_type (check), on_helo, check);
}

/* --- The address's name ----------------------------------------------------------------------- */

static void
tell_without_name (RelaisPtrCheck *check, const RelaisDnsAnswer *answer)
{
    g_autofree char *publish = g_strdup_printf ("PTR %s.", check->helo);

    if (is_unknown (answer))
        tell (check, "ptr", "unknown", check->reverse, answer->reason, NULL);
    else if (!check->is_public)
        tell (check, "ptr", "unknown", check->reverse,
              _ ("the source's address is private: receivers see another"), NULL);
    else
        tell (check, "ptr", "missing", check->reverse,
              _ ("the address has no name: Gmail and others refuse mail from it; ask whoever gave "
                 "you the address"),
              publish);
}

static void
on_forward (gpointer data, const RelaisDnsAnswer *answer)
{
    RelaisPtrCheck *check = data;
    g_autofree char *reason = NULL;

    check->query = NULL;
    check->leads_back = has_address (check, answer);
    if (is_unknown (answer)) {
        tell (check, "ptr", "unknown", check->ptr, answer->reason, NULL);
    } else if (check->leads_back) {
        tell (check, "ptr", "good", check->reverse, NULL, NULL);
    } else {
        reason = g_strdup_printf (_ ("its name %s does not lead back to %s"), check->ptr,
                                  check->address);
        tell (check, "ptr", "different", check->reverse, reason, NULL);
    }
    look_at_helo (check);
}

static void
on_ptr (gpointer data, const RelaisDnsAnswer *answer)
{
    RelaisPtrCheck *check = data;
    const char *name = answer->outcome == RELAIS_DNS_DATA ? choose_name (check, answer) : NULL;

    check->query = NULL;
    if (name == NULL || *name == '\0') {
        tell_without_name (check, answer);
        look_at_helo (check);
        return;
    }
    check->ptr = g_strdup (name);
    check->query =
        relais_dns_query (check->dns, check->ptr, address_type (check), on_forward, check);
}

RelaisPtrCheck *
relais_ptr_check_new (RelaisDns *dns, const char *source, const char *helo,
                      const struct sockaddr *address, RelaisPtrCheckFunc func, gpointer data)
{
    RelaisPtrCheck *check = g_new0 (RelaisPtrCheck, 1);

    check->dns = dns;
    check->func = func;
    check->data = data;
    check->source = g_strdup (source);
    check->helo = g_strdup (helo);
    check->is_public = relais_address_is_public (address);
    check->address = relais_address_to_text (address);
    if (address->sa_family == AF_INET) {
        check->n_bytes = 4;
        memcpy (check->bytes, &((const struct sockaddr_in *)address)->sin_addr, 4);
    } else {
        check->n_bytes = 16;
        memcpy (check->bytes, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
    }
    check->reverse = reverse_name (check->bytes, check->n_bytes);
    check->query = relais_dns_query (dns, check->reverse, RELAIS_DNS_PTR, on_ptr, check);
    return check;
}
