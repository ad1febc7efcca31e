/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A fetch, from its turn to its end:
 *
 *   WAITING -> LOOKING -> CONNECTED -> SETTLED        (an address that does not take the connection:
 *      |          |           |                        the next one; any failure: SETTLED)
 *
 * Settling only notes the outcome and sets the timer, which tells; so `done` never comes from inside a
 * call, and may start and cancel what it likes. One deadline holds from the start to the end.
 *
 * An absence is believed when a server says so now: who has just published a record must not be told
 * from a cache that it is not there.
 *
 * A fetch that was submitted has a number, and stands in `open` from then until it is told of or cancelled:
 * whoever takes it out decides which of the two it is. The memory stays the loop's, which sweeps what was
 * cancelled.
 *
 * Loop thread only, but relais_fetcher_submit (), which puts into `inbox`, and relais_fetcher_cancel (), both
 * under the mutex.
 */
#include "config.h"

#include "http/fetch-private.h"

#include "conf/net-private.h"
#include "dns/resolver-private.h"
#include "http/transfer-private.h"

#include <gio/gio.h>
#include <netinet/in.h>
#include <string.h>

static const gint64 DEFAULT_TIMEOUT_US = 10 * RELAIS_USEC_PER_SEC;
static const gint64 LONGEST_TIMEOUT_US = 10 * RELAIS_USEC_PER_MIN;
/* For connect and handshake with an address that is not the last one. */
static const gint64 CONNECT_US = 5 * RELAIS_USEC_PER_SEC;
enum { DEFAULT_BYTES = 64 * 1024, LARGEST_BYTES = 64 << 20 };
enum { FAMILY_FOUR, FAMILY_SIX, N_FAMILIES };

static const RelaisDnsType family_type[N_FAMILIES] = {RELAIS_DNS_A, RELAIS_DNS_AAAA};

typedef enum { FETCH_WAITING, FETCH_LOOKING, FETCH_CONNECTED, FETCH_SETTLED } FetchState;

struct RelaisFetcher {
    RelaisLoop *loop;
    RelaisDns *dns;
    RelaisCurl *curl;
    GArray *allow;      /* RelaisNet */
    GHashTable *exempt; /* set of "host:port" */
    guint max_fetches, max_waiting;
    guint n_active;
    GQueue fetches; /* RelaisFetch, all, by `place` */
    GQueue waiting; /* those that wait for their turn, by `turn` */
    RelaisFetcherFigures figures;
    GMutex mutex;
    GQueue inbox;        /* RelaisFetch from other threads, by `place`; under mutex */
    GHashTable *open;    /* number -> RelaisFetch, of those submitted; under mutex */
    guint64 last_number; /* under mutex */
    bool posted;         /* take_inbox () is on its way; under mutex */
    bool stopped;        /* under mutex */
};

struct RelaisFetch {
    RelaisFetcher *fetcher;
    GList place, turn;
    FetchState state;
    bool active;    /* counts in n_active */
    guint64 number; /* 0: it was not submitted */
    gint cancelled; /* atomic */
    /* what was asked */
    char *text_url, *method;
    char **headers;
    GBytes *body;
    gint64 timeout_us;
    RelaisFetchFlags flags;
    RelaisFetchFunc done;
    gpointer data;
    GDestroyNotify free_data; /* or NULL */
    RelaisFetchUrl url;
    RelaisTransferRequest request;
    bool exempt;
    /* under way */
    RelaisTimer timer; /* the deadline; once settled: to tell */
    gint64 deadline_us;
    RelaisDnsQuery *queries[N_FAMILIES];
    GArray *found[N_FAMILIES]; /* RelaisDnsAddress */
    bool confirming;
    char *dns_failure;
    GArray *addresses; /* RelaisDnsAddress, in the order of trying */
    guint next_address;
    RelaisTransfer *transfer;
    /* what came of it */
    char *address;
    RelaisTransferAnswer answer;
};

static void connect_next (RelaisFetch *fetch);
static void look_up (RelaisFetch *fetch);

/* --- Life ------------------------------------------------------------------------------------- */

static void
stop_work (RelaisFetch *fetch)
{
    for (int i = 0; i < N_FAMILIES; i++)
        g_clear_pointer (&fetch->queries[i], relais_dns_cancel);
    g_clear_pointer (&fetch->transfer, relais_transfer_free);
}

