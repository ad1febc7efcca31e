/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What becomes of a hit. The HTTP thread notes it and answers. The first one wakes the loop, which from then on
 * looks every LOOK_US, until a look finds nothing: so that where many come, many are settled in one go, and
 * neither loop nor store is woken for each. The loop holds the hits of a delivery for
 * `window`, so that what a machine does (every link within seconds, the link that nobody sees) is known before
 * it is said who it was; then each one is an event of its own, and is counted under what it was alone. Who comes
 * again and again is told of in one event a minute (repeats.h), which says how many hits it stands for.
 *
 * In the store, of this module: "n/TENANT/CAMPAIGN/WHO" how many, "u/..." how many of them the first of their
 * delivery (and link) of that kind; "f/DELIVERY/WHO[/LINK]" is there once there was one. Tenant and campaign have
 * no "/" in them.
 */
#include "tracking.h"

#include <gio/gio.h>
#include <relais/event.h>
#include <relais/store.h>
#include <relais/timer.h>
#include <string.h>

enum {
    PENDING = 65536, /* hits that wait for their window's end; beyond, the oldest does not */
    AGENT_BYTES = 512,
    BURST_LINKS = 3, /* so many different ones, and half of all there are, within a window */
    LINK_BITS = 64   /* links beyond the 64th share bits: fewer look different, never more */
};

#define LOOK_US (G_USEC_PER_SEC / 10)

/* The hits of one delivery that wait. */
typedef struct {
    char *key;
    guint refs; /* hits that wait */
    gint64 began_us;
    guint64 links; /* bits */
    bool burst, trap;
} Window;

typedef struct {
    TrackingHits *hits;
    TrackingIdentity identity;
    char *address, *agent;
    bool head, prefetch;
    gint64 at_us; /* wall clock */
    gint64 due_us;
    Window *window; /* NULL for hits of no one delivery */
    TrackingVerdict verdict;
    char *proxy; /* of the verdict, whose own goes with the rules */
} Hit;

struct TrackingHits {
    RelaisModule *module;
    char *event_type;
    RelaisCounter *counter;
    RelaisModuleTimer *timer; /* loop's, as all below but `arrived` */
    GQueue pending;           /* Hit, by due_us */
    GHashTable *windows;      /* by key */
    TrackingRepeats *repeats;
    GMutex mutex;       /* over the rest */
    GPtrArray *arrived; /* Hit, noted by the HTTP thread and not seen by the loop yet */
    bool looking;       /* the loop will look, without being woken */
};

static void
hit_free (Hit *hit)
{
    tracking_identity_clear (&hit->identity);
    g_free (hit->address);
    g_free (hit->agent);
    g_free (hit->proxy);
    g_free (hit);
}

/* --- Telling ---------------------------------------------------------------------------------- */

/* The network of an address: /24 of IPv4, /48 of IPv6. NULL for what is no address. */
static char *
truncated_address (const char *text)
{
    g_autoptr (GInetAddress) address = g_inet_address_new_from_string (text);
    guint8 bytes[16] = {0};
    g_autoptr (GInetAddress) network = NULL;

    if (address == NULL)
        return NULL;
    memcpy (bytes, g_inet_address_to_bytes (address),
            g_inet_address_get_family (address) == G_SOCKET_FAMILY_IPV4 ? 3 : 6);
    network = g_inet_address_new_from_bytes (bytes, g_inet_address_get_family (address));
    return g_inet_address_to_string (network);
}

/* Of a hit that tells nobody apart no address is kept, whatever the option says. */
static char *
kept_address (const Hit *hit, const TrackingConfig *config)
{
    if (hit->address == NULL || !hit->identity.individual || config == NULL)
        return NULL;
    switch (config->address) {
    case TRACKING_ADDRESS_FULL: return g_strdup (hit->address);
    case TRACKING_ADDRESS_TRUNCATED: return truncated_address (hit->address);
    case TRACKING_ADDRESS_NONE: break;
    }
    return NULL;
}

/* `number` is which hit of its kind it was, of this delivery and link; 0: not known. `n` hits are told of, of which
 * this is the last. */
