/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the tests of the HTTP client share: a fetcher with a resolver, a zone and a web server of its own, and what a
 * fetch came to.
 */
#pragma once

#include "http/fetch-private.h"

#include "dns/server.h"
#include "http/peer.h"

typedef struct {
    TestDns *server;
    RelaisLoop *loop;
    RelaisDns *dns;
    RelaisFetcher *fetcher;
    TestPeer *peer;
    char *folder, *ca_file;
} Fixture;

/* What the server has. */
extern const TestPeerAnswer fetch_answers[];

/* Test data: whether loopback is allowed. Two fetches at once, three wait. */
void fixture_set_up (Fixture *fixture, gconstpointer data);
void fixture_tear_down (Fixture *fixture, gconstpointer data);

typedef struct {
    int told;
    RelaisFetchOutcome outcome;
    RelaisFetchStep reached;
    guint status;
    char *text, *body, *word, *early, *address;
    gsize size;
    gint64 expires_us;
} Got;
void got_clear (Got *got);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Got, got_clear)

/* A RelaisFetchFunc; data is a Got. */
void on_done (const RelaisFetchResult *result, gpointer data);
void wait_for (Fixture *fixture, const Got *got);
/* Of the server. Owned. */
char *url_of (const TestPeer *peer, const char *scheme, const char *host, const char *path);
/* To its end. */
void fetch_info (Fixture *fixture, RelaisFetchInfo *info, Got *got);
void fetch_url (Fixture *fixture, const char *url, Got *got);
void fetch (Fixture *fixture, const char *host, const char *path, Got *got);
/* `text` is in what it says; NULL: whatever it says. */
void assert_outcome (const Got *got, RelaisFetchOutcome outcome, const char *text);
