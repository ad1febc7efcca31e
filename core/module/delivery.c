/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Deliveries as modules see them (include/relais/delivery.h): envelope tokens, whose purposes are each
 * module's own, and what the event log tells of a delivery, looked up on a worker. Any thread.
 */
#include "config.h"

#include "module/module-private.h"

#include <relais/delivery.h>
#include <relais/timer.h>
#include <string.h>

#include "tls/envelope-token-private.h"
#include "tls/tokens-private.h"

_Static_assert((int)RELAIS_ENVELOPE_TOKEN_BYTES == (int)RELAIS_ENVELOPE_TOKEN_TEXT_BYTES,
               "the public length is the token's");

enum { MOST_DELIVERIES = 1000 }; /* of one lookup */

/* Before a delivery has been this long under way its line may not be in the log yet. */
#define UNDER_WAY_US RELAIS_USEC_PER_HOUR

struct RelaisDeliveries {
    gatomicrefcount refs;
    GPtrArray *found; /* RelaisDelivered */
};

/* --- Tokens --------------------------------------------------------------------------------------- */

/* "MODULE/PURPOSE": no module can have a "/" in its name. */
static char *
full_purpose (const RelaisModule *module, const char *purpose)
{
    return g_strconcat (module->descriptor.name, "/", purpose, NULL);
}

gchar *
relais_hook_make_envelope_token (RelaisHook *hook, guint32 n, const gchar *purpose,
                                 gint64 lifetime_us)
{
    const RelaisModule *module = hook->function->module;
    const RelaisHost *host = hook->host;
    const gint64 wall_us = relais_clock_wall_us (relais_loop_clock (host->loop));
    g_autoptr (RelaisKeyRing) ring = NULL;
    g_autofree char *full = NULL;
    RelaisEnvelopeName name;

    g_return_val_if_fail (purpose != NULL && relais_module_name_is_good (purpose), NULL);
    g_return_val_if_fail (lifetime_us > 0, NULL);
    if ((hook->id != RELAIS_HOOK_REWRITE && hook->id != RELAIS_HOOK_SEAL) || host->tokens == NULL ||
        n >= relais_hook_n_recipients (hook))
        return NULL;
    ring = relais_tokens_ring (host->tokens);
    full = full_purpose (module, purpose);
    name = (RelaisEnvelopeName){hook->subject->message->id,
                                relais_hook_get_recipient_number (hook, n), wall_us};
    return relais_envelope_token_make (ring, full, &name,
                                       wall_us + MIN (lifetime_us, G_MAXINT64 - wall_us));
}

RelaisTokenResult
relais_envelope_token_open (RelaisModule *module, const gchar *purpose, const gchar *token,
                            RelaisDeliveryName *name)
{
    const RelaisHost *host = module->host;
    g_autoptr (RelaisKeyRing) ring = NULL;
    g_autofree char *full = NULL;
    RelaisEnvelopeName opened;
    RelaisTokenState state;
    RelaisDeliveryName known = {.struct_size = name->struct_size};

    g_return_val_if_fail (purpose != NULL && relais_module_name_is_good (purpose),
                          RELAIS_TOKEN_FORGED);
    g_return_val_if_fail (token != NULL && name->struct_size >= sizeof known, RELAIS_TOKEN_FORGED);
    if (host->tokens == NULL)
        return RELAIS_TOKEN_FORGED;
    ring = relais_tokens_ring (host->tokens);
    full = full_purpose (module, purpose);
    state = relais_envelope_token_read (
        ring, full, token, relais_clock_wall_us (relais_loop_clock (host->loop)), &opened);
    if (state != RELAIS_TOKEN_STATE_GOOD)
        return state == RELAIS_TOKEN_STATE_EXPIRED ? RELAIS_TOKEN_EXPIRED : RELAIS_TOKEN_FORGED;
    relais_id_to_text (opened.id, known.queue_id);
    known.recipient = opened.recipient;
    known.made_us = opened.made_us;
    memcpy (name, &known, sizeof known);
    return RELAIS_TOKEN_GOOD;
}

/* --- Lookups -------------------------------------------------------------------------------------- */

typedef struct {
    RelaisHost *host;
    RelaisModule *module;
    char *queue_id; /* or NULL */
    guint32 number;
    gint64 made_us;
    char *message_id; /* or NULL */
    RelaisDeliveriesFunc func;
    gpointer data;
    GPtrArray *found; /* NULL with `error` */
    GError *error;
} Lookup;

static void
fail (Lookup *lookup, const char *text)
{
    g_clear_pointer (&lookup->found, g_ptr_array_unref);
    g_clear_error (&lookup->error);
    lookup->error = g_error_new_literal (RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_FILE, text);
}

