/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * libspf2 as a pure function: a request with what is known of DNS in, a verdict or the questions that are open out.
 * For the helper program and for tests that run it in a process of their own.
 */
#pragma once

#include "wire.h"

typedef struct Spf2 Spf2;
/* Before the sandbox is entered: the library wants to know the machine's name. */
Spf2 *spf2_new (void);
void spf2_free (Spf2 *spf2);
/* The reply is to be cleared. May end the process: the library aborts where it finds itself in error. */
void spf2_evaluate (Spf2 *spf2, const SpfWireRequest *request, SpfWireReply *reply);
