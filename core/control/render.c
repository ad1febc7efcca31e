/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rows as tables. The widths of a table come from its first HELD rows; those after it are printed as
 * they come, so that a listing of a million rows needs no memory. Values are shown cleaned: replies
 * of strangers stand in them.
 */
#include "config.h"

#include "control/render-private.h"

#include "control/wire-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

enum {
    HELD = 500,
    FAIR_WIDTH = 14, /* what a text keeps when it gives way: an id is whole in it */
    GAP = 2,
    FOLD_INDENT = 4
};

typedef struct {
    char *name;
    gsize width;
    bool is_number; /* all values so far: aligned to the right */
    bool is_time;
    bool begins_line; /* of a row that takes several */
    bool gives_way;   /* longer values are cut to the width */
} Column;

struct RelaisRender {
    RelaisRenderOptions options;
    GArray *columns; /* Column; of the table that is being built */
    GPtrArray *held; /* char **, a cell a column */
    GPtrArray *notes;
    bool fixed;     /* heads were printed, widths stay */
    bool any_table; /* so that an empty line separates tables */
    bool progress;  /* a progress line stands on the terminal */
    bool any_shown; /* row, note or text as it is */
};

/* --- Text ------------------------------------------------------------------------------------- */

static bool
is_harmless (gunichar c)
{
    switch (g_unichar_type (c)) {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT:
    case G_UNICODE_SURROGATE:
    case G_UNICODE_UNASSIGNED:
    case G_UNICODE_PRIVATE_USE:
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR: return false;
    default: return true;
    }
}

char *
relais_render_clean (const char *text)
{
    g_autofree char *valid = g_utf8_make_valid (text, -1);
    g_autoptr (GString) clean = g_string_sized_new (strlen (valid));

    for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p)) {
        gunichar c = g_utf8_get_char (p);

        if (is_harmless (c))
            g_string_append_unichar (clean, c);
        else if (c == '\n')
            g_string_append (clean, "\\n");
        else if (c == '\t')
            g_string_append_c (clean, ' ');
        else
            g_string_append_printf (clean, c < 0x100 ? "\\x%02x" : "\\u{%x}", c);
    }
    return g_string_free (g_steal_pointer (&clean), FALSE);
}

static gsize
char_columns (gunichar c)
{
    if (g_unichar_iszerowidth (c))
        return 0;
    return g_unichar_iswide (c) ? 2 : 1;
}

gsize
relais_render_columns (const char *text)
{
    gsize columns = 0;

    for (; *text != '\0'; text = g_utf8_next_char (text))
        columns += char_columns (g_utf8_get_char (text));
    return columns;
}

/* The octets of `text` that fit into `width` columns. */
static gsize
fitting_size (const char *text, gsize width)
{
    const char *p = text;
    gsize columns = 0;

    while (*p != '\0') {
        columns += char_columns (g_utf8_get_char (p));
        if (columns > width)
            break;
        p = g_utf8_next_char (p);
    }
    return (gsize)(p - text);
}

void
relais_render_words (FILE *out, const char *text, gsize at, gsize indent, gsize width)
{
    g_auto (GStrv) words = g_strsplit (text, " ", -1);
    bool begins = true;

    for (char **word = words; *word != NULL; word++) {
        const gsize columns = relais_render_columns (*word);

        if (!begins && at + 1 + columns > width) {
            fprintf (out, "\n%*s", (int)indent, "");
            at = indent;
            begins = true;
        }
        fprintf (out, "%s%s", begins ? "" : " ", *word);
        at += columns + (begins ? 0 : 1);
        begins = false;
    }
    fputc ('\n', out);
}

static void
clear_progress (RelaisRender *render)
{
    if (render->progress)
        fputs ("\r\033[K", render->options.err);
    render->progress = false;
}

/* --- Life ------------------------------------------------------------------------------------- */

static void
column_clear (gpointer data)
{
    g_free (((Column *)data)->name);
}