static void
fetch_free (RelaisFetch *fetch)
{
    if (fetch->free_data != NULL)
        fetch->free_data (fetch->data);
    stop_work (fetch);
    relais_timer_stop (&fetch->timer);
    for (int i = 0; i < N_FAMILIES; i++)
        g_array_unref (fetch->found[i]);
    g_array_unref (fetch->addresses);
    relais_fetch_url_clear (&fetch->url);
    relais_transfer_answer_clear (&fetch->answer);
    g_clear_pointer (&fetch->body, g_bytes_unref);
    g_strfreev (fetch->headers);
    g_free (fetch->text_url);
    g_free (fetch->method);
    g_free (fetch->dns_failure);
    g_free (fetch->address);
    g_free (fetch);
}

static bool
info_is_good (const RelaisFetchInfo *info)
{
    guint n = 0;

    if (info->struct_size != sizeof *info || info->url == NULL ||
        (info->flags & ~(guint32)RELAIS_FETCH_FRESH) != 0 || info->timeout_us < 0)
        return false;
    if (info->method != NULL && !relais_fetch_method_is_good (info->method))
        return false;
    for (const char *const *line = info->headers; line != NULL && *line != NULL; line++)
        if (++n > RELAIS_FETCH_HEADERS || !relais_fetch_header_is_good (*line))
            return false;
    return true;
}

/* Takes copies; touches nothing of the loop's, as it is called on other threads too. */
static RelaisFetch *
fetch_new (RelaisFetcher *fetcher, const RelaisFetchInfo *info, RelaisFetchFunc done, gpointer data)
{
    RelaisFetch *fetch = g_new0 (RelaisFetch, 1);
    const char *method = info->method;

    if (method == NULL)
        method = info->body != NULL ? "POST" : "GET";
    fetch->fetcher = fetcher;
    fetch->place.data = fetch->turn.data = fetch;
    fetch->text_url = g_strndup (info->url, RELAIS_FETCH_URL_BYTES + 1);
    fetch->method = g_strdup (method);
    fetch->headers = g_strdupv ((char **)info->headers);
    fetch->body = info->body != NULL ? g_bytes_ref (info->body) : NULL;
    fetch->timeout_us =
        info->timeout_us > 0 ? MIN (info->timeout_us, LONGEST_TIMEOUT_US) : DEFAULT_TIMEOUT_US;
    fetch->flags = info->flags;
    fetch->done = done;
    fetch->data = data;
    for (int i = 0; i < N_FAMILIES; i++)
        fetch->found[i] = g_array_new (FALSE, FALSE, sizeof (RelaisDnsAddress));
    fetch->addresses = g_array_new (FALSE, FALSE, sizeof (RelaisDnsAddress));
    fetch->request = (RelaisTransferRequest){
        .url = &fetch->url,
        .method = fetch->method,
        .headers = (const char *const *)fetch->headers,
        .body = fetch->body,
        .max_bytes = info->max_bytes > 0 ? MIN (info->max_bytes, LARGEST_BYTES) : DEFAULT_BYTES,
        .fresh = (info->flags & RELAIS_FETCH_FRESH) != 0,
    };
    return fetch;
}

/* --- The end ---------------------------------------------------------------------------------- */

/* `text` is taken. */
static void
settle (RelaisFetch *fetch, RelaisFetchOutcome outcome, RelaisFetchStep reached, char *text)
{
    stop_work (fetch);
    relais_transfer_answer_clear (&fetch->answer);
    fetch->answer = (RelaisTransferAnswer){.outcome = outcome, .reached = reached, .text = text};
    fetch->state = FETCH_SETTLED;
    relais_timer_set (&fetch->timer, 0);
}

static void
give_turns (RelaisFetcher *fetcher)
{
    while (fetcher->n_active < fetcher->max_fetches && fetcher->waiting.length > 0) {
        RelaisFetch *fetch = g_queue_pop_head_link (&fetcher->waiting)->data;

        fetch->active = true;
        fetcher->n_active++;
        look_up (fetch);
    }
}

/* Out of the fetcher; the memory is the caller's. */
static void
leave (RelaisFetch *fetch)
{
    RelaisFetcher *fetcher = fetch->fetcher;

    stop_work (fetch);
    relais_timer_stop (&fetch->timer);
    g_queue_unlink (&fetcher->fetches, &fetch->place);
    if (fetch->active)
        fetcher->n_active--;
    else if (fetch->state == FETCH_WAITING)
        g_queue_unlink (&fetcher->waiting, &fetch->turn);
    fetch->active = false;
}

