/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The dispatch: a call is checked, counted and handed to the backend; its end is told in batches, one
 * post to the loop however many end meanwhile. The mutex guards the count and the list of what has
 * ended; it is never held over a call out.
 */
#include "config.h"

#include "store/request-private.h"

struct RelaisStore {
    RelaisLoop *loop;
    RelaisStoreBackend backend; /* submit is NULL: there is none */
    gpointer backend_data;

    GMutex mutex;
    bool open;             /* under mutex, as all below */
    bool settling;         /* every end is posted, so that the loop wakes up */
    bool posted;           /* a delivery is under way */
    guint waiting;         /* calls that the backend has */
    guint64 waiting_bytes; /* that they were made with */
    GQueue ended;          /* RelaisStoreRequest, whose `done` is to be called */
};

RelaisStore *
relais_store_new (RelaisLoop *loop)
{
    RelaisStore *store = g_new0 (RelaisStore, 1);

    store->loop = loop;
    g_mutex_init (&store->mutex);
    g_queue_init (&store->ended);
    return store;
}

void
relais_store_free (RelaisStore *store)
{
    if (store == NULL)
        return;
    relais_store_settle (store);
    g_mutex_clear (&store->mutex);
    g_free (store);
}

void
relais_store_set_backend (RelaisStore *store, const RelaisStoreBackend *backend, gpointer data)
{
    store->backend = *backend;
    store->backend_data = data;
}

bool
relais_store_has_backend (const RelaisStore *store)
{
    return store->backend.submit != NULL;
}

void
relais_store_open (RelaisStore *store)
{
    g_mutex_lock (&store->mutex);
    store->open = true;
    g_mutex_unlock (&store->mutex);
}

guint
relais_store_n_waiting (RelaisStore *store)
{
    guint n;

    g_mutex_lock (&store->mutex);
    n = store->waiting;
    g_mutex_unlock (&store->mutex);
    return n;
}

gint64
relais_store_wall_us (const RelaisStore *store)
{
    return relais_clock_wall_us (relais_loop_clock (store->loop));
}

/* --- Ends ------------------------------------------------------------------------------------- */

/* At most DONE_A_TURN callbacks, then the loop looks at its descriptors again. */
static void
deliver (gpointer data)
{
    RelaisStore *store = data;
    GList *link;
    bool again;

    for (guint n = 0; n < RELAIS_STORE_DONE_A_TURN; n++) {
        RelaisStoreRequest *request;

        g_mutex_lock (&store->mutex);
        link = g_queue_pop_head_link (&store->ended);
        g_mutex_unlock (&store->mutex);
        if (link == NULL)
            break;
        request = link->data;
        if (request->done != NULL)
            request->done (request->data, (const RelaisStoreReply *)request);
        relais_store_reply_unref ((RelaisStoreReply *)request);
    }
    g_mutex_lock (&store->mutex);
    again = store->posted = store->ended.length > 0;
    g_mutex_unlock (&store->mutex);
    if (again)
        relais_loop_post (store->loop, deliver, store);
}

static void
wake (RelaisStoreWaiter *waiter)
{
    g_mutex_lock (&waiter->mutex);
    waiter->done = true;
    g_cond_signal (&waiter->ended);
    g_mutex_unlock (&waiter->mutex);
}

static void
end (RelaisStore *store, RelaisStoreRequest *request, bool counted)
{
    RelaisStoreWaiter *waiter = request->waiter;
    bool listed, post = false;

    g_mutex_lock (&store->mutex);
    if (counted) {
        store->waiting--;
        store->waiting_bytes -= request->octets;
    }
    listed = waiter == NULL && request->done != NULL;
    if (listed)
        g_queue_push_tail_link (&store->ended, &request->link);
    if (listed || store->settling) {
        post = !store->posted;
        store->posted = true;
    }
    g_mutex_unlock (&store->mutex);
    if (post)
        relais_loop_post (store->loop, deliver, store);
    if (waiter != NULL)
        wake (waiter);
    else if (!listed)
        relais_store_reply_unref ((RelaisStoreReply *)request);
}

void
relais_store_ended (RelaisStore *store, RelaisStoreRequest *request)
{
    end (store, request, true);
}

void
relais_store_settle (RelaisStore *store)
{
    bool any = true;

    while (any) {
        g_mutex_lock (&store->mutex);
        any = store->waiting > 0 || store->posted;
        store->settling = any;
        g_mutex_unlock (&store->mutex);
        if (any)
            relais_loop_turn (store->loop, true);
    }
}

