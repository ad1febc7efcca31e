/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Macros of each step, as far as a hook can tell them: by which MTA, over which listener, from where, for
 * whom. Loop.
 */
#include "milter.h"

#include <relais/message.h>

static void
put (GByteArray *out, const char *name, const char *value)
{
    if (value != NULL) {
        milter_packet_put_string (out, name);
        milter_packet_put_string (out, value);
    }
}

static void
put_client (GByteArray *out, RelaisHook *hook, const MilterReverse *reverse,
            const MilterConfig *config)
{
    const char *client = relais_hook_get_client (hook);
    const char *name = milter_reverse_get_name (reverse), *ptr = milter_reverse_get_ptr (reverse);
    g_autofree char *literal = client != NULL ? g_strdup_printf ("[%s]", client) : NULL;
    g_autofree char *port = g_strdup_printf ("%u", relais_hook_get_client_port (hook));

    put (out, "j", config->hostname);
    put (out, "{daemon_name}", relais_hook_get_listener (hook));
    put (out, "{client_addr}", client);
    put (out, "{client_name}", name != NULL ? name : literal);
    put (out, "{client_port}", port);
    if (milter_reverse_get_resolve (reverse) == NULL)
        return;
    put (out, "{client_ptr}", ptr != NULL ? ptr : literal);
    put (out, "{client_resolve}", milter_reverse_get_resolve (reverse));
}

static void
put_id (GByteArray *out, RelaisHook *hook)
{
    RelaisMessage *message = relais_hook_get_message (hook);
    g_autofree char *id = message != NULL ? relais_message_dup_id (message) : NULL;

    put (out, "i", id);
}

void
milter_macros_put (GByteArray *out, char letter, RelaisHook *hook, const MilterSession *session,
                   const MilterConfig *config)
{
    const guint begin = milter_packet_begin (out, 'D');

    g_byte_array_append (out, (const guint8 *)&letter, 1);
    switch (letter) {
    case 'C': put_client (out, hook, session->reverse, config); break;
    case 'M':
        put (out, "{mail_addr}", relais_hook_get_sender (hook));
        put (out, "{auth_authen}", relais_hook_get_user (hook));
        break;
    case 'R': put (out, "{rcpt_addr}", relais_hook_get_recipient (hook, 0)); break;
    case 'T':
    case 'N':
    case 'E': put_id (out, hook); break;
    default: break;
    }
    if (out->len == begin + MILTER_LENGTH_BYTES + 2)
        g_byte_array_set_size (out, begin);
    else
        milter_packet_end (out, begin);
}