/* Whether it is to be told of; from here on it cannot be cancelled. */
static bool
close_number (RelaisFetch *fetch)
{
    RelaisFetcher *fetcher = fetch->fetcher;
    bool was_open = true;

    if (fetch->number == 0)
        return true;
    g_mutex_lock (&fetcher->mutex);
    was_open = g_hash_table_remove (fetcher->open, &fetch->number);
    g_mutex_unlock (&fetcher->mutex);
    return was_open;
}

static void
tell (RelaisFetch *fetch)
{
    static const char *const nothing[] = {NULL};
    const RelaisTransferAnswer *answer = &fetch->answer;
    g_autoptr (GBytes) empty = g_bytes_new_static ("", 0);
    const RelaisFetchResult result = {
        .struct_size = sizeof result,
        .outcome = answer->outcome,
        .reached = answer->reached,
        .status = answer->status,
        .headers = answer->headers != NULL ? (const char *const *)answer->headers : nothing,
        .body = answer->body != NULL ? answer->body : empty,
        .text = answer->text != NULL ? answer->text : "",
        .address = fetch->address != NULL ? fetch->address : "",
        .certificate_expires_us = answer->certificate_expires_us,
    };
    RelaisFetcher *fetcher = fetch->fetcher;

    leave (fetch);
    if (close_number (fetch)) {
        fetcher->figures.total++;
        fetcher->figures.failed += answer->outcome != RELAIS_FETCH_OK ? 1 : 0;
        fetch->done (&result, fetch->data);
    }
    fetch_free (fetch);
}

static void
on_deadline (RelaisFetch *fetch)
{
    RelaisFetchStep reached =
        fetch->transfer != NULL ? relais_transfer_reached (fetch->transfer) : RELAIS_FETCH_STEP_DNS;
    static const char *const texts[] = {
        "the name was not looked up in time", "no connection in time",
        "the TLS handshake was not done in time", "no answer in time"};
    const char *text =
        fetch->state == FETCH_WAITING ? "its turn did not come in time" : texts[reached];

    if (fetch->state == FETCH_WAITING)
        g_queue_unlink (&fetch->fetcher->waiting, &fetch->turn);
    settle (fetch, RELAIS_FETCH_TIMEOUT, reached, g_strdup (text));
}

static void
on_timer (gpointer data)
{
    RelaisFetch *fetch = data;
    RelaisFetcher *fetcher = fetch->fetcher;

    if (fetch->state != FETCH_SETTLED)
        on_deadline (fetch);
    else {
        tell (fetch);
        give_turns (fetcher);
    }
}

/* --- The request ------------------------------------------------------------------------------ */

static void
on_transferred (gpointer data, CURLcode code)
{
    RelaisFetch *fetch = data;

    relais_transfer_answer_clear (&fetch->answer);
    relais_transfer_take (fetch->transfer, code, &fetch->answer);
    g_clear_pointer (&fetch->transfer, relais_transfer_free);
    if (fetch->answer.outcome == RELAIS_FETCH_CONNECT &&
        fetch->next_address < fetch->addresses->len) {
        connect_next (fetch);
        return;
    }
    if (fetch->answer.outcome == RELAIS_FETCH_CONNECT) {
        char *text =
            g_strdup_printf ("%s port %u: %s", fetch->address, fetch->url.port, fetch->answer.text);

        g_free (fetch->answer.text);
        fetch->answer.text = text;
    }
    fetch->state = FETCH_SETTLED;
    relais_timer_set (&fetch->timer, 0);
}

static void
connect_next (RelaisFetch *fetch)
{
    const RelaisDnsAddress *address =
        &g_array_index (fetch->addresses, RelaisDnsAddress, fetch->next_address++);
    gint64 left_us = fetch->deadline_us - relais_loop_now_us (fetch->fetcher->loop);

    if (fetch->next_address < fetch->addresses->len)
        left_us = MIN (left_us / 2, CONNECT_US);
    fetch->state = FETCH_CONNECTED;
    fetch->request.connect_us = left_us;
    g_free (fetch->address);
    fetch->address = relais_address_to_text ((const struct sockaddr *)&address->address);
    fetch->transfer =
        relais_transfer_new (fetch->fetcher->curl, &fetch->request, &address->address, fetch);
    if (fetch->transfer == NULL)
        settle (fetch, RELAIS_FETCH_CONNECT, RELAIS_FETCH_STEP_CONNECT,
                g_strdup ("libcurl refuses the request"));
}