static void
tell (const Hit *hit, gint64 number, guint64 n)
{
    RelaisModule *module = hit->hits->module;
    const TrackingIdentity *identity = &hit->identity;
    g_autofree char *address = kept_address (hit, relais_module_get_config (module));
    RelaisEvent *event = relais_event_new (module, hit->hits->event_type, hit->at_us,
                                           identity->individual ? identity->queue_id : NULL,
                                           identity->individual ? (gint32)identity->recipient : -1);

    relais_event_add (event, "tenant", identity->tenant);
    relais_event_add (event, "campaign", identity->campaign);
    relais_event_add (event, "who", tracking_class_to_string (hit->verdict.klass));
    relais_event_add (event, "reasons", hit->verdict.reasons);
    if (number > 0)
        relais_event_add_bool (event, "first", number == 1);
    if (n > 1)
        relais_event_add_int (event, "repeats", (gint64)n);
    if (hit->head)
        relais_event_add (event, "method", "HEAD");
    /* Where recipients are not told apart the URL stays untold: it may have a parameter that is a person's. */
    if (identity->url[0] != '\0')
        relais_event_add_int (event, "link", identity->link);
    if (identity->url[0] != '\0' && identity->individual)
        relais_event_add (event, "url", identity->url);
    relais_event_add (event, "client", hit->verdict.client);
    relais_event_add (event, "platform", hit->verdict.platform);
    relais_event_add (event, "proxy", hit->proxy);
    relais_event_add (event, "address", address);
    if (identity->individual) {
        relais_event_add (event, "agent", hit->agent);
        relais_event_add_int (event, "seconds_after",
                              (hit->at_us - identity->sent_us) / G_USEC_PER_SEC);
    }
    relais_event_emit (event);
}

static void
count_stored (const Hit *hit, const char *kind, guint64 n)
{
    const TrackingIdentity *identity = &hit->identity;
    g_autofree char *key = NULL;

    if (identity->tenant == NULL)
        return;
    key = g_strdup_printf ("%s/%s/%s/%s", kind, identity->tenant,
                           identity->campaign != NULL ? identity->campaign : "",
                           tracking_class_to_string (hit->verdict.klass));
    relais_store_increment (hit->hits->module, key, strlen (key), (gint64)n, 0, RELAIS_STORE_LAZY,
                            NULL, NULL);
}

static void
told_which (gpointer data, const RelaisStoreReply *reply)
{
    Hit *hit = data;
    const bool known = relais_store_reply_get_result (reply) == RELAIS_STORE_FOUND;
    const gint64 number = known ? relais_store_reply_get_number (reply) : 0;

    if (number == 1)
        count_stored (hit, "u", 1);
    tell (hit, number, 1);
    hit_free (hit);
}

/* What makes a hit the same as another, for which it is one event with it: all that an event tells, but for when it
 * was and, of a recipient, from where. Owned. */
static char *
kind_of (const Hit *hit)
{
    const TrackingIdentity *identity = &hit->identity;
    const char *who = tracking_class_to_string (hit->verdict.klass);
    g_autofree char *all = NULL;

    if (identity->individual)
        return g_strdup_printf ("%s-%u/%u/%d/%d/%s", identity->queue_id, identity->recipient,
                                identity->link, identity->trap, hit->head, who);
    all = g_strdup_printf ("%s/%s/%" G_GINT64_FORMAT "/%u/%d/%d/%s/%s/%s/%s/%s",
                           identity->tenant != NULL ? identity->tenant : "",
                           identity->campaign != NULL ? identity->campaign : "", identity->sent_us,
                           identity->link, identity->trap, hit->head, who, hit->verdict.client,
                           hit->verdict.platform, hit->proxy != NULL ? hit->proxy : "",
                           identity->url);
    return g_compute_checksum_for_string (G_CHECKSUM_SHA256, all, -1);
}

/* Those of a minute that were held back. They came after others of their kind: none of them is the first. */
static void
tell_repeats (gpointer last, guint64 n)
{
    Hit *hit = last;

    if (!hit->head)
        count_stored (hit, "n", n);
    tell (hit, hit->identity.individual && !hit->head ? G_MAXINT64 : 0, n);
    hit_free (hit);
}

