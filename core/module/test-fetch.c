/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The web that modules find in the harness: pages by URL, and the requests that were made. Fetches come from any
 * thread and are answered on the caller's. One is in `open` until it is answered or cancelled, and its memory the
 * caller's thread's; while a page is held back it waits there for its time to be over.
 */
#include "config.h"

#include "module/test-private.h"

#include <string.h>

static const gint64 DEFAULT_TIMEOUT_US = 10 * RELAIS_USEC_PER_SEC;

typedef struct {
    RelaisFetchOutcome outcome;
    gboolean held; /* nothing comes */
    guint32 status;
    char *header; /* or NULL */
    GBytes *body;
} Page;

typedef struct {
    char *line;   /* "METHOD URL" */
    GBytes *body; /* never NULL */
} Request;

typedef struct {
    RelaisTest *test;
    guint64 number;
    char *url;
    gint64 timeout_us;
    RelaisFetchFunc done;
    gpointer data;
    RelaisTimer timer;
    bool waits; /* for the timer; under the mutex */
} Fetch;

static Page *
page_new (RelaisFetchOutcome outcome, guint32 status, const char *header, const char *body)
{
    Page *page = g_new (Page, 1);

    *page = (Page){.outcome = outcome,
                   .status = status,
                   .header = g_strdup (header),
                   .body = g_bytes_new (body, strlen (body))};
    return page;
}

static void
page_free (gpointer data)
{
    Page *page = data;

    g_free (page->header);
    g_bytes_unref (page->body);
    g_free (page);
}

static void
request_free (gpointer data)
{
    Request *request = data;

    g_free (request->line);
    g_bytes_unref (request->body);
    g_free (request);
}

/* --- Answering ---------------------------------------------------------------------------------- */

/* Whether it is to be told of: whoever takes it out of `open` has it. */
static bool
close_fetch (const Fetch *fetch)
{
    RelaisTestPages *pages = &fetch->test->pages;
    bool was_open;

    g_mutex_lock (&pages->mutex);
    was_open = g_hash_table_remove (pages->open, &fetch->number);
    g_mutex_unlock (&pages->mutex);
    return was_open;
}

static void
tell (const Fetch *fetch, const Page *page, RelaisFetchOutcome outcome, const char *text)
{
    g_autoptr (GBytes) empty = g_bytes_new (NULL, 0);
    const gchar *headers[] = {NULL, NULL};
    RelaisFetchResult result = {.struct_size = sizeof result,
                                .outcome = outcome,
                                .reached = RELAIS_FETCH_STEP_CONNECT,
                                .headers = headers,
                                .body = empty,
                                .text = text,
                                .address = ""};

    if (outcome == RELAIS_FETCH_OK) {
        headers[0] = page->header;
        result.reached = RELAIS_FETCH_STEP_REQUEST;
        result.status = page->status;
        result.body = page->body;
    }
    fetch->done (&result, fetch->data);
}

static void
fetch_free (Fetch *fetch)
{
    relais_timer_stop (&fetch->timer);
    g_free (fetch->url);
    g_free (fetch);
}

/* If it was cancelled meanwhile, reap () is on its way. */
static void
on_timer (gpointer data)
{
    Fetch *fetch = data;

    if (!close_fetch (fetch))
        return;
    tell (fetch, NULL, RELAIS_FETCH_TIMEOUT, "no answer in time");
    fetch_free (fetch);
}

static void
reap (gpointer data)
{
    Fetch *fetch = data;
    RelaisHost *host = fetch->test->host;

    fetch_free (fetch);
    g_atomic_int_add (&host->jobs, -1);
}

/* Whether it is to wait: then it stays open. */
static bool
begin_to_wait (Fetch *fetch, const Page *page)
{
    RelaisTestPages *pages = &fetch->test->pages;

    g_mutex_lock (&pages->mutex);
    fetch->waits = page != NULL && page->held && !pages->stopping &&
                   g_hash_table_contains (pages->open, &fetch->number);
    g_mutex_unlock (&pages->mutex);
    return fetch->waits;
}

static void
tell_page (const Fetch *fetch, const Page *page)
{
    if (page == NULL)
        tell (fetch, NULL, RELAIS_FETCH_CONNECT, "nobody answers there");
    else if (page->held)
        tell (fetch, NULL, RELAIS_FETCH_STOPPED, "the daemon stops");
    else
        tell (fetch, page, page->outcome,
              page->outcome == RELAIS_FETCH_OK ? "" : "the test said so");
}

/* On the loop, once: answers, or begins to wait. */
static void
answer (gpointer data)
{
    Fetch *fetch = data;
    RelaisHost *host = fetch->test->host;
    const Page *page = g_hash_table_lookup (fetch->test->pages.pages, fetch->url);

    if (begin_to_wait (fetch, page)) {
        relais_timer_set (&fetch->timer, fetch->timeout_us);
    } else {
        if (close_fetch (fetch))
            tell_page (fetch, page);
        fetch_free (fetch);
    }
    g_atomic_int_add (&host->jobs, -1);
}

