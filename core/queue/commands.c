/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * relaisctl's `queue list|show|hold|release|retry|bounce|delete`, and `quarantine list|release|delete`:
 * the same of what is held. Run in the daemon, on its loop. A
 * listing walks the records in slices, reads one message after the other back from the spool, and
 * keeps nothing but its place.
 */
#include "config.h"

#include "queue/commands-private.h"
#include "queue/tlsrpt-private.h"
#include "queue/destination-private.h"
#include "queue/lane-private.h"
#include "queue/live-private.h"
#include "queue/quarantine-private.h"
#include "queue/rest-private.h"
#include "queue/suppressed-private.h"
#include "queue/verbs-private.h"

#include "message/address-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

enum { DEFAULT_ROWS = 100, MAX_ROWS = 1000000, SLOTS_PER_TURN = 500 };

static const char *const state_names[] = {"queued",  "delivered", "bounced",
                                          "expired", "deleted",   "held"};

const char *
relais_state_name (guint8 kind)
{
    return kind < G_N_ELEMENTS (state_names) ? state_names[kind] : "unknown";
}

/* --- What is selected ------------------------------------------------------------------------- */

bool
relais_queue_command_id (RelaisCommandCall *call, guint64 *id)
{
    const char *text = relais_command_arg (call, 0);

    if (relais_command_n_args (call) == 1 && relais_id_from_text (text, id) && *id != 0)
        return true;
    relais_command_fail (call, RELAIS_EXIT_USAGE,
                         _ ("a queue id is needed, as `queue list` shows them"));
    return false;
}

/* What the options and the argument name; strings are the call's, but for the domain. */
static bool
read_selection (RelaisCommandCall *call, RelaisSelection *selection, char **domain)
{
    const char *given = relais_command_option (call, "domain");
    const char *tenant = relais_command_option (call, "tenant");
    const char *sender = relais_command_option (call, "sender");

    *selection = (RelaisSelection){.tenant = tenant, .sender = sender};
    if (relais_command_n_args (call) > 0 && !relais_queue_command_id (call, &selection->id))
        return false;
    if (given == NULL)
        return true;
    *domain = relais_domain_normalise (given, strlen (given));
    if (*domain == NULL) /* a static route's name, or a literal */
        *domain = g_strdup (given);
    selection->domain = *domain;
    return true;
}

/* --- Verbs ------------------------------------------------------------------------------------ */

static bool
is_cut_short (RelaisCommandCall *call, guint64 n)
{
    if (n == G_MAXUINT64)
        relais_command_fail (call, RELAIS_EXIT_REFUSED, _ ("the daemon is stopping"));
    return n == G_MAXUINT64;
}

static void
on_applied (gpointer data, guint64 n, guint64 n_waiting)
{
    RelaisCommandCall *call = data;

    if (is_cut_short (call, n))
        return;
    relais_command_put_int (call, "deliveries", (gint64)n);
    relais_command_end_row (call);
    relais_command_finish (call);
}

/* Those that wait all the same are told of, and how they need not. */
static void
on_retried (gpointer data, guint64 n, guint64 n_waiting)
{
    RelaisCommandCall *call = data;
    g_autofree char *text = NULL;

    if (is_cut_short (call, n))
        return;
    relais_command_put_int (call, "deliveries", (gint64)n);
    relais_command_put_int (call, "waiting", (gint64)n_waiting);
    relais_command_end_row (call);
    if (n_waiting > 0) {
        text = g_strdup_printf (_ ("waiting for the end of quiet hours, or for the moment that "
                                   "their senders asked for: %u; with --force they are tried now"),
                                (guint)MIN (n_waiting, G_MAXUINT));
        relais_command_note (call, text);
    }
    relais_command_finish (call);
}

static void
run_verb (RelaisCommandCall *call, RelaisQueue *queue, RelaisVerb verb, bool held)
{
    g_autofree char *domain = NULL;
    RelaisSelection selection;

    if (!read_selection (call, &selection, &domain))
        return;
    selection.held = held;
    if (selection.id == 0 && selection.domain == NULL && selection.tenant == NULL &&
        selection.sender == NULL && relais_command_option (call, "all") == NULL) {
        relais_command_fail (call, RELAIS_EXIT_USAGE,
                             _ ("say which: a queue id, --domain, --tenant, --sender or --all"));
        return;
    }
    if (selection.id != 0 && relais_records_find (&queue->records, selection.id) == 0) {
        relais_command_fail (call, RELAIS_EXIT_REFUSED, _ ("no message of that id is queued"));
        return;
    }
    if (selection.id != 0 && held && !relais_selection_has_message (queue, &selection)) {
        relais_command_fail (call, RELAIS_EXIT_REFUSED, _ ("no message of that id is held"));
        return;
    }
    if (verb == RELAIS_VERB_RETRY &&
        (selection.id != 0 || relais_command_option (call, "force") != NULL))
        verb = RELAIS_VERB_FORCE;
    relais_queue_apply (
        queue, verb, &selection,
        verb == RELAIS_VERB_RETRY || verb == RELAIS_VERB_FORCE ? on_retried : on_applied, call);
}

