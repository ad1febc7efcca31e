/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which links are tracked (links.c). Pure; any thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

enum { CLICK_UNSUBSCRIBE_URLS = 16 }; /* that are read of a List-Unsubscribe header */

/* What becomes of a link: it is tracked, or why it is left as it is. */
typedef enum {
    CLICK_TRACK,
    CLICK_SCHEME,      /* anything but an absolute http or https URL */
    CLICK_TEMPLATE,    /* something in it was to be filled in, and was not */
    CLICK_UNSUBSCRIBE, /* leads out of a list */
    CLICK_URL,         /* where a browser would go is not certain */
    CLICK_OWN,         /* leads to the tracking host already */
    CLICK_NO_TRACK     /* the sender said so; click_choose () does not know of it */
} ClickChoice;

/* What is known of the message that a link stands in. */
typedef struct {
    const GPtrArray *unsubscribe; /* click_list_unsubscribe (), or NULL */
    const char *own;              /* click_url_serialize () of the tracking base, or NULL */
} ClickPage;

/* The choice in a word, for a counter's label. */
const char *click_choice_reason (ClickChoice choice);

/* `href` and `utf8` as click_url_serialize () has them. `*url` is the URL if it is to be tracked, for the
 * caller to g_free (), else NULL. */
ClickChoice
click_choose (const char *href, gsize size, bool utf8, const ClickPage *page, char **url);

/* The http and https URLs that the value of a List-Unsubscribe header names, folded or not, as
 * click_url_serialize () writes them; those it makes nothing of are left out. Owned by the caller. */
GPtrArray *click_list_unsubscribe (const char *value, gsize size);