/* Asks which hit of its kind it is, if that can be known, and tells it then. Takes the hit. */
static void
settle (Hit *hit)
{
    TrackingHits *hits = hit->hits;
    const TrackingIdentity *identity = &hit->identity;
    const TrackingConfig *config = relais_module_get_config (hits->module);
    const char *who = tracking_class_to_string (hit->verdict.klass);
    g_autofree char *key = NULL;

    relais_counter_add (hits->counter, who, 1);
    if (config != NULL &&
        !tracking_repeats_pass (hits->repeats, kind_of (hit), relais_module_now_us (hits->module),
                                config->repeats, hit))
        return;
    if (!hit->head)
        count_stored (hit, "n", 1);
    if (hit->head || !identity->individual || config == NULL) {
        tell (hit, 0, 1);
        hit_free (hit);
        return;
    }
    key = g_strdup_printf ("f/%s-%u/%s/%u", identity->queue_id, identity->recipient, who,
                           identity->link);
    relais_store_increment (hits->module, key, strlen (key), 1, identity->sent_us + config->life_us,
                            RELAIS_STORE_LAZY, told_which, hit);
}

/* --- Windows ---------------------------------------------------------------------------------- */

static void
leave_window (Hit *hit)
{
    Window *window = g_steal_pointer (&hit->window);

    if (window == NULL || --window->refs > 0)
        return;
    g_hash_table_remove (hit->hits->windows, window->key);
}

static void
window_free (gpointer data)
{
    Window *window = data;

    g_free (window->key);
    g_free (window);
}

static void
join_window (Hit *hit, gint64 window_us)
{
    TrackingHits *hits = hit->hits;
    const TrackingIdentity *identity = &hit->identity;
    g_autofree char *key = g_strdup_printf ("%s-%u", identity->queue_id, identity->recipient);
    Window *window = g_hash_table_lookup (hits->windows, key);

    if (window == NULL) {
        window = g_new0 (Window, 1);
        window->key = g_steal_pointer (&key);
        window->began_us = hit->at_us;
        g_hash_table_insert (hits->windows, window->key, window);
    }
    if (hit->at_us - window->began_us > window_us) {
        window->began_us = hit->at_us;
        window->links = 0;
    }
    window->refs++;
    hit->window = window;
    if (identity->trap)
        window->trap = true;
    else if (identity->n_links > 0)
        window->links |= G_GUINT64_CONSTANT (1) << (identity->link % LINK_BITS);
    if (__builtin_popcountll (window->links) >= BURST_LINKS &&
        (guint32)__builtin_popcountll (window->links) >= MIN (identity->n_links, LINK_BITS) / 2)
        window->burst = true;
}

/* Says who it was, and lets go of it. */
static void
decide (Hit *hit)
{
    const TrackingConfig *config = relais_module_get_config (hit->hits->module);
    const TrackingSigns signs = {
        .head = hit->head,
        .click = hit->identity.n_links > 0 || hit->identity.url[0] != '\0',
        .trap = hit->identity.trap || (hit->window != NULL && hit->window->trap),
        .burst = hit->window != NULL && hit->window->burst,
        .prefetch = hit->prefetch,
        .after_us = hit->identity.individual ? hit->at_us - hit->identity.sent_us : -1,
        .address = hit->address,
        .agent = hit->agent,
    };

    leave_window (hit);
    tracking_who (config->rules, &signs, &hit->verdict);
    hit->proxy = g_strdup (hit->verdict.proxy);
    settle (hit);
}

static void
decide_due (TrackingHits *hits, gint64 until_us)
{
    Hit *hit;

    while ((hit = g_queue_peek_head (&hits->pending)) != NULL &&
           (hit->due_us <= until_us || hits->pending.length > PENDING)) {
        g_queue_pop_head (&hits->pending);
        decide (hit);
    }
}

/* --- Arrival ---------------------------------------------------------------------------------- */

static GPtrArray *
take_arrived (TrackingHits *hits, bool *again)
{
    GPtrArray *arrived;

    g_mutex_lock (&hits->mutex);
    arrived = g_steal_pointer (&hits->arrived);
    hits->arrived = g_ptr_array_new ();
    *again = hits->looking = arrived->len > 0;
    g_mutex_unlock (&hits->mutex);
    return arrived;
}

/* For the next look, or the next hit whose window ends, or the next minute of repeats. */
static void
set_timer (TrackingHits *hits, gint64 now_us, bool look)
{
    const Hit *first = g_queue_peek_head (&hits->pending);
    gint64 wait_us = look ? LOOK_US : G_MAXINT64;

    if (first != NULL)
        wait_us = MIN (wait_us, first->due_us - now_us);
    if (tracking_repeats_next_us (hits->repeats) != G_MAXINT64)
        wait_us = MIN (wait_us, MAX (tracking_repeats_next_us (hits->repeats) - now_us, LOOK_US));
    if (wait_us != G_MAXINT64)
        relais_module_timer_set (hits->timer, wait_us);
}

