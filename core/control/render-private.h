/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a call yields, for people (a table fitted to the terminal) or for programs (a JSON object a
 * line). relaisctl's thread.
 */
#pragma once

#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdio.h>

typedef struct {
    FILE *out, *err;
    bool json;
    int width;          /* columns of the terminal behind `out`; 0: none, nothing is cut */
    bool show_progress; /* `err` is a terminal */
} RelaisRenderOptions;

typedef struct RelaisRender RelaisRender;
RelaisRender *relais_render_new (const RelaisRenderOptions *options);
void relais_render_free (RelaisRender *render);
/* One line of the daemon but the end: row, note or progress. Anything else is passed over. */
void relais_render_object (RelaisRender *render, JsonObject *object);
/* Prints what is still held back. */
void relais_render_end (RelaisRender *render);
/* After a command that was done: who looks at a terminal is told so where nothing was shown. */
void relais_render_tell_empty (RelaisRender *render);

/* Without control and formatting characters, which could drive the reader's terminal. Owned. */
char *relais_render_clean (const char *text);
/* Columns that clean text takes on a terminal. */
gsize relais_render_columns (const char *text);
/* Writes words from column `at` on, in lines of at most `width` columns if the words are not longer; those that
 * follow begin at `indent`. */
void relais_render_words (FILE *out, const char *text, gsize at, gsize indent, gsize width);