#define VERB(name, verb, held)                                                                     \
    static void name (RelaisCommandCall *call, gpointer queue)                                     \
    {                                                                                              \
        run_verb (call, queue, verb, held);                                                        \
    }
VERB (run_hold, RELAIS_VERB_HOLD, false)
VERB (run_release, RELAIS_VERB_RELEASE, false)
VERB (run_retry, RELAIS_VERB_RETRY, false)
VERB (run_bounce, RELAIS_VERB_BOUNCE, false)
VERB (run_delete, RELAIS_VERB_DELETE, false)
VERB (run_held_release, RELAIS_VERB_RELEASE, true)
VERB (run_held_delete, RELAIS_VERB_DELETE, true)
#undef VERB

/* --- Rows ------------------------------------------------------------------------------------- */

static const RelaisPath *
sleeping_path (const RelaisFlow *flow)
{
    const RelaisPath *found = NULL;

    for (guint i = 0; i < flow->pool->sources->len; i++) {
        const RelaisPath *path = flow->strands[i].path;

        if (path == NULL || path->state != RELAIS_PATH_ASLEEP)
            return NULL;
        if (found == NULL || path->nap.timer.due_us < found->nap.timer.due_us)
            found = path;
    }
    return found;
}

/* What modules have it wait for: the source's hold that ends first; NULL if one may go. */
static const RelaisHold *
first_hold (const RelaisFlow *flow)
{
    const RelaisHold *found = NULL;

    for (guint i = 0; i < flow->pool->sources->len; i++) {
        const RelaisStrand *strand = &flow->strands[i];
        const RelaisHold *hold;

        if (strand->lane == NULL || !strand->active)
            continue;
        hold = relais_order_find_hold (&strand->lane->order, strand);
        if (hold == NULL && relais_hold_is_set (&strand->lane->opening_hold) &&
            strand->lane->connections->len == 0)
            hold = &strand->lane->opening_hold;
        if (hold == NULL)
            return NULL;
        if (found == NULL || hold->timer.due_us < found->timer.due_us)
            found = hold;
    }
    return found;
}

static bool
all_sources_are_out (const RelaisFlow *flow)
{
    for (guint i = 0; i < flow->pool->sources->len; i++)
        if (!((const RelaisSource *)flow->pool->sources->pdata[i])->out)
            return false;
    return true;
}

static const char *
describe_due (const RelaisFlow *flow, gint64 *until_us)
{
    const RelaisHold *hold = first_hold (flow);
    const char *text = relais_destination_describe (flow->destination, until_us);
    const RelaisPath *path = text == NULL ? sleeping_path (flow) : NULL;

    if (relais_flow_is_resting (flow)) {
        *until_us = relais_rest_until_us (flow);
        return "the end of quiet hours";
    }

    if (path != NULL) {
        *until_us = path->nap.timer.due_us;
        return path->text != NULL ? path->text : "the hosts could not be reached";
    }
    if (text == NULL && hold != NULL) {
        *until_us = hold->timer.due_us;
        return hold->reason != NULL ? hold->reason : "a module's leave";
    }
    if (text == NULL && all_sources_are_out (flow))
        return "a source of its pool to come back into use";
    return text != NULL ? text : "its turn for a connection";
}

void
relais_queue_command_put_wait (RelaisCommandCall *call, const RelaisQueue *queue, guint32 number)
{
    const RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);
    g_autofree char *trouble = NULL;
    const char *text = NULL;
    gint64 until_us = 0;

    switch ((RelaisPlace)delivery->place) {
    case RELAIS_PLACE_WAITING:
        if (delivery->unknown)
            trouble = relais_suppressed_describe (queue);
        text = delivery->unknown ? trouble
               : relais_queue_release_us (queue, number) > 0
                   ? "the moment that its sender asked for"
                   : "its next attempt";
        until_us = delivery->due_us;
        break;
    case RELAIS_PLACE_DUE:
        text = describe_due (relais_queue_flow_at (queue, delivery->flow), &until_us);
        break;
    case RELAIS_PLACE_ACTIVE: text = "the attempt under way"; break;
    case RELAIS_PLACE_LOCAL: text = "its turn to be written"; break;
    case RELAIS_PLACE_HELD:
        text = "an operator: `relaisctl queue release`";
        until_us = relais_quarantine_until_us (queue, delivery);
        break;
    case RELAIS_PLACE_NONE: break;
    }
    relais_command_put (call, "waits_for", text);
    if (until_us != 0)
        relais_command_put_time (call, "until",
                                 relais_loop_wall_us (queue->loop) + until_us -
                                     relais_loop_now_us (queue->loop));
    else
        relais_command_put (call, "until", NULL);
}

