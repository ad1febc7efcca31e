/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * relaisctl's `inject`, which the sendmail program uses, too: a message from the control socket into the
 * queue. Who may open that socket may send, but only as a tenant's addresses. The pieces go straight
 * into a draft; what is submitted is checked as by SMTP, and answered once it is on disk. Ends with
 * RELAIS_EXIT_NO_DAEMON where the same message may be taken later. Loop thread.
 */
#include "config.h"

#include "queue/commands-private.h"
#include "queue/keep-private.h"

#include "message/address-private.h"
#include "message/header-private.h"
#include "message/local-text-private.h"
#include "smtp/command-private.h"
#include "smtp/server-settings-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

typedef struct {
    RelaisQueue *queue; /* counted */
    RelaisCommandCall *call;
    GList place; /* in the queue's, until the queue keeps it */
    const RelaisSection *limits;
    const char *tenant;
    RelaisMessage *message;
    RelaisDraft *draft;
    RelaisLocalText text;
    guint64 size_bytes;
    bool stalled; /* the spool is to catch up first */
} Inject;

static void
inject_free (Inject *inject)
{
    g_clear_pointer (&inject->draft, relais_draft_free);
    g_clear_pointer (&inject->message, relais_message_unref);
    relais_queue_unref (inject->queue);
    g_free (inject);
}

/* Ends the call without a message. Takes `text`. False. */
static bool
fail (Inject *inject, int status, char *text)
{
    g_queue_unlink (&inject->queue->injects, &inject->place);
    relais_command_fail (inject->call, status, text);
    g_free (text);
    inject_free (inject);
    return false;
}

static bool
refuse (Inject *inject, char *text)
{
    return fail (inject, RELAIS_EXIT_REFUSED, text);
}

void
relais_queue_end_injects (RelaisQueue *queue)
{
    while (queue->injects.length > 0)
        fail (queue->injects.head->data, RELAIS_EXIT_NO_DAEMON,
              g_strdup (_ ("the daemon is stopping")));
}

static guint64
limit (const Inject *inject, const char *key)
{
    return (guint64)relais_section_get_int (inject->limits, key);
}

/* --- What the command says -------------------------------------------------------------------- */

/* The one that is named, or the only one there is; NULL with the reason. */
static const char *
find_tenant (const RelaisConfig *config, const char *named, char **problem)
{
    const guint n = relais_config_n_sections (config, "tenant");

    if (named != NULL && relais_config_find_section (config, "tenant", named) == NULL)
        *problem = g_strdup_printf (_ ("there is no section [tenant %s]"), named);
    else if (named != NULL)
        return named;
    else if (n == 1)
        return relais_section_get_name (relais_config_nth_section (config, "tenant", 0));
    else if (n == 0)
        *problem = g_strdup (_ ("there is no section [tenant NAME], in whose name mail is sent"));
    else
        *problem = g_strdup (_ ("there are several tenants; name one with --tenant"));
    return NULL;
}

static bool
take_class (const RelaisCommandCall *call, RelaisEnvelope *envelope)
{
    const char *name = relais_command_option (call, "class");

    if (name == NULL)
        return true;
    envelope->klass = g_str_equal (name, "bulk") ? RELAIS_CLASS_BULK : RELAIS_CLASS_TRANSACTIONAL;
    return g_str_equal (name, relais_class_to_string (envelope->klass));
}

/* A local name, as programs of this host hand over (root), is one of the host's own: SMTP knows
 * none without a domain (RFC 5321 section 2.3.5). */
static char *
qualify (const char *address, const char *hostname)
{
    const bool local = address != NULL && strpbrk (address, "@<> \t\r\n\"") == NULL;

    return local && address[0] != '\0' ? g_strconcat (address, "@", hostname, NULL)
                                       : g_strdup (address);
}

/* The sender, ENVID and RET, by SMTP's own parser. */
static bool
take_sender (const RelaisCommandCall *call, const char *hostname, RelaisEnvelope *envelope)
{
    g_autofree char *from = qualify (relais_command_option (call, "from"), hostname);
    const char *ret = relais_command_option (call, "ret");
    const char *envid = relais_command_option (call, "envid");
    const bool bracketed = from != NULL && from[0] == '<';
    g_autofree char *args =
        g_strconcat ("FROM:", bracketed ? "" : "<", from != NULL ? from : "", bracketed ? "" : ">",
                     ret != NULL ? " RET=" : "", ret != NULL ? ret : "",
                     envid != NULL ? " ENVID=" : "", envid != NULL ? envid : "", NULL);
    RelaisPathCommand path = {0};
    const bool good = relais_command_parse_mail (args, strlen (args), &path) == NULL;

    if (good) {
        envelope->sender = from != NULL ? g_steal_pointer (&path.address) : NULL;
        envelope->envid = g_steal_pointer (&path.envid);
        envelope->ret = path.ret;
    }
    relais_path_command_clear (&path);
    return good;
}

