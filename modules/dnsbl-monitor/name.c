/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What may be looked for and under which name (RFC 5782 section 2): addresses turned round, names as they are; and
 * the resolvers that anybody may use, which many lists do not answer. Pure; any thread.
 */
#include "zone.h"

#include <arpa/inet.h>
#include <string.h>

enum { NAME_MOST = 253, LABEL_MOST = 63, KEY_MOST = 63 };

/* --- Subjects --------------------------------------------------------------------------------- */

static bool
parse_address (const char *text, DnsblSubject *subject)
{
    char told[INET6_ADDRSTRLEN];

    if (inet_pton (AF_INET, text, subject->bytes) == 1) {
        subject->kind = DNSBL_KIND_ADDRESS4;
        inet_ntop (AF_INET, subject->bytes, told, sizeof told);
    } else if (inet_pton (AF_INET6, text, subject->bytes) == 1) {
        subject->kind = DNSBL_KIND_ADDRESS6;
        inet_ntop (AF_INET6, subject->bytes, told, sizeof told);
    } else {
        return false;
    }
    subject->text = g_strdup (told);
    return true;
}

static bool
is_label (const char *label)
{
    const gsize size = strlen (label);

    for (gsize i = 0; i < size; i++)
        if (!g_ascii_isalnum (label[i]) && label[i] != '-' && label[i] != '_')
            return false;
    return size > 0 && size <= LABEL_MOST;
}

bool
dnsbl_name_is_suffix (const char *text)
{
    g_auto (GStrv) labels = g_strsplit (text, ".", -1);

    for (guint i = 0; labels[i] != NULL; i++)
        if (!is_label (labels[i]))
            return false;
    return labels[0] != NULL && strlen (text) <= NAME_MOST;
}

static bool
parse_domain (const char *text, DnsblSubject *subject)
{
    const char *bare = g_str_has_prefix (text, "*.") ? text + 2 : text;
    g_autofree char *ascii = g_hostname_to_ascii (bare);
    g_autofree char *lower = ascii != NULL ? g_ascii_strdown (ascii, -1) : NULL;

    if (lower != NULL && g_str_has_suffix (lower, "."))
        lower[strlen (lower) - 1] = '\0';
    if (lower == NULL || !dnsbl_name_is_suffix (lower))
        return false;
    subject->kind = DNSBL_KIND_DOMAIN;
    subject->text = g_steal_pointer (&lower);
    return true;
}

bool
dnsbl_subject_parse (const char *text, DnsblSubject *subject)
{
    *subject = (DnsblSubject){0};
    return parse_address (text, subject) || parse_domain (text, subject);
}

void
dnsbl_subject_clear (DnsblSubject *subject)
{
    g_clear_pointer (&subject->text, g_free);
}

/* --- Addresses of nobody ---------------------------------------------------------------------- */

typedef struct {
    guint8 bytes[16];
    guint prefix;
} Net;

static const Net nets4[] = {
    {{0}, 8},         {{10}, 8},       {{100, 64}, 10},  {{127}, 8},
    {{169, 254}, 16}, {{172, 16}, 12}, {{192, 168}, 16}, {{224}, 3},
};
static const Net nets6[] = {
    {{0}, 80},   /* unspecified, loopback, and the mapped ones, which are no address to send from */
    {{0xfc}, 7}, /* unique local */
    {{0xfe, 0x80}, 10}, /* link-local */
    {{0xff}, 8},        /* multicast */
};

static bool
is_in (const guint8 *bytes, const Net *net)
{
    const guint whole = net->prefix / 8, rest = net->prefix % 8;

    return memcmp (bytes, net->bytes, whole) == 0 &&
           (rest == 0 || (bytes[whole] ^ net->bytes[whole]) >> (8 - rest) == 0);
}

bool
dnsbl_subject_is_private (const DnsblSubject *subject)
{
    const bool four = subject->kind == DNSBL_KIND_ADDRESS4;
    const Net *nets = four ? nets4 : nets6;
    const guint n = four ? G_N_ELEMENTS (nets4) : G_N_ELEMENTS (nets6);

    if (subject->kind == DNSBL_KIND_DOMAIN)
        return strchr (subject->text, '.') == NULL;
    for (guint i = 0; i < n; i++)
        if (is_in (subject->bytes, &nets[i]))
            return true;
    return false;
}

/* --- Names ------------------------------------------------------------------------------------ */