static void
put_delivery (RelaisCommandCall *call, const RelaisQueue *queue, const RelaisMessage *message,
              guint32 number)
{
    const RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);
    const RelaisMessageSlot *slot = relais_slot_at (&queue->records, delivery->message);
    const RelaisState *state = &message->states[delivery->recipient];
    const RelaisEnvelope *envelope = &message->envelope;
    char id[RELAIS_ID_TEXT_BYTES];

    relais_id_to_text (slot->id, id);
    relais_command_put (call, "id", id);
    relais_command_put (call, "sender", envelope->sender);
    relais_command_put (call, "recipient",
                        relais_envelope_recipient (envelope, delivery->recipient)->address);
    relais_command_put (call, "state",
                        delivery->place == RELAIS_PLACE_ACTIVE ? "active"
                                                               : relais_state_name (state->kind));
    relais_command_put_int (call, "attempts", delivery->attempts);
    relais_command_put_int (call, "age_s",
                            MAX (relais_loop_now_us (queue->loop) - slot->born_us, 0) /
                                RELAIS_USEC_PER_SEC);
    relais_command_put (call, "destination",
                        relais_queue_flow_at (queue, delivery->flow)->destination->name);
    relais_command_put (call, "tenant", envelope->tenant);
    relais_command_put (call, "class", relais_class_to_string (envelope->klass));
    relais_queue_command_put_wait (call, queue, number);
    relais_command_put (call, "reply", state->reply);
    relais_command_end_row (call);
}

/* --- queue list ------------------------------------------------------------------------------- */

typedef struct {
    RelaisCommandCall *call;
    RelaisQueue *queue;
    RelaisSelection selection;
    char *domain, *tenant, *sender;
    guint64 limit, n;
    guint32 next; /* slot */
    guint64 id;   /* of the message that is read */
} List;

static void list_on (gpointer data);

static void
list_free (List *list)
{
    relais_queue_unref (list->queue);
    g_free (list->domain);
    g_free (list->tenant);
    g_free (list->sender);
    g_free (list);
}

static void
list_message (List *list, const RelaisMessage *message)
{
    const RelaisQueue *queue = list->queue;
    guint32 slot = relais_records_find (&queue->records, list->id);
    guint32 number = slot != 0 ? relais_slot_at (&queue->records, slot)->first : 0;

    if (list->sender != NULL && strcmp (message->envelope.sender, list->sender) != 0)
        return;
    if (list->selection.held) {
        list->n += relais_queue_command_put_held (list->call, queue, &list->selection, message);
        return;
    }
    for (; number != 0 && list->n < list->limit;
         number = relais_delivery_at (&queue->records, number)->after)
        if (relais_selection_has (queue, &list->selection, number)) {
            put_delivery (list->call, queue, message, number);
            list->n++;
        }
}

static void
on_list_live (gpointer data, RelaisLive *live, const GError *error)
{
    List *list = data;

    if (live != NULL) {
        list_message (list, live->message);
        relais_live_unref (live);
    }
    list_on (list);
}

static void
list_end (List *list)
{
    if (list->n >= list->limit)
        relais_command_note (list->call, _ ("there may be more: see --limit"));
    relais_command_finish (list->call);
    list_free (list);
}

static void
on_list_drained (RelaisCommandCall *call, gpointer data)
{
    list_on (data);
}

