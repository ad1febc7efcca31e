/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Attributes of XCLIENT (core/smtp/xclient.c). Properties: a refusal is 501; what is accepted holds
 * names that HELO and AUTH would take, says the same when it is printed and parsed again, and has an
 * address of one of the two families.
 *
 * Parsers: core/smtp/xclient.c.
 */
#include "config.h"

#include "conf/net-private.h"
#include "fuzz.h"
#include "smtp/users-private.h"
#include "smtp/xclient-private.h"

static const char *const words[] = {"ADDR=",        "192.0.2.1",     "IPV6:2001:db8::1",
                                    " PORT=",       " HELO=",        " LOGIN=",
                                    " NAME=",       " PROTO=ESMTP",  " DESTADDR=",
                                    " DESTPORT=25", "[UNAVAILABLE]", "+5BTEMPUNAVAIL+5D",
                                    "+2E",          "+00",           NULL};
const FuzzTarget fuzz_target = {50000, words};

static char *
print (const RelaisXclient *xclient)
{
    GString *text = g_string_new (NULL);

    if (xclient->has_address) {
        g_autofree char *address =
            relais_address_to_text ((const struct sockaddr *)&xclient->address);

        g_assert_true (xclient->address.ss_family == AF_INET ||
                       xclient->address.ss_family == AF_INET6);
        g_string_append_printf (text, " ADDR=%s", address);
    }
    if (xclient->address_unavailable)
        g_string_append (text, " ADDR=[UNAVAILABLE]");
    if (xclient->port != 0)
        g_string_append_printf (text, " PORT=%u", xclient->port);
    if (xclient->helo != NULL)
        g_string_append_printf (text, " HELO=%s", xclient->helo);
    if (xclient->login != NULL) {
        g_autofree char *login = relais_command_to_xtext (xclient->login);

        g_assert_true (relais_user_name_is_good (xclient->login));
        g_string_append_printf (text, " LOGIN=%s", login);
    }
    if (text->len == 0)
        g_string_append (text, " PROTO=SMTP");
    return g_string_free (text, FALSE);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    guint8 *exact = fuzz_exact (bytes, size);
    RelaisXclient first = {0}, second = {0};
    const RelaisServerReply *refusal = relais_xclient_parse ((const char *)exact, size, &first);

    free (exact);
    if (refusal == NULL) {
        g_autofree char *printed = print (&first);
        g_autofree char *again = NULL;

        g_assert_false (first.has_address && first.address_unavailable);
        g_assert_null (relais_xclient_parse (printed + 1, strlen (printed + 1), &second));
        again = print (&second);
        g_assert_cmpstr (printed, ==, again);
    } else
        g_assert_cmpuint (refusal->code, ==, 501);
    relais_xclient_clear (&first);
    relais_xclient_clear (&second);
    return 0;
}