void
relais_store_close (RelaisStore *store)
{
    g_mutex_lock (&store->mutex);
    store->open = false;
    g_mutex_unlock (&store->mutex);
    relais_store_settle (store);
}

/* --- Calls ------------------------------------------------------------------------------------ */

/* NULL, or what is wrong with the call. */
static const char *
check (const RelaisStoreCall *call)
{
    const bool scan = call->op == RELAIS_STORE_SCAN;

    if (!scan && (call->key == NULL || call->key_size == 0))
        return "a key has at least 1 octet";
    if ((call->key == NULL && call->key_size > 0) ||
        (call->op == RELAIS_STORE_PUT && call->value == NULL))
        return "octets are wanted, but there are none";
    if (call->key_size > RELAIS_STORE_KEY_BYTES || call->after_size > RELAIS_STORE_KEY_BYTES)
        return "a key has at most 512 octets";
    if (call->value_size > RELAIS_STORE_VALUE_BYTES ||
        call->expected_size > RELAIS_STORE_VALUE_BYTES)
        return "a value has at most 65536 octets";
    if (scan && call->limit == 0)
        return "a scan wants at least 1 row";
    if (call->expires_us < 0)
        return "the expiry lies before 1970";
    if ((call->flags & ~(guint32)RELAIS_STORE_LAZY) != 0)
        return "a flag is not known to this Relais";
    return NULL;
}

static guint64
octets_of (const RelaisStoreCall *call)
{
    return (guint64)call->key_size + call->value_size + call->expected_size + call->after_size;
}

/* Counts the call in, or tells why it cannot be. */
static const char *
admit (RelaisStore *store, const RelaisStoreCall *call)
{
    const char *trouble = check (call);

    if (trouble != NULL)
        return trouble;
    if (!relais_store_has_backend (store))
        return "no store: enable store-gdbm ([module store-gdbm] enable = yes)";
    if ((store->backend.ops & (1u << call->op)) == 0)
        return "the store does not have this operation";
    g_mutex_lock (&store->mutex);
    if (!store->open)
        trouble = "the store is not up";
    else if (store->waiting >= RELAIS_STORE_WAITING ||
             store->waiting_bytes + octets_of (call) > RELAIS_STORE_WAITING_BYTES)
        trouble = "busy: too many calls wait for the store";
    else {
        store->waiting++;
        store->waiting_bytes += octets_of (call);
    }
    g_mutex_unlock (&store->mutex);
    return trouble;
}

static void
hand_over (RelaisStore *store, RelaisStoreRequest *request, const char *trouble)
{
    if (trouble == NULL) {
        store->backend.submit (store->backend_data, request);
        return;
    }
    request->error = g_strdup (trouble);
    end (store, request, false);
}

/* A call that is refused is kept without its octets, which may be of any size. */
static RelaisStoreRequest *
new_request (RelaisStore *store, const char *space, const RelaisStoreCall *call,
             const char *trouble)
{
    const RelaisStoreCall refused = {.op = call->op};
    RelaisStoreRequest *request;

    request = relais_store_request_new (store, space, trouble == NULL ? call : &refused);
    request->octets = trouble == NULL ? octets_of (call) : 0;
    request->limit = MIN (request->limit, RELAIS_STORE_ROWS);
    return request;
}

void
relais_store_submit (RelaisStore *store, const char *space, const RelaisStoreCall *call,
                     RelaisStoreFunc done, gpointer data)
{
    const char *trouble = admit (store, call);
    RelaisStoreRequest *request = new_request (store, space, call, trouble);

    request->done = done;
    request->data = data;
    hand_over (store, request, trouble);
}

RelaisStoreReply *
relais_store_submit_wait (RelaisStore *store, const char *space, const RelaisStoreCall *call)
{
    RelaisStoreWaiter waiter = {0};
    const char *trouble;
    RelaisStoreRequest *request;

    relais_assert_may_block ();
    trouble = admit (store, call);
    request = new_request (store, space, call, trouble);
    g_mutex_init (&waiter.mutex);
    g_cond_init (&waiter.ended);
    request->waiter = &waiter;
    hand_over (store, request, trouble);
    g_mutex_lock (&waiter.mutex);
    while (!waiter.done)
        g_cond_wait (&waiter.ended, &waiter.mutex);
    g_mutex_unlock (&waiter.mutex);
    request->waiter = NULL;
    g_cond_clear (&waiter.ended);
    g_mutex_clear (&waiter.mutex);
    return (RelaisStoreReply *)request;
}
