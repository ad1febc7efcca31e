/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of click-redirector share.
 */
#pragma once

#include "kills.h"
#include "tracking.h"

/* The longest link to us: Windows hands no longer one from a mail program to a browser (INTERNET_MAX_URL_LENGTH). What
 * would get one keeps its own. */
enum { CLICK_LINK_BYTES = 2083 };

typedef struct {
    TrackingConfig tracking; /* first: what modules/tracking takes the object for */
    bool trap, text_links;
} ClickConfig;

/* The module's own; lives from init to finalize. */
typedef struct {
    TrackingHits *hits;
    ClickKills *kills;
    RelaisCounter *skipped, *killed;
} ClickRedirector;

/* --- rewrite.c. REWRITE's function; its data is the ClickRedirector. */
RelaisVerdict click_rewrite (RelaisHook *hook, gpointer data);