/* NOTIFY as an option says, 0 without it. */
static bool
read_notify (const RelaisCommandCall *call, guint8 *notify)
{
    const char *given = relais_command_option (call, "notify");
    g_autofree char *args =
        g_strconcat ("TO:<x@y>", given != NULL ? " NOTIFY=" : "", given != NULL ? given : "", NULL);
    RelaisPathCommand path = {0};
    const bool good = relais_command_parse_rcpt (args, strlen (args), false, &path) == NULL;

    *notify = path.notify;
    relais_path_command_clear (&path);
    return good;
}

/* The set of the recipients' addresses, which are the envelope's. */
static GHashTable *
known_recipients (const RelaisEnvelope *envelope)
{
    GHashTable *known = g_hash_table_new (g_str_hash, g_str_equal);

    for (guint i = 0; i < envelope->recipients->len; i++)
        g_hash_table_add (known, relais_envelope_recipient (envelope, i)->address);
    return known;
}

static void
add_recipient (RelaisEnvelope *envelope, GHashTable *known, const char *address, guint8 notify)
{
    RelaisRecipient *recipient;

    if (g_hash_table_contains (known, address))
        return;
    recipient = relais_envelope_add_recipient (envelope, address);
    recipient->notify = notify;
    g_hash_table_add (known, recipient->address);
}

static bool
take_arguments (const RelaisCommandCall *call, const char *hostname, RelaisEnvelope *envelope,
                char **problem)
{
    g_autoptr (GHashTable) known = known_recipients (envelope);
    guint8 notify;

    if (!read_notify (call, &notify)) {
        *problem = g_strdup (_ ("--notify is never, or some of success, failure, delay"));
        return false;
    }
    for (guint i = 0; i < relais_command_n_args (call); i++) {
        g_autofree char *text = qualify (relais_command_arg (call, i), hostname);
        g_autofree char *address = NULL;

        if (relais_address_parse (text, strlen (text), false, &address, NULL) !=
            RELAIS_ADDRESS_OK) {
            *problem = g_strdup_printf (_ ("'%s' is no address to send to"), text);
            return false;
        }
        add_recipient (envelope, known, address, notify);
    }
    return true;
}

static bool
is_owned (const Inject *inject, const char *address)
{
    return relais_server_config_tenant_owns (inject->queue->config, inject->tenant, address);
}

static bool
check_sender (Inject *inject)
{
    const char *sender = inject->message->envelope.sender;

    return sender == NULL || sender[0] == '\0' || is_owned (inject, sender) ||
           refuse (inject, g_strdup_printf (_ ("the sender '%s' is of no domain of tenant '%s'"),
                                            sender, inject->tenant));
}

/* --- The end: what the header says ------------------------------------------------------------ */

static bool
add_from_field (Inject *inject, const RelaisField *field, GHashTable *known, guint8 notify)
{
    const guint64 most = limit (inject, "recipients");
    g_autoptr (GPtrArray) addresses = g_ptr_array_new_with_free_func (g_free);
    RelaisEnvelope *envelope = &inject->message->envelope;

    if (!relais_header_parse_mailboxes (field->value, field->value_size, (guint)most + 1,
                                        addresses))
        return refuse (inject,
                       g_strdup_printf (_ ("the field %.*s is no list of addresses, or one longer "
                                           "than recipients of [limits]"),
                                        (int)field->name_size, field->name));
    for (guint i = 0; i < addresses->len; i++)
        add_recipient (envelope, known, addresses->pdata[i], notify);
    return true;
}

static bool
check_most (Inject *inject)
{
    const guint n = inject->message->envelope.recipients->len;
    const guint64 most = limit (inject, "recipients");

    return n <= most ||
           refuse (inject,
                   g_strdup_printf (_ ("%u recipients are more than recipients of [limits]"), n));
}

