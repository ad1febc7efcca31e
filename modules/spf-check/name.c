/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Addresses and domain names as SPF looks at them. Pure; any thread.
 */
#include "spf.h"

#include <arpa/inet.h>
#include <string.h>

static const guint8 mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* --- Addresses -------------------------------------------------------------------------------- */

bool
spf_ip_parse (const char *text, SpfIp *ip)
{
    *ip = (SpfIp){{0}, false};
    if (inet_pton (AF_INET, text, ip->bytes) == 1)
        return true;
    ip->six = true;
    if (inet_pton (AF_INET6, text, ip->bytes) != 1)
        return false;
    if (memcmp (ip->bytes, mapped, sizeof mapped) == 0) {
        guint8 four[4];

        memcpy (four, ip->bytes + sizeof mapped, sizeof four);
        *ip = (SpfIp){{0}, false};
        memcpy (ip->bytes, four, sizeof four);
    }
    return true;
}

char *
spf_ip_to_text (const SpfIp *ip)
{
    char text[INET6_ADDRSTRLEN] = "";

    inet_ntop (ip->six ? AF_INET6 : AF_INET, ip->bytes, text, sizeof text);
    return g_strdup (text);
}

bool
spf_ip_is_in (const SpfIp *ip, const guint8 *net, guint prefix)
{
    const guint bits = ip->six ? 128 : 32, whole = MIN (prefix, bits) / 8, rest = prefix % 8;

    if (memcmp (ip->bytes, net, whole) != 0)
        return false;
    return prefix >= bits || rest == 0 || ((ip->bytes[whole] ^ net[whole]) >> (8 - rest)) == 0;
}

bool
spf_ip_is_private (const SpfIp *ip)
{
    static const struct {
        guint8 net[16];
        guint prefix;
        bool six;
    } nets[] = {{{10}, 8, false}, /* RFC 1918, as the next two */
                {{172, 16}, 12, false},  {{192, 168}, 16, false},
                {{100, 64}, 10, false},    /* shared by customers of a provider: RFC 6598 */
                {{127}, 8, false},         /* loopback */
                {{169, 254}, 16, false},   /* link-local */
                {{[15] = 1}, 128, true},   /* loopback */
                {{0xfc}, 7, true},         /* unique local: RFC 4193 */
                {{0xfe, 0x80}, 10, true}}; /* link-local */

    for (guint i = 0; i < G_N_ELEMENTS (nets); i++)
        if (nets[i].six == ip->six && spf_ip_is_in (ip, nets[i].net, nets[i].prefix))
            return true;
    return false;
}

char *
spf_ip_to_dots (const SpfIp *ip)
{
    static const char digits[] = "0123456789ABCDEF";
    GString *text;

    if (!ip->six)
        return spf_ip_to_text (ip);
    text = g_string_sized_new (64);
    for (guint i = 0; i < 16; i++) {
        if (i > 0)
            g_string_append_c (text, '.');
        g_string_append_c (text, digits[ip->bytes[i] >> 4]);
        g_string_append_c (text, '.');
        g_string_append_c (text, digits[ip->bytes[i] & 15]);
    }
    return g_string_free (text, FALSE);
}

char *
spf_ip_to_arpa (const SpfIp *ip)
{
    g_autofree char *dots = spf_ip_to_dots (ip);
    g_auto (GStrv) parts = g_strsplit (dots, ".", -1);
    GString *name = g_string_sized_new (80);

    for (guint n = g_strv_length (parts); n > 0; n--)
        g_string_append_printf (name, "%s.", parts[n - 1]);
    g_string_append (name, ip->six ? "ip6.arpa" : "in-addr.arpa");
    return g_string_free (name, FALSE);
}

/* --- Names ------------------------------------------------------------------------------------ */

bool
spf_is_toplabel (const char *text, gsize size)
{
    bool digits = true;

    if (size == 0 || text[0] == '-' || text[size - 1] == '-')
        return false;
    for (gsize i = 0; i < size; i++) {
        if (!g_ascii_isalnum (text[i]) && text[i] != '-')
            return false;
        digits = digits && g_ascii_isdigit (text[i]);
    }
    return !digits;
}

/* Without the dot at the end. */
static gsize
name_size (const char *name)
{
    const gsize size = strlen (name);

    return size > 0 && name[size - 1] == '.' ? size - 1 : size;
}

bool
spf_name_is_good (const char *name)
{
    const gsize size = name_size (name);
    gsize label = 0;

    if (size == 0 || size > SPF_NAME_BYTES)
        return false;
    for (gsize i = 0; i <= size; i++) {
        if (i < size && name[i] != '.') {
            label++;
            continue;
        }
        if (label == 0 || label > SPF_LABEL_BYTES)
            return false;
        label = 0;
    }
    return true;
}

bool
spf_name_is_domain (const char *name)
{
    const gsize size = name_size (name);
    const char *dot = g_strrstr_len (name, (gssize)size, ".");

    return spf_name_is_good (name) && dot != NULL &&
           spf_is_toplabel (dot + 1, (gsize)(name + size - dot - 1));
}

bool
spf_name_is_within (const char *name, const char *domain)
{
    const gsize size = name_size (name), domain_size = name_size (domain);

    if (domain_size == 0 || size < domain_size ||
        g_ascii_strncasecmp (name + size - domain_size, domain, domain_size) != 0)
        return false;
    return size == domain_size || name[size - domain_size - 1] == '.';
}

void
spf_name_fit (GString *name)
{
    if (name->len > 0 && name->str[name->len - 1] == '.')
        g_string_truncate (name, name->len - 1);
    while (name->len > SPF_NAME_BYTES) {
        const char *dot = memchr (name->str, '.', name->len);

        if (dot == NULL)
            return;
        g_string_erase (name, 0, dot + 1 - name->str);
    }
}

char *
spf_name_to_text (const char *name)
{
    GString *text = g_string_new (NULL);

    for (; *name != '\0'; name++) {
        if (g_ascii_isgraph (*name) && *name != '\\')
            g_string_append_c (text, *name);
        else
            g_string_append_printf (text, "\\%03u", (guint8)*name);
    }
    return g_string_free (text, FALSE);
}