/* --- Addresses -------------------------------------------------------------------------------- */

static bool
may_go_to (const RelaisFetch *fetch, const struct sockaddr *address)
{
    return fetch->exempt || relais_nets_contain (fetch->fetcher->allow, address) ||
           relais_address_is_public (address);
}

/* One address that is refused is enough: who mixes them wants one of them to be tried. */
static void
judge_and_connect (RelaisFetch *fetch)
{
    for (guint i = 0; i < fetch->addresses->len; i++) {
        const struct sockaddr *address =
            (const struct sockaddr *)&g_array_index (fetch->addresses, RelaisDnsAddress, i).address;

        if (may_go_to (fetch, address))
            continue;
        g_free (fetch->address);
        fetch->address = relais_address_to_text (address);
        settle (fetch, RELAIS_FETCH_REFUSED_ADDRESS, RELAIS_FETCH_STEP_DNS,
                g_strdup_printf ("%s has the address %s, which is not a public one",
                                 fetch->url.host, fetch->address));
        return;
    }
    connect_next (fetch);
}

static void
add_address (RelaisFetch *fetch, int family, const RelaisDnsRecord *record)
{
    static const int families[] = {[FAMILY_FOUR] = AF_INET, [FAMILY_SIX] = AF_INET6};
    RelaisDnsAddress address = {0};

    if (relais_address_from_bytes (record->bytes, record->size, 0, &address.address,
                                   &address.size) &&
        address.address.ss_family == families[family] &&
        fetch->found[family]->len < RELAIS_FETCH_ADDRESSES / N_FAMILIES)
        g_array_append_val (fetch->found[family], address);
}

/* The families take turns, so that one that does not work here costs one connect. */
static void
order_addresses (RelaisFetch *fetch)
{
    guint longest = MAX (fetch->found[FAMILY_FOUR]->len, fetch->found[FAMILY_SIX]->len);

    for (guint i = 0; i < longest; i++)
        for (int family = 0; family < N_FAMILIES; family++)
            if (i < fetch->found[family]->len)
                g_array_append_val (fetch->addresses,
                                    g_array_index (fetch->found[family], RelaisDnsAddress, i));
}

/* Both families were asked. */
static void
looked_up (RelaisFetch *fetch)
{
    order_addresses (fetch);
    if (fetch->addresses->len > 0)
        judge_and_connect (fetch);
    else if (fetch->dns_failure != NULL)
        settle (fetch, RELAIS_FETCH_DNS_TEMPORARY, RELAIS_FETCH_STEP_DNS,
                g_strdup_printf ("%s cannot be looked up now: %s", fetch->url.host,
                                 fetch->dns_failure));
    else if (!fetch->confirming) {
        fetch->confirming = true;
        look_up (fetch);
    } else
        settle (fetch, RELAIS_FETCH_DNS_ABSENT, RELAIS_FETCH_STEP_DNS,
                g_strdup_printf ("%s has no A or AAAA record", fetch->url.host));
}

static void
on_answer (RelaisFetch *fetch, int family, const RelaisDnsAnswer *answer)
{
    fetch->queries[family] = NULL;
    if (answer->outcome == RELAIS_DNS_DATA)
        for (guint i = 0; i < answer->records->len; i++)
            add_address (fetch, family, &g_array_index (answer->records, RelaisDnsRecord, i));
    else if ((answer->outcome == RELAIS_DNS_TEMPORARY || answer->outcome == RELAIS_DNS_BOGUS) &&
             fetch->dns_failure == NULL)
        fetch->dns_failure = g_strdup (answer->reason != NULL ? answer->reason : "no answer");
    if (fetch->queries[FAMILY_FOUR] == NULL && fetch->queries[FAMILY_SIX] == NULL)
        looked_up (fetch);
}

static void
on_four (gpointer data, const RelaisDnsAnswer *answer)
{
    on_answer (data, FAMILY_FOUR, answer);
}

static void
on_six (gpointer data, const RelaisDnsAnswer *answer)
{
    on_answer (data, FAMILY_SIX, answer);
}

static void
look_up (RelaisFetch *fetch)
{
    static const RelaisDnsFunc funcs[N_FAMILIES] = {on_four, on_six};

    fetch->state = FETCH_LOOKING;
    if (fetch->url.is_literal) {
        const RelaisDnsAddress literal = {fetch->url.address, fetch->url.size};

        g_array_append_val (fetch->addresses, literal);
        judge_and_connect (fetch);
        return;
    }
    for (int i = 0; i < N_FAMILIES; i++)
        fetch->queries[i] = relais_dns_ask (fetch->fetcher->dns, fetch->confirming, fetch->url.host,
                                            family_type[i], funcs[i], fetch);
}