RelaisRender *
relais_render_new (const RelaisRenderOptions *options)
{
    RelaisRender *render = g_new0 (RelaisRender, 1);

    render->options = *options;
    render->columns = g_array_new (FALSE, TRUE, sizeof (Column));
    g_array_set_clear_func (render->columns, column_clear);
    render->held = g_ptr_array_new_with_free_func ((GDestroyNotify)g_strfreev);
    render->notes = g_ptr_array_new_with_free_func (g_free);
    return render;
}

void
relais_render_free (RelaisRender *render)
{
    if (render == NULL)
        return;
    g_array_unref (render->columns);
    g_ptr_array_unref (render->held);
    g_ptr_array_unref (render->notes);
    g_free (render);
}

/* --- Tables ----------------------------------------------------------------------------------- */

static Column *
column_at (RelaisRender *render, guint i)
{
    return &g_array_index (render->columns, Column, i);
}

static void
print_cell (RelaisRender *render, guint i, const char *text)
{
    const Column *column = column_at (render, i);
    FILE *out = render->options.out;
    gsize columns = relais_render_columns (text), padding;
    bool last = i + 1 == render->columns->len || column_at (render, i + 1)->begins_line;
    bool cut = column->gives_way && columns > column->width;

    if (cut) {
        gsize size = fitting_size (text, column->width - 1);
        g_autofree char *head = g_strndup (text, size);

        fputs (head, out);
        fputs ("…", out);
        columns = relais_render_columns (head) + 1;
    }
    padding = columns < column->width ? column->width - columns : 0;
    if (!cut && column->is_number)
        fprintf (out, "%*s", (int)padding, "");
    if (!cut)
        fputs (text, out);
    if (!last)
        fprintf (out, "%*s", (int)((column->is_number && !cut ? 0 : padding) + GAP), "");
}

/* Whether there is nothing in the cells of the line that begins with column `i`. */
static bool
line_is_empty (RelaisRender *render, guint i, char **cells)
{
    const guint begin = i;

    for (; i < render->columns->len && (i == begin || !column_at (render, i)->begins_line); i++)
        if (cells[i][0] != '\0')
            return false;
    return true;
}

static void
print_row (RelaisRender *render, char **cells)
{
    bool skip = false;

    for (guint i = 0; i < render->columns->len; i++) {
        if (column_at (render, i)->begins_line) {
            skip = line_is_empty (render, i, cells);
            if (!skip)
                fprintf (render->options.out, "\n%*s", FOLD_INDENT, "");
        }
        if (!skip)
            print_cell (render, i, cells[i]);
    }
    fputc ('\n', render->options.out);
}

static bool
is_text (const Column *column)
{
    return !column->is_number && !column->is_time;
}

/* What the table takes; `fair`: if all texts give way as far as they may. */
static gsize
table_width (RelaisRender *render, bool fair)
{
    gsize total = 0;

    for (guint i = 0; i < render->columns->len; i++) {
        const Column *column = column_at (render, i);

        total += fair && is_text (column) ? MIN (column->width, FAIR_WIDTH) : column->width;
        total += i > 0 ? GAP : 0;
    }
    return total;
}

static Column *
widest_text (RelaisRender *render)
{
    Column *widest = NULL;

    for (guint i = 0; i < render->columns->len; i++) {
        Column *column = column_at (render, i);

        if (is_text (column) && (widest == NULL || column->width >= widest->width))
            widest = column;
    }
    return widest;
}

/* The widest texts give way, down to an equal width. Numbers and times would say little when cut. */
static void
narrow_columns (RelaisRender *render, gsize room)
{
    for (gsize total = table_width (render, false); total > room;) {
        Column *column = widest_text (render);
        const gsize less = column->width > room ? column->width - room : 1;

        column->gives_way = true;
        column->width -= less;
        total -= less;
    }
}

/* A row goes on in further lines, which are indented. */
static void
fold_columns (RelaisRender *render, gsize room)
{
    const gsize most = MAX (room, FOLD_INDENT + FAIR_WIDTH) - FOLD_INDENT;
    gsize at = 0;

    for (guint i = 0; i < render->columns->len; i++) {
        Column *column = column_at (render, i);

        column->gives_way = is_text (column) && column->width > most;
        if (column->gives_way)
            column->width = most;
        column->begins_line = i > 0 && at + GAP + column->width > room;
        if (column->begins_line)
            at = FOLD_INDENT + column->width;
        else
            at += column->width + (i > 0 ? GAP : 0);
    }
}

