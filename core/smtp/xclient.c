/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The attributes of XCLIENT. Each value is xtext of printable ASCII, once; what is not known is
 * refused, since it might be what rights depend on. Pure; any thread.
 */
#include "config.h"

#include "smtp/xclient-private.h"

#include "conf/net-private.h"
#include "smtp/users-private.h"

#include <netinet/in.h>
#include <string.h>

enum { VALUE_BYTES = 255 };

static const RelaisServerReply bad_attribute = {501, "5.5.4", "bad attribute"};
static const RelaisServerReply attribute_needed = {501, "5.5.4", "an attribute is needed"};

/* Takes a decoded value; false if it is none for this attribute. */
typedef bool (*Take) (const char *value, RelaisXclient *xclient);

static bool
parse_port (const char *text, guint16 *port)
{
    guint64 value;

    if (!g_ascii_string_to_unsigned (text, 10, 1, G_MAXUINT16, &value, NULL))
        return false;
    *port = (guint16)value;
    return true;
}

static bool
parse_address (const char *text, struct sockaddr_storage *address)
{
    static const char tag[] = "IPV6:";
    const gsize tag_size = sizeof tag - 1;
    const bool six = g_ascii_strncasecmp (text, tag, tag_size) == 0;
    socklen_t size;

    return relais_address_from_text (six ? text + tag_size : text, 0, address, &size) &&
           (!six || address->ss_family == AF_INET6);
}

static bool
take_address (const char *value, RelaisXclient *xclient)
{
    xclient->has_address = parse_address (value, &xclient->address);
    return xclient->has_address;
}

static bool
take_port (const char *value, RelaisXclient *xclient)
{
    return parse_port (value, &xclient->port);
}

static bool
take_helo (const char *value, RelaisXclient *xclient)
{
    if (!relais_command_is_helo_name (value, strlen (value)))
        return false;
    xclient->helo = g_strdup (value);
    return true;
}

static bool
take_login (const char *value, RelaisXclient *xclient)
{
    if (!relais_user_name_is_good (value))
        return false;
    xclient->login = g_strdup (value);
    return true;
}

static bool
take_name (const char *value, RelaisXclient *xclient)
{
    return relais_command_is_helo_name (value, strlen (value));
}

static bool
take_protocol (const char *value, RelaisXclient *xclient)
{
    return g_ascii_strcasecmp (value, "SMTP") == 0 || g_ascii_strcasecmp (value, "ESMTP") == 0;
}

static bool
take_our_address (const char *value, RelaisXclient *xclient)
{
    struct sockaddr_storage address;

    return parse_address (value, &address);
}

static bool
take_our_port (const char *value, RelaisXclient *xclient)
{
    guint16 port;

    return parse_port (value, &port);
}

enum { ATTRIBUTE_ADDR };
static const struct {
    const char *name;
    Take take;
} attributes[] = {
    [ATTRIBUTE_ADDR] = {"ADDR", take_address},
    {"PORT", take_port},
    {"NAME", take_name},
    {"HELO", take_helo},
    {"LOGIN", take_login},
    {"PROTO", take_protocol},
    {"DESTADDR", take_our_address},
    {"DESTPORT", take_our_port},
};

const char *
relais_xclient_attributes (void)
{
    return "NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT";
}

void
relais_xclient_clear (RelaisXclient *xclient)
{
    g_free (xclient->helo);
    g_free (xclient->login);
    *xclient = (RelaisXclient){0};
}

/* Of text that relais_command_is_xtext () took. */
static char *
decode (const char *text, gsize size)
{
    GString *value = g_string_new (NULL);

    for (gsize i = 0; i < size; i++) {
        if (text[i] != '+') {
            g_string_append_c (value, text[i]);
            continue;
        }
        g_string_append_c (value, (char)(g_ascii_xdigit_value (text[i + 1]) * 16 +
                                         g_ascii_xdigit_value (text[i + 2])));
        i += 2;
    }
    return g_string_free (value, FALSE);
}

static bool
is_unavailable (const char *value)
{
    return g_ascii_strcasecmp (value, "[UNAVAILABLE]") == 0 ||
           g_ascii_strcasecmp (value, "[TEMPUNAVAIL]") == 0;
}

static bool
take_value (guint i, const char *text, gsize size, RelaisXclient *xclient)
{
    g_autofree char *value = NULL;

    if ((xclient->seen & 1u << i) != 0 || size == 0 || size > VALUE_BYTES ||
        !relais_command_is_xtext (text, size))
        return false;
    xclient->seen |= 1u << i;
    value = decode (text, size);
    if (!is_unavailable (value))
        return attributes[i].take (value, xclient);
    if (i == ATTRIBUTE_ADDR)
        xclient->address_unavailable = true;
    return true;
}

static bool
take_attribute (const char *text, gsize size, RelaisXclient *xclient)
{
    const char *equals = memchr (text, '=', size);
    const gsize name_size = equals != NULL ? (gsize)(equals - text) : 0;

    for (guint i = 0; i < G_N_ELEMENTS (attributes); i++)
        if (name_size == strlen (attributes[i].name) &&
            g_ascii_strncasecmp (text, attributes[i].name, name_size) == 0)
            return take_value (i, equals + 1, size - name_size - 1, xclient);
    return false;
}

static void
add_port (RelaisXclient *xclient)
{
    if (xclient->address.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&xclient->address)->sin6_port = g_htons (xclient->port);
    else
        ((struct sockaddr_in *)&xclient->address)->sin_port = g_htons (xclient->port);
}

const RelaisServerReply *
relais_xclient_parse (const char *args, gsize size, RelaisXclient *xclient)
{
    const char *end = args + size;

    if (size == 0)
        return &attribute_needed;
    while (args < end) {
        const char *blank = memchr (args, ' ', (gsize)(end - args));
        const char *word_end = blank != NULL ? blank : end;

        if (!take_attribute (args, (gsize)(word_end - args), xclient))
            return &bad_attribute;
        for (args = word_end; args < end && *args == ' '; args++)
            continue;
    }
    if (xclient->has_address)
        add_port (xclient);
    return NULL;
}