/* --- The start -------------------------------------------------------------------------------- */

static char *
exempt_key (const char *host, guint16 port)
{
    g_autofree char *lower = g_ascii_strdown (host, -1);

    return g_strdup_printf ("%s:%u", lower, port);
}

static bool
is_exempt (const RelaisFetch *fetch)
{
    g_autofree char *key = exempt_key (fetch->url.host, fetch->url.port);

    return g_hash_table_contains (fetch->fetcher->exempt, key);
}

static void
begin (RelaisFetch *fetch)
{
    RelaisFetcher *fetcher = fetch->fetcher;
    const char *problem = NULL;

    g_queue_push_tail_link (&fetcher->fetches, &fetch->place);
    relais_timer_init (&fetch->timer, fetcher->loop, on_timer, fetch);
    fetch->deadline_us = relais_loop_now_us (fetcher->loop) + fetch->timeout_us;
    relais_timer_set_at (&fetch->timer, fetch->deadline_us);
    if (relais_fetch_url_parse (fetch->text_url, &fetch->url, &problem)) {
        fetch->exempt = is_exempt (fetch);
        if (!fetch->exempt && !relais_fetch_port_is_good (fetch->url.port))
            problem = "the URL's port is one below 1024 that is not 80 or 443";
    }
    if (fetcher->stopped)
        settle (fetch, RELAIS_FETCH_STOPPED, RELAIS_FETCH_STEP_DNS, g_strdup ("the daemon stops"));
    else if (problem != NULL)
        settle (fetch, RELAIS_FETCH_BAD_URL, RELAIS_FETCH_STEP_DNS, g_strdup (problem));
    else if (fetcher->n_active >= fetcher->max_fetches &&
             fetcher->waiting.length >= fetcher->max_waiting)
        settle (fetch, RELAIS_FETCH_BUSY, RELAIS_FETCH_STEP_DNS,
                g_strdup ("too many fetches wait already"));
    else {
        g_queue_push_tail_link (&fetcher->waiting, &fetch->turn);
        give_turns (fetcher);
    }
}

static void
sweep (RelaisFetcher *fetcher)
{
    for (GList *link = fetcher->fetches.head, *next; link != NULL; link = next) {
        RelaisFetch *fetch = link->data;

        next = link->next;
        if (g_atomic_int_get (&fetch->cancelled))
            relais_fetcher_drop (fetch);
    }
}

static void
take_inbox (gpointer data)
{
    RelaisFetcher *fetcher = data;
    GQueue inbox;

    g_mutex_lock (&fetcher->mutex);
    inbox = fetcher->inbox;
    g_queue_init (&fetcher->inbox);
    fetcher->posted = false;
    g_mutex_unlock (&fetcher->mutex);
    while (inbox.length > 0) {
        RelaisFetch *fetch = g_queue_pop_head_link (&inbox)->data;

        if (g_atomic_int_get (&fetch->cancelled))
            fetch_free (fetch);
        else
            begin (fetch);
    }
    sweep (fetcher);
}

/* Under mutex. */
static void
post_inbox (RelaisFetcher *fetcher)
{
    if (fetcher->posted)
        return;
    fetcher->posted = true;
    relais_loop_post (fetcher->loop, take_inbox, fetcher);
}

RelaisFetch *
relais_fetcher_start (RelaisFetcher *fetcher, const RelaisFetchInfo *info, RelaisFetchFunc done,
                      gpointer data)
{
    RelaisFetch *fetch;

    relais_loop_assert_owner (fetcher->loop);
    if (fetcher->stopped || !info_is_good (info))
        return NULL;
    fetch = fetch_new (fetcher, info, done, data);
    begin (fetch);
    return fetch;
}

void
relais_fetcher_drop (RelaisFetch *fetch)
{
    RelaisFetcher *fetcher;

    if (fetch == NULL)
        return;
    fetcher = fetch->fetcher;
    leave (fetch);
    fetch_free (fetch);
    if (!fetcher->stopped)
        give_turns (fetcher);
}

