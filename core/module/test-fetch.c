/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The web that modules find in the harness: pages by URL, and the requests that were made. Fetches come from any
 * thread and are answered on the caller's.
 */
#include "config.h"

#include "module/test-private.h"

#include <string.h>

typedef struct {
    RelaisFetchOutcome outcome;
    guint32 status;
    char *header; /* or NULL */
    GBytes *body;
} Page;

typedef struct {
    char *line;   /* "METHOD URL" */
    GBytes *body; /* never NULL */
} Request;

/* One fetch, on its way to the loop. */
typedef struct {
    RelaisTest *test;
    char *url;
    RelaisFetchFunc done;
    gpointer data;
} Fetch;

static Page *
page_new (RelaisFetchOutcome outcome, guint32 status, const char *header, const char *body)
{
    Page *page = g_new (Page, 1);

    *page = (Page){outcome, status, g_strdup (header), g_bytes_new (body, strlen (body))};
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

static void
answer (gpointer data)
{
    Fetch *fetch = data;
    RelaisHost *host = fetch->test->host;
    const Page *page = g_hash_table_lookup (fetch->test->pages.pages, fetch->url);
    g_autoptr (GBytes) empty = g_bytes_new (NULL, 0);
    const gchar *headers[] = {NULL, NULL};
    RelaisFetchResult result = {.struct_size = sizeof result,
                                .outcome = RELAIS_FETCH_CONNECT,
                                .reached = RELAIS_FETCH_STEP_CONNECT,
                                .headers = headers,
                                .body = empty,
                                .text = "nobody answers there",
                                .address = ""};

    if (page != NULL && page->outcome == RELAIS_FETCH_OK) {
        headers[0] = page->header;
        result.outcome = RELAIS_FETCH_OK;
        result.reached = RELAIS_FETCH_STEP_REQUEST;
        result.status = page->status;
        result.body = page->body;
        result.text = "";
    } else if (page != NULL) {
        result.outcome = page->outcome;
        result.text = "the test said so";
    }
    fetch->done (&result, fetch->data);
    g_free (fetch->url);
    g_free (fetch);
    g_atomic_int_add (&host->jobs, -1);
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

static gboolean
take (gpointer data, const RelaisFetchInfo *info, RelaisFetchFunc done, gpointer done_data)
{
    RelaisTest *test = data;
    Fetch *fetch;

    if (info->url == NULL)
        return FALSE;
    note_request (&test->pages, info);
    fetch = g_new (Fetch, 1);
    *fetch = (Fetch){test, g_strdup (info->url), done, done_data};
    g_atomic_int_inc (&test->host->jobs);
    relais_loop_post (test->loop, answer, fetch);
    return TRUE;
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
    test->host->fetch = take;
    test->host->fetch_data = test;
}

void
relais_test_pages_clear (RelaisTest *test)
{
    g_hash_table_unref (test->pages.pages);
    g_queue_clear_full (&test->pages.requests, request_free);
    g_mutex_clear (&test->pages.mutex);
}
