/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The usual scene of the queue's tests: a fixture and one sink, to which *.rcpt.test is routed and
 * where every other domain's port lies.
 */
#pragma once

#include "fixture.h"

typedef struct {
    Fixture fixture;
    Sink *sink;
    char *conf;
} Test;

/* `more` is added to the configuration, with @PORT@ for the sink's port. */
void test_open (Test *test, const char *more);
void test_close (Test *test);
/* The sink is on the loop and goes with it; a new one takes its place. */
void restart (Test *test, gint64 away_us);
RelaisQueueFigures figures (Test *test);

/* Answers by the start of the line, or by an address that it holds ("<local@"). */
typedef struct {
    const char *line, *answer;
    guint n; /* how often; 0 for ever */
} Rule;

const char *by_rules (gpointer rules, Sink *sink, const char *line);