guint64
relais_fetcher_submit (RelaisFetcher *fetcher, const RelaisFetchInfo *info, RelaisFetchFunc done,
                       gpointer data, GDestroyNotify free_data)
{
    RelaisFetch *fetch;
    guint64 number = 0;

    if (!info_is_good (info)) {
        if (free_data != NULL)
            free_data (data);
        return 0;
    }
    fetch = fetch_new (fetcher, info, done, data);
    fetch->free_data = free_data;
    g_mutex_lock (&fetcher->mutex);
    if (!fetcher->stopped) {
        number = fetch->number = ++fetcher->last_number;
        g_hash_table_insert (fetcher->open, &fetch->number, fetch);
        g_queue_push_tail_link (&fetcher->inbox, &fetch->place);
        post_inbox (fetcher);
    }
    g_mutex_unlock (&fetcher->mutex);
    if (number == 0)
        fetch_free (fetch);
    return number;
}

bool
relais_fetcher_cancel (RelaisFetcher *fetcher, guint64 number)
{
    RelaisFetch *fetch;

    g_mutex_lock (&fetcher->mutex);
    fetch = g_hash_table_lookup (fetcher->open, &number);
    if (fetch != NULL) {
        g_hash_table_remove (fetcher->open, &number);
        g_atomic_int_set (&fetch->cancelled, TRUE);
        if (!fetcher->stopped)
            post_inbox (fetcher);
    }
    g_mutex_unlock (&fetcher->mutex);
    return fetch != NULL;
}

/* --- The fetcher ------------------------------------------------------------------------------ */

RelaisFetcher *
relais_fetcher_new (const RelaisFetcherOptions *options, GError **error)
{
    g_autoptr (RelaisFetcher) fetcher = g_new0 (RelaisFetcher, 1);
    static const char *const nothing[] = {NULL};
    const char *bad = NULL;

    fetcher->loop = options->loop;
    fetcher->dns = options->dns;
    fetcher->max_fetches = options->max_fetches;
    fetcher->max_waiting = options->max_waiting;
    fetcher->exempt = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    fetcher->open = g_hash_table_new (g_int64_hash, g_int64_equal);
    g_mutex_init (&fetcher->mutex);
    fetcher->allow = relais_nets_parse (options->allow != NULL ? options->allow : nothing, &bad);
    if (fetcher->allow == NULL) {
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "'%s' is no network", bad);
        return NULL;
    }
    fetcher->curl = relais_curl_new (options->loop, options->ca_file, on_transferred, error);
    return fetcher->curl != NULL ? g_steal_pointer (&fetcher) : NULL;
}

/* What is on its way through the loop must not find us gone. */
static bool
is_posted (RelaisFetcher *fetcher)
{
    bool posted;

    g_mutex_lock (&fetcher->mutex);
    posted = fetcher->posted;
    g_mutex_unlock (&fetcher->mutex);
    return posted;
}

void
relais_fetcher_stop (RelaisFetcher *fetcher)
{
    g_mutex_lock (&fetcher->mutex);
    fetcher->stopped = true;
    g_mutex_unlock (&fetcher->mutex);
    while (is_posted (fetcher))
        relais_loop_turn (fetcher->loop, true);
    while (fetcher->fetches.length > 0) {
        RelaisFetch *fetch = fetcher->fetches.head->data;

        if (fetch->state == FETCH_WAITING)
            g_queue_unlink (&fetcher->waiting, &fetch->turn);
        if (fetch->state != FETCH_SETTLED)
            settle (fetch, RELAIS_FETCH_STOPPED, RELAIS_FETCH_STEP_DNS,
                    g_strdup ("the daemon stops"));
        tell (fetch);
    }
}

void
relais_fetcher_free (RelaisFetcher *fetcher)
{
    if (fetcher == NULL)
        return;
    relais_fetcher_stop (fetcher);
    relais_curl_free (fetcher->curl);
    g_hash_table_unref (fetcher->exempt);
    g_hash_table_unref (fetcher->open);
    g_clear_pointer (&fetcher->allow, g_array_unref);
    g_mutex_clear (&fetcher->mutex);
    g_free (fetcher);
}

void
relais_fetcher_exempt (RelaisFetcher *fetcher, const char *host, guint16 port)
{
    g_hash_table_add (fetcher->exempt, exempt_key (host, port));
}

void
relais_fetcher_figures (RelaisFetcher *fetcher, RelaisFetcherFigures *figures)
{
    *figures = fetcher->figures;
    figures->active = fetcher->n_active;
    figures->waiting = fetcher->waiting.length;
}