/* A worker. */
static void
look_up (gpointer data)
{
    Lookup *lookup = data;
    RelaisHost *host = lookup->host;

    if (host->events == NULL && host->find_deliveries == NULL)
        fail (lookup, "there is no event log");
    else if (host->find_deliveries != NULL)
        lookup->found = host->find_deliveries (host->find_deliveries_data, lookup->queue_id,
                                               lookup->number, lookup->message_id, &lookup->error);
    else if (lookup->queue_id != NULL)
        lookup->found = relais_event_log_find (host->events, lookup->queue_id, lookup->number,
                                               lookup->made_us, &lookup->error);
    else
        lookup->found = relais_event_log_find_message_id (host->events, lookup->message_id,
                                                          MOST_DELIVERIES, &lookup->error);
    if (lookup->found != NULL && lookup->found->len == 0 && lookup->queue_id != NULL &&
        relais_clock_wall_us (relais_loop_clock (host->loop)) - lookup->made_us < UNDER_WAY_US)
        fail (lookup, "not known yet: it may be under way");
}

/* Loop. */
static void
tell (gpointer data)
{
    Lookup *lookup = data;
    RelaisDeliveries *deliveries = NULL;
    RelaisGuard outer;

    if (lookup->found != NULL) {
        deliveries = g_new0 (RelaisDeliveries, 1);
        g_atomic_ref_count_init (&deliveries->refs);
        deliveries->found = g_steal_pointer (&lookup->found);
    }
    relais_guard_enter (&outer, lookup->module, "deliveries", 0);
    lookup->func (lookup->data, deliveries, lookup->error != NULL ? lookup->error->message : NULL);
    relais_guard_leave (&outer);
    if (deliveries != NULL)
        relais_deliveries_unref (deliveries);
    g_clear_error (&lookup->error);
    g_free (lookup->queue_id);
    g_free (lookup->message_id);
    g_free (lookup);
}

static void
begin (RelaisModule *module, Lookup *lookup)
{
    lookup->host = module->host;
    lookup->module = module;
    if (relais_worker_run (module, look_up, tell, lookup))
        return;
    fail (lookup, "too much is waiting for a worker");
    relais_module_post (module, tell, lookup);
}

void
relais_delivery_find (RelaisModule *module, const RelaisDeliveryName *name,
                      RelaisDeliveriesFunc func, gpointer data)
{
    RelaisDeliveryName known = {0};
    Lookup *lookup;

    g_return_if_fail (name != NULL && func != NULL);
    lookup = g_new0 (Lookup, 1);
    if (relais_copy_known (&known, sizeof known, name, name->struct_size))
        known.queue_id[sizeof known.queue_id - 1] = '\0';
    lookup->queue_id = g_strdup (known.queue_id);
    lookup->number = known.recipient;
    lookup->made_us = known.made_us;
    lookup->func = func;
    lookup->data = data;
    begin (module, lookup);
}

void
relais_delivery_find_by_message_id (RelaisModule *module, const gchar *message_id,
                                    RelaisDeliveriesFunc func, gpointer data)
{
    Lookup *lookup;

    g_return_if_fail (message_id != NULL && func != NULL);
    lookup = g_new0 (Lookup, 1);
    lookup->message_id = g_strdup (message_id);
    lookup->func = func;
    lookup->data = data;
    begin (module, lookup);
}

/* --- What was found ------------------------------------------------------------------------------- */

RelaisDeliveries *
relais_deliveries_ref (RelaisDeliveries *deliveries)
{
    g_atomic_ref_count_inc (&deliveries->refs);
    return deliveries;
}

void
relais_deliveries_unref (RelaisDeliveries *deliveries)
{
    if (!g_atomic_ref_count_dec (&deliveries->refs))
        return;
    g_ptr_array_unref (deliveries->found);
    g_free (deliveries);
}

guint32
relais_deliveries_n (const RelaisDeliveries *deliveries)
{
    return deliveries->found->len;
}

static const RelaisDelivered *
nth (const RelaisDeliveries *deliveries, guint32 n)
{
    static const RelaisDelivered none = {0};

    g_return_val_if_fail (n < deliveries->found->len, &none);
    return g_ptr_array_index (deliveries->found, n);
}

const gchar *
relais_deliveries_get_queue_id (const RelaisDeliveries *deliveries, guint32 n)
{
    return nth (deliveries, n)->queue_id;
}

guint32
relais_deliveries_get_number (const RelaisDeliveries *deliveries, guint32 n)
{
    return nth (deliveries, n)->number;
}

const gchar *
relais_deliveries_get_sender (const RelaisDeliveries *deliveries, guint32 n)
{
    return nth (deliveries, n)->sender;
}

const gchar *
relais_deliveries_get_recipient (const RelaisDeliveries *deliveries, guint32 n)
{
    return nth (deliveries, n)->recipient;
}

const gchar *
relais_deliveries_get_tenant (const RelaisDeliveries *deliveries, guint32 n)
{
    return nth (deliveries, n)->tenant;
}

const gchar *
relais_deliveries_get_campaign (const RelaisDeliveries *deliveries, guint32 n)
{
    return nth (deliveries, n)->campaign;
}

const gchar *
relais_deliveries_get_message_id (const RelaisDeliveries *deliveries, guint32 n)
{
    return nth (deliveries, n)->message_id;
}

gint64
relais_deliveries_get_delivered_us (const RelaisDeliveries *deliveries, guint32 n)
{
    return nth (deliveries, n)->delivered_us;
}