char *
dnsbl_name_build (const DnsblSubject *subject, const char *suffix)
{
    g_autoptr (GString) name = g_string_new (NULL);

    if (subject->kind == DNSBL_KIND_DOMAIN)
        g_string_append_printf (name, "%s.", subject->text);
    else if (subject->kind == DNSBL_KIND_ADDRESS4)
        for (guint i = 4; i-- > 0;)
            g_string_append_printf (name, "%u.", subject->bytes[i]);
    else
        for (guint i = 16; i-- > 0;)
            g_string_append_printf (name, "%x.%x.", subject->bytes[i] & 15, subject->bytes[i] >> 4);
    g_string_append (name, suffix);
    return name->len <= NAME_MOST ? g_string_free (g_steal_pointer (&name), FALSE) : NULL;
}

char *
dnsbl_name_expand (const char *text, const char *word, const char *value)
{
    g_autofree char *mark = g_strdup_printf ("%%{%s}", word);
    g_auto (GStrv) pieces = g_strsplit (text, mark, -1);

    return g_strjoinv (value, pieces);
}

/* --- Resolvers -------------------------------------------------------------------------------- */

/* As their operators publish them; November 2026. */
static const struct {
    const char *address, *who;
} resolvers[] = {
    {"8.8.8.8", "Google"},
    {"8.8.4.4", "Google"},
    {"2001:4860:4860::8888", "Google"},
    {"2001:4860:4860::8844", "Google"},
    {"1.1.1.1", "Cloudflare"},
    {"1.0.0.1", "Cloudflare"},
    {"1.1.1.2", "Cloudflare"},
    {"1.0.0.2", "Cloudflare"},
    {"1.1.1.3", "Cloudflare"},
    {"1.0.0.3", "Cloudflare"},
    {"2606:4700:4700::1111", "Cloudflare"},
    {"2606:4700:4700::1001", "Cloudflare"},
    {"2606:4700:4700::1112", "Cloudflare"},
    {"2606:4700:4700::1002", "Cloudflare"},
    {"2606:4700:4700::1113", "Cloudflare"},
    {"2606:4700:4700::1003", "Cloudflare"},
    {"9.9.9.9", "Quad9"},
    {"149.112.112.112", "Quad9"},
    {"9.9.9.10", "Quad9"},
    {"149.112.112.10", "Quad9"},
    {"9.9.9.11", "Quad9"},
    {"149.112.112.11", "Quad9"},
    {"2620:fe::fe", "Quad9"},
    {"2620:fe::9", "Quad9"},
    {"2620:fe::10", "Quad9"},
    {"2620:fe::fe:10", "Quad9"},
    {"2620:fe::11", "Quad9"},
    {"2620:fe::fe:11", "Quad9"},
    {"208.67.222.222", "OpenDNS"},
    {"208.67.220.220", "OpenDNS"},
    {"208.67.222.123", "OpenDNS"},
    {"208.67.220.123", "OpenDNS"},
    {"2620:119:35::35", "OpenDNS"},
    {"2620:119:53::53", "OpenDNS"},
    {"94.140.14.14", "AdGuard"},
    {"94.140.15.15", "AdGuard"},
    {"2a10:50c0::ad1:ff", "AdGuard"},
    {"2a10:50c0::ad2:ff", "AdGuard"},
    {"4.2.2.1", "Level3"},
    {"4.2.2.2", "Level3"},
    {"4.2.2.3", "Level3"},
    {"4.2.2.4", "Level3"},
    {"4.2.2.5", "Level3"},
    {"4.2.2.6", "Level3"},
    {"64.6.64.6", "Verisign"},
    {"64.6.65.6", "Verisign"},
    {"185.228.168.9", "CleanBrowsing"},
    {"185.228.169.9", "CleanBrowsing"},
    {"76.76.2.0", "Control D"},
    {"76.76.10.0", "Control D"},
    {"77.88.8.8", "Yandex"},
    {"77.88.8.1", "Yandex"},
};

const char *
dnsbl_name_public_resolver (const char *server)
{
    g_auto (GStrv) parts = g_strsplit (server, "@", 2);
    DnsblSubject subject = {0};
    const char *who = NULL;

    if (parts[0] != NULL && parse_address (parts[0], &subject))
        for (guint i = 0; i < G_N_ELEMENTS (resolvers) && who == NULL; i++)
            if (g_str_equal (subject.text, resolvers[i].address))
                who = resolvers[i].who;
    dnsbl_subject_clear (&subject);
    return who;
}