/* Recipients from To, Cc and Bcc, as -t asks. */
static bool
add_from_header (Inject *inject)
{
    static const char *const names[] = {"To", "Cc", "Bcc"};
    g_autoptr (GHashTable) known = known_recipients (&inject->message->envelope);
    gsize size, position = 0;
    const guint8 *header = relais_draft_header (inject->draft, &size);
    RelaisField field;
    guint8 notify;

    (void)read_notify (inject->call, &notify); /* it was read before */
    while (relais_header_next (header, size, &position, &field))
        for (guint i = 0; i < G_N_ELEMENTS (names); i++)
            if (relais_field_is (&field, names[i]) &&
                (!add_from_field (inject, &field, known, notify) || !check_most (inject)))
                return false;
    return true;
}

static bool
check_recipients (Inject *inject)
{
    if (inject->message->envelope.recipients->len == 0)
        return refuse (inject, g_strdup (_ ("the header names no recipient")));
    return check_most (inject);
}

static bool
check_facts (Inject *inject)
{
    char *problem = relais_queue_facts_problem (inject->limits, relais_draft_end (inject->draft));

    return problem == NULL || refuse (inject, problem);
}

static bool
apply_hygiene (Inject *inject)
{
    RelaisMessage *message = inject->message;
    const RelaisHygieneOptions options = {
        .submission = true,
        .max_hops = (guint)limit (inject, "hops"),
        .max_fields = (guint)limit (inject, "header_fields"),
        .hostname = inject->queue->settings.hostname,
        .wall_us = message->envelope.received_us,
        .author = message->envelope.sender,
        .author_name = relais_command_option (inject->call, "name"),
    };
    const char *campaign = relais_command_option (inject->call, "campaign");
    RelaisHeaderRefusal refusal = {0};
    gsize size;
    const guint8 *header = relais_draft_header (inject->draft, &size);

    if (!relais_hygiene_apply (message, header, size, &options, true,
                               relais_command_option (inject->call, "class") != NULL, &refusal)) {
        refuse (inject, g_strdup (refusal.text != NULL ? refusal.text : "bad header"));
        relais_header_refusal_clear (&refusal);
        return false;
    }
    if (campaign != NULL) {
        g_free (message->envelope.campaign);
        message->envelope.campaign = g_strdup (campaign);
    }
    return true;
}

/* Without --from the sender is who the header says it is from. */
static bool
check_author (Inject *inject)
{
    RelaisEnvelope *envelope = &inject->message->envelope;

    if (!is_owned (inject, envelope->header_from))
        return refuse (inject,
                       g_strdup_printf (_ ("the From field's '%s' is of no domain of tenant '%s'"),
                                        envelope->header_from, inject->tenant));
    if (envelope->sender == NULL)
        envelope->sender = g_strdup (envelope->header_from);
    return true;
}

/* --- Acceptance ------------------------------------------------------------------------------- */

static void
on_kept (gpointer data, const RelaisMessage *message, const GError *error)
{
    Inject *inject = data;
    char id[RELAIS_ID_TEXT_BYTES];

    if (error != NULL) {
        relais_command_fail (inject->call, RELAIS_EXIT_NO_DAEMON, error->message);
    } else {
        relais_id_to_text (message->id, id);
        relais_command_put (inject->call, "queue_id", id);
        relais_command_end_row (inject->call);
        relais_command_finish (inject->call);
    }
    inject_free (inject);
}

static void
finish (Inject *inject)
{
    g_autoptr (GBytes) event = NULL;

    inject->message->id = relais_spool_new_id (inject->queue->spool);
    inject->message->envelope.received_us = relais_loop_wall_us (inject->queue->loop);
    if (!check_facts (inject) ||
        (relais_command_option (inject->call, "t") != NULL && !add_from_header (inject)) ||
        !check_recipients (inject) || !apply_hygiene (inject) || !check_author (inject))
        return;
    relais_message_init_states (inject->message);
    event = relais_queue_accepted_event (inject->message, inject->size_bytes, "inject");
    g_queue_unlink (&inject->queue->injects, &inject->place);
    relais_queue_keep (inject->queue, g_steal_pointer (&inject->message),
                       g_steal_pointer (&inject->draft), event, on_kept, inject);
}

/* --- Pieces ----------------------------------------------------------------------------------- */

static void take_piece (RelaisCommandCall *call, gpointer data);

static void
on_resume (gpointer data)
{
    Inject *inject = data;

    if (!inject->stalled)
        return;
    inject->stalled = false;
    relais_command_when_piece (inject->call, take_piece, inject);
}

