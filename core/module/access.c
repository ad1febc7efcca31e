/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a hook function may ask of its call and set on it: session, envelope, reply, claims,
 * attributes. Reads from the subject that the caller of the chain filled in. Loop, or worker for the
 * hooks that run there.
 */
#include "config.h"

#include "module/module-private.h"

#include "message/address-private.h"

#include <string.h>

enum { REPLY_TEXT_BYTES = 400 };

/* --- The call --------------------------------------------------------------------------------- */

RelaisHookId
relais_hook_get_id (const RelaisHook *hook)
{
    return hook->id;
}

RelaisModule *
relais_hook_get_module (const RelaisHook *hook)
{
    return hook->function->module;
}

gpointer
relais_hook_get_config (const RelaisHook *hook)
{
    const RelaisPin *pin = hook->subject->pin;
    const RelaisModule *module = hook->function->module;

    if (pin == NULL)
        pin = hook->host->pin;
    return pin != NULL ? relais_pin_get_config (pin, module) : NULL;
}

const gchar *
relais_hook_get_client (const RelaisHook *hook)
{
    return hook->subject->client;
}

guint32
relais_hook_get_client_port (const RelaisHook *hook)
{
    return hook->subject->client_port;
}

const gchar *
relais_hook_get_helo (const RelaisHook *hook)
{
    return hook->subject->helo;
}

const gchar *
relais_hook_get_user (const RelaisHook *hook)
{
    return hook->subject->user;
}

const gchar *
relais_hook_get_tenant (const RelaisHook *hook)
{
    const RelaisSubject *subject = hook->subject;

    return subject->message != NULL ? subject->message->envelope.tenant : subject->tenant;
}

const gchar *
relais_hook_get_listener (const RelaisHook *hook)
{
    return hook->subject->listener;
}

gboolean
relais_hook_get_tls (const RelaisHook *hook)
{
    return hook->subject->tls;
}

gboolean
relais_hook_get_trusted (const RelaisHook *hook)
{
    return hook->subject->trusted;
}

static const RelaisEnvelope *
envelope_of (const RelaisHook *hook)
{
    const RelaisSubject *subject = hook->subject;

    return subject->message != NULL ? &subject->message->envelope : subject->envelope;
}

const gchar *
relais_hook_get_sender (const RelaisHook *hook)
{
    const RelaisSubject *subject = hook->subject;
    const RelaisEnvelope *envelope = envelope_of (hook);

    if (subject->new_sender != NULL && *subject->new_sender != NULL)
        return *subject->new_sender;
    return envelope != NULL ? envelope->sender : NULL;
}

guint32
relais_hook_n_recipients (const RelaisHook *hook)
{
    const RelaisSubject *subject = hook->subject;
    const RelaisEnvelope *envelope = envelope_of (hook);

    if (subject->recipient != NULL)
        return 1;
    if (subject->recipients != NULL)
        return subject->n_recipients;
    return envelope != NULL && envelope->recipients != NULL ? envelope->recipients->len : 0;
}

static const RelaisRecipient *
nth_recipient (const RelaisHook *hook, guint32 n)
{
    const RelaisSubject *subject = hook->subject;

    if (n >= relais_hook_n_recipients (hook))
        return NULL;
    if (subject->recipient != NULL)
        return subject->recipient;
    if (subject->recipients != NULL)
        return subject->recipients[n];
    return relais_envelope_recipient (envelope_of (hook), n);
}

const gchar *
relais_hook_get_recipient (const RelaisHook *hook, guint32 n)
{
    const RelaisRecipient *recipient = nth_recipient (hook, n);

    return recipient != NULL ? recipient->address : NULL;
}

guint32
relais_hook_get_recipient_number (const RelaisHook *hook, guint32 n)
{
    const RelaisRecipient *recipient = nth_recipient (hook, n);

    return recipient != NULL ? recipient->number : 0;
}

RelaisMessage *
relais_hook_get_message (const RelaisHook *hook)
{
    return hook->subject->message;
}

const gchar *
relais_hook_get_destination (const RelaisHook *hook)
{
    return hook->subject->destination;
}

guint32
relais_hook_get_reply_code (const RelaisHook *hook)
{
    return hook->subject->reply_code;
}

const gchar *
relais_hook_get_reply_text (const RelaisHook *hook)
{
    return hook->subject->reply_text;
}

GBytes *
relais_hook_get_event (const RelaisHook *hook, guint64 *seq)
{
    if (seq != NULL)
        *seq = hook->subject->event_seq;
    return hook->subject->event_line;
}

gint64
relais_hook_now_us (const RelaisHook *hook)
{
    return relais_loop_now_us (hook->host->loop);
}

/* --- Answers ---------------------------------------------------------------------------------- */

gboolean
relais_recipient_claim (RelaisHook *hook)
{
    RelaisRecipient *recipient = hook->subject->recipient;
    const char *at;

    if (hook->id != RELAIS_HOOK_RCPT || recipient == NULL || hook->host->config == NULL)
        return FALSE;
    at = strrchr (recipient->address, '@');
    if (at == NULL || relais_config_find_section (hook->host->config, "domain", at + 1) == NULL)
        return FALSE;
    recipient->claimed = true;
    return TRUE;
}