/* Goes on until a message must be read from disk, the turn is long enough, or all was seen. */
static void
list_on (gpointer data)
{
    List *list = data;
    RelaisQueue *queue = list->queue;

    if (queue->closed) {
        relais_command_fail (list->call, RELAIS_EXIT_REFUSED, _ ("the daemon is stopping"));
        list_free (list);
        return;
    }
    if (relais_command_is_abandoned (list->call)) {
        relais_command_finish (list->call);
        list_free (list);
        return;
    }
    for (guint i = 0; i < SLOTS_PER_TURN; i++) {
        RelaisLive *live;
        guint32 slot;

        if (relais_command_is_full (list->call)) {
            relais_command_when_drained (list->call, on_list_drained, list);
            return;
        }
        slot = ++list->next;
        if (slot >= queue->records.slots.top || list->n >= list->limit) {
            list_end (list);
            return;
        }
        if (!relais_selection_has_slot (queue, &list->selection, slot))
            continue;
        list->id = relais_slot_at (&queue->records, slot)->id;
        live = relais_live_get (queue, list->id, on_list_live, list);
        if (live == NULL)
            return;
        list_message (list, live->message);
        relais_live_unref (live);
    }
    relais_loop_post (queue->loop, list_on, list);
}

static void
begin_list (RelaisCommandCall *call, RelaisQueue *queue, bool held)
{
    const char *limit = relais_command_option (call, "limit");
    List *list = g_new0 (List, 1);
    RelaisSelection selection;
    char *domain = NULL;

    list->limit = DEFAULT_ROWS;
    if ((limit != NULL &&
         !g_ascii_string_to_unsigned (limit, 10, 1, MAX_ROWS, &list->limit, NULL))) {
        relais_command_fail (call, RELAIS_EXIT_USAGE, _ ("--limit takes a number"));
        g_free (list);
        return;
    }
    if (!read_selection (call, &selection, &domain)) {
        g_free (list);
        return;
    }
    list->call = call;
    list->queue = relais_queue_ref (queue);
    list->domain = domain;
    list->tenant = g_strdup (selection.tenant);
    list->sender = g_strdup (selection.sender);
    list->selection =
        (RelaisSelection){selection.id, list->domain, list->tenant, list->sender, held};
    relais_loop_post (list->queue->loop, list_on, list);
}

static void
run_list (RelaisCommandCall *call, gpointer queue)
{
    begin_list (call, queue, false);
}

static void
run_held_list (RelaisCommandCall *call, gpointer queue)
{
    begin_list (call, queue, true);
}

/* --- queue show ------------------------------------------------------------------------------- */

typedef struct {
    RelaisCommandCall *call;
    RelaisQueue *queue;
    guint64 id;
} Show;

static void
show_recipient (const Show *show, const RelaisMessage *message, guint i)
{
    const RelaisState *state = &message->states[i];
    const RelaisQueue *queue = show->queue;
    guint32 slot = relais_records_find (&queue->records, show->id);
    guint32 number = slot != 0 ? relais_slot_at (&queue->records, slot)->first : 0;

    while (number != 0 && relais_delivery_at (&queue->records, number)->recipient != i)
        number = relais_delivery_at (&queue->records, number)->after;
    relais_command_put (show->call, "recipient",
                        relais_envelope_recipient (&message->envelope, i)->address);
    relais_command_put (show->call, "state", relais_state_name (state->kind));
    relais_command_put_int (show->call, "attempts", state->attempts);
    relais_command_put (show->call, "reply", state->reply);
    if (number != 0) {
        relais_queue_command_put_wait (show->call, queue, number);
    } else {
        relais_command_put (show->call, "waits_for", NULL);
        relais_command_put (show->call, "until", NULL);
    }
    relais_command_end_row (show->call);
}

static void
show_message (const Show *show, const RelaisMessage *message)
{
    const RelaisEnvelope *envelope = &message->envelope;
    g_autofree char *note = g_strdup_printf (
        _ ("from <%s>, tenant %s, campaign %s, class %s, client %s, Message-ID %s"),
        envelope->sender, envelope->tenant != NULL ? envelope->tenant : "-",
        envelope->campaign != NULL ? envelope->campaign : "-",
        relais_class_to_string (envelope->klass), envelope->client != NULL ? envelope->client : "-",
        envelope->message_id != NULL ? envelope->message_id : "-");

    for (guint i = 0; i < envelope->recipients->len; i++)
        show_recipient (show, message, i);
    relais_command_note (show->call, note);
    relais_command_finish (show->call);
}

static void
on_show_live (gpointer data, RelaisLive *live, const GError *error)
{
    Show *show = data;

    if (live == NULL) {
        relais_command_fail (show->call, RELAIS_EXIT_REFUSED, error->message);
    } else {
        show_message (show, live->message);
        relais_live_unref (live);
    }
    g_free (show);
}

