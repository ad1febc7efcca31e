/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Calls of relaisctl that wait for something, so that those that still do when the module stops are ended. Each is a
 * part of what its command keeps meanwhile. Loop thread.
 */
#pragma once

#include <relais/command.h>

#ifndef GETTEXT_PACKAGE
#define GETTEXT_PACKAGE "relais"
#endif

typedef struct {
    RelaisCommandCall *call;
    GQueue *queue; /* the module's, of those that wait */
    GList link;
    GDestroyNotify drop;
    gpointer data;
} WaitingCall;

/* The call waits, in `queue`, until waiting_call_end (). `drop` frees `data`, of which `waiting` is a part, and cancels
 * what is under way for it. */
void waiting_call_begin (WaitingCall *waiting, GQueue *queue, RelaisCommandCall *call,
                         GDestroyNotify drop, gpointer data);
/* It waits no longer: calls `drop`. Returns the call, which the caller ends. */
RelaisCommandCall *waiting_call_end (WaitingCall *waiting);
/* In stop: ends all those that wait, as refused. */
void waiting_calls_end_all (GQueue *queue);
