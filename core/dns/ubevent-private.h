/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * libunbound's pluggable events on our loop. One base serves any number of libunbound contexts of
 * one loop and must outlive them.
 */
#pragma once

#include "loop/loop-private.h"

struct ub_event_base;

struct ub_event_base *relais_ub_base_new (RelaisLoop *loop);
void relais_ub_base_free (struct ub_event_base *base);
