/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The HTTP client: looks names up by core/dns, refuses addresses that are not public, has libcurl make
 * the request to the one that was looked at (include/relais/fetch.h says what that is for).
 *
 * Loop thread only, but relais_fetcher_submit () and relais_fetcher_cancel ().
 */
#pragma once

#include "dns/dns-private.h"
#include "loop/loop-private.h"

#include <relais/fetch.h>

typedef struct RelaisFetcher RelaisFetcher;
typedef struct RelaisFetch RelaisFetch;

enum { RELAIS_FETCH_ADDRESSES = 16 /* of one name that are tried */ };

typedef struct {
    RelaisLoop *loop;
    RelaisDns *dns;
    const char *ca_file; /* instead of the system's; or NULL */
    const char *const
        *allow; /* NULL-terminated networks that are fetched from though not public; or NULL */
    guint max_fetches; /* at once */
    guint max_waiting; /* beyond these: BUSY */
} RelaisFetcherOptions;

/* May block (reads files). */
RelaisFetcher *relais_fetcher_new (const RelaisFetcherOptions *options, GError **error);
/* What is under way ends as STOPPED, from here; nothing is taken any more. */
void relais_fetcher_stop (RelaisFetcher *fetcher);
/* Stops, then frees. No thread may submit any more. Accepts NULL. */
void relais_fetcher_free (RelaisFetcher *fetcher);

/* The administrator named this host: its addresses and port are not refused. */
void relais_fetcher_exempt (RelaisFetcher *fetcher, const char *host, guint16 port);

/* Starts; the handle is valid until `done`. NULL as relais_fetch () says 0. */
RelaisFetch *relais_fetcher_start (RelaisFetcher *fetcher, const RelaisFetchInfo *info,
                                   RelaisFetchFunc done, gpointer data);
/* `done` will not be called. Accepts NULL. Not for those that were submitted. */
void relais_fetcher_drop (RelaisFetch *fetch);
/* As relais_fetch () and relais_fetch_cancel (); `free_data` (or NULL) is called on `data` in any case, once
 * `done` will not be called any more. Any thread. */
guint64 relais_fetcher_submit (RelaisFetcher *fetcher, const RelaisFetchInfo *info,
                               RelaisFetchFunc done, gpointer data, GDestroyNotify free_data);
bool relais_fetcher_cancel (RelaisFetcher *fetcher, guint64 number);

typedef struct {
    guint active, waiting;
    guint64 total, failed; /* that ended; and not as OK */
} RelaisFetcherFigures;
void relais_fetcher_figures (RelaisFetcher *fetcher, RelaisFetcherFigures *figures);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisFetcher, relais_fetcher_free)