static bool
cancel (gpointer data, guint64 number)
{
    RelaisTest *test = data;
    RelaisTestPages *pages = &test->pages;
    Fetch *fetch;

    g_mutex_lock (&pages->mutex);
    fetch = g_hash_table_lookup (pages->open, &number);
    if (fetch != NULL) {
        g_hash_table_remove (pages->open, &number);
        if (fetch->waits) {
            g_atomic_int_inc (&test->host->jobs);
            relais_loop_post (test->loop, reap, fetch);
        }
    }
    g_mutex_unlock (&pages->mutex);
    return fetch != NULL;
}

static void
note_request (RelaisTestPages *pages, const RelaisFetchInfo *info)
{
    Request *request = g_new (Request, 1);
    const char *method = info->method != NULL ? info->method : info->body != NULL ? "POST" : "GET";

    request->line = g_strdup_printf ("%s %s", method, info->url);
    request->body = info->body != NULL ? g_bytes_ref (info->body) : g_bytes_new (NULL, 0);
    g_mutex_lock (&pages->mutex);
    g_queue_push_tail (&pages->requests, request);
    g_mutex_unlock (&pages->mutex);
}

static guint64
take (gpointer data, const RelaisFetchInfo *info, RelaisFetchFunc done, gpointer done_data)
{
    RelaisTest *test = data;
    Fetch *fetch;
    guint64 number;

    if (info->url == NULL)
        return 0;
    note_request (&test->pages, info);
    fetch = g_new0 (Fetch, 1);
    fetch->test = test;
    fetch->url = g_strdup (info->url);
    fetch->timeout_us = info->timeout_us > 0 ? info->timeout_us : DEFAULT_TIMEOUT_US;
    fetch->done = done;
    fetch->data = done_data;
    relais_timer_init (&fetch->timer, test->loop, on_timer, fetch);
    g_mutex_lock (&test->pages.mutex);
    number = fetch->number = ++test->pages.last_number;
    g_hash_table_insert (test->pages.open, &fetch->number, fetch);
    g_mutex_unlock (&test->pages.mutex);
    g_atomic_int_inc (&test->host->jobs);
    relais_loop_post (test->loop, answer, fetch);
    return number;
}

/* --- What the test says ------------------------------------------------------------------------- */

void
relais_test_add_page (RelaisTest *test, const gchar *url, guint32 status, const gchar *header,
                      const gchar *body)
{
    g_return_if_fail (url != NULL && body != NULL);
    g_hash_table_replace (test->pages.pages, g_strdup (url),
                          page_new (RELAIS_FETCH_OK, status, header, body));
}

void
relais_test_fail_page (RelaisTest *test, const gchar *url, RelaisFetchOutcome outcome)
{
    g_return_if_fail (url != NULL && outcome != RELAIS_FETCH_OK);
    g_hash_table_replace (test->pages.pages, g_strdup (url), page_new (outcome, 0, NULL, ""));
}

void
relais_test_hold_page (RelaisTest *test, const gchar *url)
{
    Page *page = page_new (RELAIS_FETCH_OK, 0, NULL, "");

    g_return_if_fail (url != NULL);
    page->held = true;
    g_hash_table_replace (test->pages.pages, g_strdup (url), page);
}

guint32
relais_test_n_fetches (RelaisTest *test)
{
    guint32 n;

    g_mutex_lock (&test->pages.mutex);
    n = g_hash_table_size (test->pages.open);
    g_mutex_unlock (&test->pages.mutex);
    return n;
}

gchar *
relais_test_take_request (RelaisTest *test, GBytes **body)
{
    Request *request;
    gchar *line = NULL;

    g_mutex_lock (&test->pages.mutex);
    request = g_queue_pop_head (&test->pages.requests);
    g_mutex_unlock (&test->pages.mutex);
    if (body != NULL)
        *body = request != NULL ? g_bytes_ref (request->body) : NULL;
    if (request != NULL) {
        line = g_steal_pointer (&request->line);
        request_free (request);
    }
    return line;
}

void
relais_test_pages_init (RelaisTest *test)
{
    test->pages.pages = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, page_free);
    g_mutex_init (&test->pages.mutex);
    g_queue_init (&test->pages.requests);
    test->pages.open = g_hash_table_new (g_int64_hash, g_int64_equal);
    test->host->fetch = take;
    test->host->fetch_cancel = cancel;
    test->host->fetch_data = test;
}

/* Those that are on their way through the loop are answered there. */
void
relais_test_pages_stop (RelaisTest *test)
{
    RelaisTestPages *pages = &test->pages;
    g_autoptr (GPtrArray) waiting = g_ptr_array_new ();
    GHashTableIter iter;
    gpointer fetch;

    g_mutex_lock (&pages->mutex);
    pages->stopping = true;
    g_hash_table_iter_init (&iter, pages->open);
    while (g_hash_table_iter_next (&iter, NULL, &fetch))
        if (((const Fetch *)fetch)->waits)
            g_ptr_array_add (waiting, fetch);
    g_mutex_unlock (&pages->mutex);
    for (guint i = 0; i < waiting->len; i++)
        if (close_fetch (waiting->pdata[i])) {
            tell (waiting->pdata[i], NULL, RELAIS_FETCH_STOPPED, "the daemon stops");
            fetch_free (waiting->pdata[i]);
        }
}

void
relais_test_pages_clear (RelaisTest *test)
{
    g_hash_table_unref (test->pages.pages);
    g_hash_table_unref (test->pages.open);
    g_queue_clear_full (&test->pages.requests, request_free);
    g_mutex_clear (&test->pages.mutex);
}