/* What no longer can become a message is refused at once; the rest is not waited for. */
static bool
check_so_far (Inject *inject)
{
    gsize header_bytes;
    const GError *error = relais_draft_failure (inject->draft);

    relais_draft_header (inject->draft, &header_bytes);
    if (error != NULL)
        return fail (inject, RELAIS_EXIT_NO_DAEMON, g_strdup (error->message));
    if (inject->size_bytes > limit (inject, "message_size"))
        return refuse (inject,
                       g_strdup (_ ("the message is larger than message_size of [limits]")));
    if (header_bytes > limit (inject, "header_size"))
        return refuse (inject, g_strdup (_ ("the header is larger than header_size of [limits]")));
    return !inject->text.bare_cr ||
           refuse (inject, g_strdup (_ ("a CR stands alone in the message")));
}

static void
take_piece (RelaisCommandCall *call, gpointer data)
{
    Inject *inject = data;
    GBytes *piece = relais_command_piece (call);
    g_autoptr (GByteArray) lines = g_byte_array_new ();
    gsize size = 0;
    const guint8 *bytes = piece != NULL ? g_bytes_get_data (piece, &size) : NULL;

    if (piece == NULL && relais_command_is_abandoned (call)) {
        refuse (inject, g_strdup (_ ("the message was not sent to its end")));
        return;
    }
    if (piece != NULL)
        relais_local_text_feed (&inject->text, bytes, size, lines);
    else
        relais_local_text_end (&inject->text, lines);
    inject->size_bytes += lines->len;
    if (lines->len > 0)
        inject->stalled = !relais_draft_append (inject->draft, lines->data, lines->len);
    if (!check_so_far (inject))
        return;
    if (piece == NULL) {
        relais_draft_set_resume (inject->draft, NULL, NULL);
        finish (inject);
    } else if (!inject->stalled) {
        relais_command_when_piece (call, take_piece, inject);
    }
}

/* --- The command ------------------------------------------------------------------------------ */

static char *
read_command (RelaisCommandCall *call, const char *hostname, RelaisEnvelope *envelope)
{
    const char *campaign = relais_command_option (call, "campaign");
    char *problem = NULL;

    if (relais_command_n_args (call) == 0 && relais_command_option (call, "t") == NULL)
        return g_strdup (_ ("no recipient is named; --t takes them from the header"));
    if (!take_class (call, envelope))
        return g_strdup (_ ("--class is bulk or transactional"));
    if (campaign != NULL && !relais_campaign_is_valid (campaign))
        return g_strdup (_ ("--campaign is 1 to 128 letters, digits, '.', '_', ':' or '-'"));
    if (!take_sender (call, hostname, envelope))
        return g_strdup (_ ("--from is no address, --ret not full or hdrs, or --envid no xtext"));
    (void)take_arguments (call, hostname, envelope, &problem);
    return problem;
}

void
relais_queue_command_inject (RelaisCommandCall *call, gpointer data)
{
    RelaisQueue *queue = data;
    g_autoptr (RelaisMessage) message = relais_message_new (0);
    g_autofree char *problem = read_command (call, queue->settings.hostname, &message->envelope);
    const GError *error = relais_spool_refusal (queue->spool, 0);
    const char *tenant;
    Inject *inject;

    if (problem != NULL) {
        relais_command_fail (call, RELAIS_EXIT_USAGE, problem);
        return;
    }
    tenant = find_tenant (queue->config, relais_command_option (call, "tenant"), &problem);
    if (tenant == NULL || error != NULL) {
        relais_command_fail (call, tenant == NULL ? RELAIS_EXIT_REFUSED : RELAIS_EXIT_NO_DAEMON,
                             tenant == NULL ? problem : error->message);
        return;
    }
    message->envelope.tenant = g_strdup (tenant);
    inject = g_new0 (Inject, 1);
    inject->queue = relais_queue_ref (queue);
    inject->call = call;
    inject->tenant = message->envelope.tenant;
    inject->limits = relais_config_find_section (relais_command_config (call), "limits", NULL);
    inject->message = g_steal_pointer (&message);
    inject->text.dot_ends = relais_command_option (call, "dot") != NULL;
    inject->place.data = inject;
    g_queue_push_tail_link (&queue->injects, &inject->place);
    if (!check_sender (inject))
        return;
    inject->draft = relais_draft_new (queue->spool);
    relais_draft_set_resume (inject->draft, on_resume, inject);
    relais_command_when_piece (call, take_piece, inject);
}