/* "5.7.1": class, subject and detail of one to three digits (RFC 3463 section 2). */
static bool
enhanced_is_good (const char *text, guint32 code)
{
    guint parts = 1, digits = 0;

    if (text[0] != (char)('0' + code / 100) || text[1] != '.')
        return false;
    for (const char *c = text + 2; *c != '\0'; c++) {
        if (g_ascii_isdigit (*c)) {
            if (++digits > 3)
                return false;
        } else if (*c == '.' && digits > 0) {
            parts++;
            digits = 0;
        } else {
            return false;
        }
    }
    return parts == 2 && digits > 0;
}

static bool
text_is_good (const char *text)
{
    gsize size = strlen (text);

    if (size == 0 || size > REPLY_TEXT_BYTES || !g_utf8_validate (text, (gssize)size, NULL))
        return false;
    for (gsize i = 0; i < size; i++)
        if (g_ascii_iscntrl (text[i]))
            return false;
    return true;
}

gboolean
relais_hook_set_reply (RelaisHook *hook, guint32 code, const gchar *enhanced, const gchar *text)
{
    RelaisHookResult *result = hook->result;

    if (code < 400 || code > 599 || text == NULL || !text_is_good (text))
        return FALSE;
    if (enhanced != NULL && !enhanced_is_good (enhanced, code))
        return FALSE;
    result->code = (guint16)code;
    g_strlcpy (result->enhanced, enhanced != NULL ? enhanced : "", sizeof result->enhanced);
    g_free (result->text);
    result->text = g_strdup (text);
    return TRUE;
}

gboolean
relais_hook_set_sender (RelaisHook *hook, const gchar *sender)
{
    g_autofree char *address = NULL;
    gsize used = 0;

    if (hook->id != RELAIS_HOOK_REWRITE || hook->subject->new_sender == NULL || sender == NULL)
        return FALSE;
    if (sender[0] == '\0')
        address = g_strdup ("");
    else if (relais_address_parse (sender, strlen (sender), true, &address, &used) !=
                 RELAIS_ADDRESS_OK ||
             sender[used] != '\0')
        return FALSE;
    g_free (*hook->subject->new_sender);
    *hook->subject->new_sender = g_steal_pointer (&address);
    return TRUE;
}

/* --- Attributes ------------------------------------------------------------------------------- */

gboolean
relais_hook_set_attribute (RelaisHook *hook, const gchar *name, GBytes *value)
{
    RelaisMessage *message = hook->subject->message;
    g_autofree char *full = NULL;

    if (hook->id != RELAIS_HOOK_MESSAGE || message == NULL || !relais_module_name_is_good (name))
        return FALSE;
    full = g_strdup_printf ("%s.%s", hook->function->module->descriptor.name, name);
    return relais_message_set_attribute (message, full, value);
}

gboolean
relais_hook_set_alone (RelaisHook *hook)
{
    RelaisMessage *message = hook->subject->message;
    g_autoptr (GBytes) nothing = g_bytes_new_static ("", 0);

    return hook->id == RELAIS_HOOK_MESSAGE && message != NULL &&
           relais_message_set_attribute (message, RELAIS_ATTRIBUTE_ALONE, nothing);
}

typedef struct {
    char *name;
    GBytes *value;
} AttemptAttribute;

static void
attempt_attribute_free (gpointer data)
{
    AttemptAttribute *attribute = data;

    g_free (attribute->name);
    g_bytes_unref (attribute->value);
    g_free (attribute);
}

GPtrArray *
relais_attempt_attributes_new (void)
{
    return g_ptr_array_new_with_free_func (attempt_attribute_free);
}

static bool
find_attempt_attribute (const GPtrArray *attributes, const char *name, guint *place)
{
    for (guint i = 0; attributes != NULL && i < attributes->len; i++)
        if (g_str_equal (((AttemptAttribute *)g_ptr_array_index (attributes, i))->name, name)) {
            *place = i;
            return true;
        }
    return false;
}

gboolean
relais_hook_set_attempt_attribute (RelaisHook *hook, const gchar *name, GBytes *value)
{
    GPtrArray *attributes = hook->subject->attempt_attributes;
    g_autofree char *full = NULL;
    AttemptAttribute *attribute;
    guint place;

    if (hook->id != RELAIS_HOOK_ROUTE || attributes == NULL || !relais_module_name_is_good (name) ||
        (value != NULL && g_bytes_get_size (value) > RELAIS_ATTRIBUTES_BYTES))
        return FALSE;
    full = g_strdup_printf ("%s.%s", hook->function->module->descriptor.name, name);
    if (find_attempt_attribute (attributes, full, &place))
        g_ptr_array_remove_index (attributes, place);
    if (value == NULL)
        return TRUE;
    attribute = g_new (AttemptAttribute, 1);
    *attribute = (AttemptAttribute){g_steal_pointer (&full), g_bytes_ref (value)};
    g_ptr_array_add (attributes, attribute);
    return TRUE;
}

GBytes *
relais_hook_get_attempt_attribute (const RelaisHook *hook, const gchar *name)
{
    const GPtrArray *attributes = hook->subject->attempt_attributes;
    guint place;

    if (!find_attempt_attribute (attributes, name, &place))
        return NULL;
    return ((AttemptAttribute *)g_ptr_array_index (attributes, place))->value;
}