/* Also the timer's function. */
static void
see_arrived (gpointer data)
{
    TrackingHits *hits = data;
    const TrackingConfig *config = relais_module_get_config (hits->module);
    const gint64 now_us = relais_module_now_us (hits->module);
    bool again;
    g_autoptr (GPtrArray) arrived = take_arrived (hits, &again);

    if (hits->timer == NULL)
        hits->timer = relais_module_timer_new (hits->module, see_arrived, hits);
    for (guint i = 0; i < arrived->len; i++) {
        Hit *hit = g_ptr_array_index (arrived, i);

        hit->due_us = now_us + config->window_us;
        if (hit->identity.individual)
            join_window (hit, config->window_us);
        g_queue_push_tail (&hits->pending, hit);
    }
    decide_due (hits, now_us);
    tracking_repeats_end (hits->repeats, now_us);
    set_timer (hits, now_us, again);
}

/* Whether a browser says that it fetches ahead of its reader: as the Fetch standard has it, and as Chrome, Safari and
 * Firefox said it before. */
static bool
is_prefetch (const RelaisHttpRequest *request)
{
    static const struct {
        const char *name, *value;
    } signs[] = {{"Sec-Purpose", "prefetch"},
                 {"Purpose", "prefetch"},
                 {"X-Purpose", "preview"},
                 {"X-Moz", "prefetch"}};

    for (guint i = 0; i < G_N_ELEMENTS (signs); i++) {
        const char *value = relais_http_get_header (request, signs[i].name);
        const gsize size = strlen (signs[i].value);

        /* "prefetch;prerender" */
        if (value != NULL && g_ascii_strncasecmp (value, signs[i].value, size) == 0 &&
            !g_ascii_isalnum (value[size]))
            return true;
    }
    return false;
}

void
tracking_hits_add (TrackingHits *hits, RelaisHttpRequest *request, TrackingIdentity *identity)
{
    const char *agent = relais_http_get_header (request, "User-Agent");
    Hit *hit = g_new0 (Hit, 1);
    bool wake;

    hit->hits = hits;
    hit->identity = *identity;
    *identity = (TrackingIdentity){0};
    hit->address = g_strdup (relais_http_get_client (request));
    hit->agent = agent != NULL ? g_strndup (agent, AGENT_BYTES) : NULL;
    hit->head = g_str_equal (relais_http_get_method (request), "HEAD");
    hit->prefetch = is_prefetch (request);
    hit->at_us = relais_http_get_wall_us (request);
    g_mutex_lock (&hits->mutex);
    wake = !hits->looking;
    hits->looking = true;
    g_ptr_array_add (hits->arrived, hit);
    g_mutex_unlock (&hits->mutex);
    if (wake)
        relais_module_post (hits->module, see_arrived, hits);
}

/* --- Life ------------------------------------------------------------------------------------- */

TrackingHits *
tracking_hits_new (RelaisModule *module, const char *event_type)
{
    TrackingHits *hits = g_new0 (TrackingHits, 1);

    hits->module = module;
    hits->event_type = g_strdup (event_type);
    hits->counter = relais_counter_new (module, event_type, "who");
    g_queue_init (&hits->pending);
    hits->windows = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, window_free);
    hits->repeats = tracking_repeats_new (tell_repeats, (GDestroyNotify)hit_free);
    g_mutex_init (&hits->mutex);
    hits->arrived = g_ptr_array_new ();
    return hits;
}

void
tracking_hits_flush (TrackingHits *hits)
{
    if (relais_module_get_config (hits->module) == NULL)
        return;
    see_arrived (hits);
    decide_due (hits, G_MAXINT64);
    tracking_repeats_end (hits->repeats, G_MAXINT64 - 1);
    g_clear_pointer (&hits->timer, relais_module_timer_free);
}

void
tracking_hits_free (TrackingHits *hits)
{
    if (hits == NULL)
        return;
    relais_module_timer_free (hits->timer);
    g_assert (g_queue_is_empty (&hits->pending));
    g_assert (hits->arrived->len == 0);
    tracking_repeats_free (hits->repeats);
    g_ptr_array_unref (hits->arrived);
    g_hash_table_unref (hits->windows);
    g_mutex_clear (&hits->mutex);
    g_free (hits->event_type);
    g_free (hits);
}