static void
fit_columns (RelaisRender *render)
{
    const gsize room = (gsize)MAX (render->options.width, 0);

    if (room == 0 || table_width (render, false) <= room)
        return;
    if (table_width (render, true) <= room)
        narrow_columns (render, room);
    else
        fold_columns (render, room);
}

static void
print_heads (RelaisRender *render)
{
    g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
    g_auto (GStrv) heads = NULL;

    for (guint i = 0; i < render->columns->len; i++) {
        g_autofree char *clean = relais_render_clean (column_at (render, i)->name);
        g_autofree char *head = g_utf8_strup (clean, -1);

        g_strv_builder_add (builder, head);
    }
    heads = g_strv_builder_end (builder);
    print_row (render, heads);
}

/* Prints heads and held rows; what comes is printed at once from now on. */
static void
fix_table (RelaisRender *render)
{
    if (render->fixed || render->columns->len == 0)
        return;
    if (render->any_table)
        fputc ('\n', render->options.out);
    fit_columns (render);
    print_heads (render);
    for (guint i = 0; i < render->held->len; i++)
        print_row (render, g_ptr_array_index (render->held, i));
    g_ptr_array_set_size (render->held, 0);
    render->fixed = true;
    render->any_table = true;
}

static bool
fits_table (RelaisRender *render, JsonObject *row)
{
    guint n = 0;

    for (guint i = 0; i < render->columns->len; i++)
        n += json_object_has_member (row, column_at (render, i)->name);
    return n == json_object_get_size (row);
}

static void
begin_table (RelaisRender *render, JsonObject *row)
{
    g_autoptr (GList) names = json_object_get_members (row);

    fix_table (render);
    g_array_set_size (render->columns, 0);
    for (GList *name = names; name != NULL; name = name->next) {
        Column column = {.name = g_strdup (name->data), .is_number = true};

        column.width = relais_render_columns (column.name);
        g_array_append_val (render->columns, column);
    }
    render->fixed = false;
}

/* RFC 3339 in UTC as local time. */
static char *
local_time (const char *text)
{
    g_autoptr (GDateTime) utc = g_date_time_new_from_iso8601 (text, NULL);
    g_autoptr (GDateTime) local = utc != NULL ? g_date_time_to_local (utc) : NULL;

    return local != NULL ? g_date_time_format (local, "%Y-%m-%d %H:%M:%S")
                         : relais_render_clean (text);
}

static char *
cell_text (JsonNode *node, bool is_time, bool *is_number)
{
    GType type = node != NULL ? json_node_get_value_type (node) : G_TYPE_INVALID;

    *is_number = type == G_TYPE_INT64 || type == G_TYPE_DOUBLE;
    if (type == G_TYPE_STRING)
        return is_time ? local_time (json_node_get_string (node))
                       : relais_render_clean (json_node_get_string (node));
    if (type == G_TYPE_INT64)
        return g_strdup_printf ("%" G_GINT64_FORMAT, json_node_get_int (node));
    if (type == G_TYPE_DOUBLE)
        return g_strdup_printf ("%g", json_node_get_double (node));
    if (type == G_TYPE_BOOLEAN)
        return g_strdup (json_node_get_boolean (node) ? _ ("yes") : _ ("no"));
    if (node != NULL && (JSON_NODE_HOLDS_OBJECT (node) || JSON_NODE_HOLDS_ARRAY (node))) {
        g_autofree char *json = json_to_string (node, FALSE);

        return relais_render_clean (json);
    }
    return g_strdup ("");
}

static bool
is_time (JsonArray *times, const char *name)
{
    guint n = times != NULL ? json_array_get_length (times) : 0;

    for (guint i = 0; i < n; i++) {
        JsonNode *node = json_array_get_element (times, i);

        if (json_node_get_value_type (node) == G_TYPE_STRING &&
            strcmp (json_node_get_string (node), name) == 0)
            return true;
    }
    return false;
}