static void
run_show (RelaisCommandCall *call, gpointer data)
{
    RelaisQueue *queue = data;
    Show *show;
    RelaisLive *live;
    guint64 id;

    if (!relais_queue_command_id (call, &id))
        return;
    if (relais_records_find (&queue->records, id) == 0) {
        relais_command_fail (call, RELAIS_EXIT_REFUSED,
                             _ ("no message of that id is queued; `relaisctl why ID` tells what "
                                "became of it"));
        return;
    }
    show = g_new0 (Show, 1);
    *show = (Show){call, queue, id};
    live = relais_live_get (queue, id, on_show_live, show);
    if (live != NULL)
        on_show_live (show, live, NULL);
}

/* --- The table -------------------------------------------------------------------------------- */

#define SELECTION "domain= tenant= sender="
#define SELECTION_USAGE "[ID] [--domain=DOMAIN] [--tenant=NAME] [--sender=ADDRESS]"

static const RelaisCommand commands[] = {
    {"queue", "list", SELECTION_USAGE " [--limit=N]",
     SELECTION " limit=", N_ ("List deliveries that wait, with their state and last reply."),
     RELAIS_COMMAND_ONLINE, 0, run_list},
    {"queue", "show", "ID", "", N_ ("Show one message and each of its recipients."),
     RELAIS_COMMAND_ONLINE, 0, run_show},
    {"queue", "ages", "", "", N_ ("Show how much waits for each site and class, and for how long."),
     RELAIS_COMMAND_ONLINE, 0, relais_queue_command_ages},
    {"queue", "hold", SELECTION_USAGE " [--all]", SELECTION " all",
     N_ ("Keep deliveries from being tried until they are released."), RELAIS_COMMAND_ONLINE, 0,
     run_hold},
    {"queue", "release", SELECTION_USAGE " [--all]", SELECTION " all",
     N_ ("Let held deliveries go on."), RELAIS_COMMAND_ONLINE, 0, run_release},
    {"queue", "retry", SELECTION_USAGE " [--all] [--force]", SELECTION " all force",
     N_ ("Try deliveries now instead of at their time; in quiet hours, or before the moment that "
         "the sender asked for, the message that is named by its ID, with --force all."),
     RELAIS_COMMAND_ONLINE, 0, run_retry},
    {"queue", "bounce", SELECTION_USAGE " [--all]", SELECTION " all",
     N_ ("Return deliveries to their senders."), RELAIS_COMMAND_ONLINE, 0, run_bounce},
    {"queue", "delete", SELECTION_USAGE " [--all]", SELECTION " all",
     N_ ("Delete deliveries without telling anyone."), RELAIS_COMMAND_ONLINE, 0, run_delete},
    {"quarantine", "list", SELECTION_USAGE " [--limit=N]", SELECTION " limit=",
     N_ ("List messages that are held, by a module's verdict or by an operator, and why."),
     RELAIS_COMMAND_ONLINE, 0, run_held_list},
    {"quarantine", "show", "ID [--body]", "body",
     N_ ("Show the header of a message that is held, or all of it."), RELAIS_COMMAND_ONLINE, 0,
     relais_queue_command_held_show},
    {"quarantine", "release", SELECTION_USAGE " [--all]", SELECTION " all",
     N_ ("Let messages that are held be delivered; they are not judged again."),
     RELAIS_COMMAND_ONLINE, 0, run_held_release},
    {"quarantine", "delete", SELECTION_USAGE " [--all]", SELECTION " all",
     N_ ("Delete messages that are held without telling anyone."), RELAIS_COMMAND_ONLINE, 0,
     run_held_delete},
    {"tls", "show", "DOMAIN", "",
     N_ ("Tell how much TLS mail for a domain must have at each of its hosts, and why."),
     RELAIS_COMMAND_ONLINE, 0, relais_queue_command_tls},
    {"tls", "reports", "", "", N_ ("Tell what was counted for TLS reports and is not sent yet."),
     RELAIS_COMMAND_ONLINE, 0, relais_queue_command_tls_reports},
    {"why", NULL, "ID", "", N_ ("Tell what happened to a message, and what it waits for."),
     RELAIS_COMMAND_ONLINE, 0, relais_queue_command_why},
    {"inject", NULL,
     "[--from=ADDRESS] [--tenant=NAME] [--class=CLASS] [--campaign=NAME] [--t] RECIPIENT...",
     "-< from= tenant= class= campaign= name= notify= ret= envid= t dot",
     N_ ("Send the message on standard input; done once it is on disk."), RELAIS_COMMAND_ONLINE, 0,
     relais_queue_command_inject},
};

const RelaisCommand *
relais_queue_commands (gsize *n)
{
    *n = G_N_ELEMENTS (commands);
    return commands;
}
