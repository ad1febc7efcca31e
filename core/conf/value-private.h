/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The value of one option: text into numbers, lists and durations, by its declaration. Pure; any
 * thread.
 */
#pragma once

#include <relais/option.h>

#include <stdbool.h>

typedef struct {
    gint64 number; /* BOOL, INT, SIZE (bytes), DURATION (microseconds), ENUM (index) */
    char *string;  /* STRING, PATH, SECRET; NULL if unset */
    char **list;   /* LIST; never NULL */
    gsize n_list;
    gint64 *durations; /* DURATIONS */
    gsize n_durations;
} RelaisValue;

enum { RELAIS_VALUE_ITEMS = 100000, RELAIS_VALUE_DURATIONS = 64 };
/* No duration is longer, whatever its option declares: a moment and a few of them still fit 64 bits. */
#define RELAIS_VALUE_LONGEST_US (G_GINT64_CONSTANT (1000000) * G_TIME_SPAN_DAY)

/* Parses `text`; `value` is written only on success. On failure `problem` (owned, translated) says
 * what was found and what was expected. */
bool relais_value_parse (const RelaisOption *option, const char *text, RelaisValue *value,
                         char **problem);
/* What an option without default and value has: 0, NULL, an empty list. */
void relais_value_init_unset (const RelaisOption *option, RelaisValue *value);
void relais_value_clear (RelaisValue *value);
/* Adds the items of `more` (taken) behind those of `value`; both LIST. False: too many; `more` is
 * freed all the same. */
bool relais_value_append (RelaisValue *value, RelaisValue *more);
/* Into one that holds nothing. */
void relais_value_copy (const RelaisValue *from, RelaisValue *to);
bool relais_value_equal (const RelaisValue *a, const RelaisValue *b);
bool relais_value_is_unset (const RelaisOption *option, const RelaisValue *value);

/* As it would stand in a file. Owned. */
char *relais_value_to_text (const RelaisOption *option, const RelaisValue *value);
/* "a whole number from 1 to 65535": what the option takes. Owned, translated. */
char *relais_value_expected (const RelaisOption *option);