static void
table_row (RelaisRender *render, JsonObject *row, JsonArray *times)
{
    char **cells;

    if (render->columns->len == 0 || !fits_table (render, row))
        begin_table (render, row);
    cells = g_new0 (char *, render->columns->len + 1);
    for (guint i = 0; i < render->columns->len; i++) {
        Column *column = column_at (render, i);
        JsonNode *node = json_object_get_member (row, column->name);
        const bool time = is_time (times, column->name);
        bool is_number;

        cells[i] = cell_text (node, time, &is_number);
        if (render->fixed)
            continue;
        column->is_time = column->is_time || time;
        column->width = MAX (column->width, relais_render_columns (cells[i]));
        column->is_number =
            column->is_number && (is_number || node == NULL || JSON_NODE_HOLDS_NULL (node));
    }
    if (render->fixed) {
        print_row (render, cells);
        g_strfreev (cells);
        return;
    }
    g_ptr_array_add (render->held, cells);
    if (render->held->len == HELD)
        fix_table (render);
}

/* --- Objects ---------------------------------------------------------------------------------- */

static void
print_json (RelaisRender *render, JsonObject *object)
{
    g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
    g_autofree char *text = NULL;

    json_node_set_object (node, object);
    text = json_to_string (node, FALSE);
    fprintf (render->options.out, "%s\n", text);
}

static void
show_progress (RelaisRender *render, JsonArray *pair)
{
    g_autofree char *done = NULL;
    g_autofree char *total = NULL;

    if (!render->options.show_progress || render->options.json || json_array_get_length (pair) != 2)
        return;
    done = g_strdup_printf ("%" G_GINT64_FORMAT, json_array_get_int_element (pair, 0));
    total = g_strdup_printf ("%" G_GINT64_FORMAT, json_array_get_int_element (pair, 1));
    fputc ('\r', render->options.err);
    if (json_array_get_int_element (pair, 1) > 0)
        fprintf (render->options.err, _ ("%s of %s"), done, total);
    else
        fputs (done, render->options.err);
    fputs ("\033[K", render->options.err);
    fflush (render->options.err);
    render->progress = true;
}

/* Notes keep their lines; the rest of them is cleaned. */
static void
print_note (RelaisRender *render, const char *note)
{
    g_auto (GStrv) lines = g_strsplit (note, "\n", -1);

    for (char **line = lines; *line != NULL; line++) {
        g_autofree char *clean = relais_render_clean (*line);

        fprintf (render->options.out, "%s\n", clean);
    }
}

/* For a file as it is; for a terminal without what could drive it. */
static void
print_raw (RelaisRender *render, const char *raw)
{
    gsize size = strlen (raw);

    if (render->options.width > 0) {
        g_autofree char *text =
            g_strndup (raw, size > 0 && raw[size - 1] == '\n' ? size - 1 : size);

        print_note (render, text);
    } else {
        fputs (raw, render->options.out);
    }
}

void
relais_render_object (RelaisRender *render, JsonObject *object)
{
    JsonObject *row = relais_wire_get_object (object, "row");
    const char *note = relais_wire_get_string (object, "note");
    const char *raw = relais_wire_get_string (object, "raw");
    JsonArray *progress = relais_wire_get_array (object, "progress");

    if (progress != NULL) {
        show_progress (render, progress);
        return;
    }
    clear_progress (render);
    render->any_shown = render->any_shown || raw != NULL || row != NULL || note != NULL;
    if (raw != NULL)
        print_raw (render, raw);
    else if (row != NULL && render->options.json)
        print_json (render, row);
    else if (row != NULL)
        table_row (render, row, relais_wire_get_array (object, "times"));
    else if (note != NULL && render->options.json)
        print_json (render, object);
    else if (note != NULL)
        g_ptr_array_add (render->notes, g_strdup (note));
}

void
relais_render_end (RelaisRender *render)
{
    clear_progress (render);
    fix_table (render);
    for (guint i = 0; i < render->notes->len; i++)
        print_note (render, g_ptr_array_index (render->notes, i));
    g_ptr_array_set_size (render->notes, 0);
    fflush (render->options.out);
}

void
relais_render_tell_empty (RelaisRender *render)
{
    if (!render->any_shown && !render->options.json && render->options.width > 0)
        print_note (render, _ ("Done; there is nothing to show."));
}
