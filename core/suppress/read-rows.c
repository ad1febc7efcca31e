/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading rows, octet by octet where they are CSV, line by line where they are NDJSON. What is wrong ends with its row: a
 * row that is too long is passed over up to the next line end, in quotes or not.
 */
#include "config.h"

#include "suppress/exchange-private.h"

#include <glib/gi18n-lib.h>
#include <json-glib/json-glib.h>
#include <string.h>

typedef enum {
    AT_START, /* of the file */
    IN_LINE,  /* NDJSON */
    CELL_START,
    IN_CELL,
    IN_QUOTES,
    QUOTE_IN_QUOTES, /* the end of the cell, or an escaped quote */
    IN_BAD_ROW
} State;

struct RelaisImportReader {
    RelaisImportFunc func;
    gpointer data;
    State state;
    bool is_json;
    const char *problem;    /* of the row that is passed over */
    guint64 line, row_line; /* where we are, and where the row began */
    GString *bytes;         /* of the row: cells, each with its NUL */
    guint n_cells;
    bool has_names;                     /* the first row was looked at */
    int columns[RELAIS_IMPORT_COLUMNS]; /* which cell each column is; -1: none */
    JsonParser *parser;
};

static const char *const names[RELAIS_IMPORT_COLUMNS] = {"address", "class", "tenant", "campaign",
                                                         "count",   "first", "last",   "expires",
                                                         "reason",  "text"};

RelaisImportReader *
relais_import_reader_new (RelaisImportFunc func, gpointer data)
{
    RelaisImportReader *reader = g_new (RelaisImportReader, 1);

    *reader = (RelaisImportReader){.func = func,
                                   .data = data,
                                   .line = 1,
                                   .row_line = 1,
                                   .bytes = g_string_new (NULL),
                                   .parser = json_parser_new_immutable ()};
    return reader;
}

void
relais_import_reader_free (RelaisImportReader *reader)
{
    if (reader == NULL)
        return;
    g_string_free (reader->bytes, TRUE);
    g_object_unref (reader->parser);
    g_free (reader);
}

static void
give (RelaisImportReader *reader, const char *const *values)
{
    const RelaisImportRow row = {values[0], values[1], values[2], values[3], values[4],
                                 values[5], values[6], values[7], values[8], values[9]};

    reader->func (reader->data, reader->row_line, &row, NULL);
}

static void
refuse (RelaisImportReader *reader, const char *problem)
{
    reader->func (reader->data, reader->row_line, NULL, problem);
}

static void
begin_row (RelaisImportReader *reader)
{
    g_string_truncate (reader->bytes, 0);
    reader->n_cells = 0;
    reader->row_line = reader->line;
    reader->state = reader->is_json ? IN_LINE : CELL_START;
}

/* --- CSV -------------------------------------------------------------------------------------- */

/* Without the apostrophe that keeps a spreadsheet from taking a cell for a formula. */
static const char *
without_guard (const char *cell)
{
    return cell[0] == '\'' && cell[1] != '\0' && strchr ("=+-@'\t\r", cell[1]) != NULL ? cell + 1
                                                                                       : cell;
}

static const char *
nth_cell (const RelaisImportReader *reader, int n)
{
    const char *cell = reader->bytes->str;

    if (n < 0 || (guint)n >= reader->n_cells)
        return "";
    for (; n > 0; n--)
        cell += strlen (cell) + 1;
    return without_guard (cell);
}

/* Whether the first row has names. Without them its first cell is an address. */
static bool
take_names (RelaisImportReader *reader)
{
    const char *cell = reader->bytes->str;

    for (int i = 0; i < RELAIS_IMPORT_COLUMNS; i++)
        reader->columns[i] = -1;
    for (guint n = 0; n < reader->n_cells; n++, cell += strlen (cell) + 1)
        for (int i = 0; i < RELAIS_IMPORT_COLUMNS; i++)
            if (g_ascii_strcasecmp (without_guard (cell), names[i]) == 0)
                reader->columns[i] = (int)n;
    if (reader->columns[0] >= 0)
        return true;
    for (int i = 0; i < RELAIS_IMPORT_COLUMNS; i++)
        reader->columns[i] = i == 0 ? 0 : -1;
    return false;
}

static void
end_csv_row (RelaisImportReader *reader)
{
    const bool is_blank = reader->n_cells == 1 && reader->bytes->len == 1;
    const bool is_first = !reader->has_names;
    const char *values[RELAIS_IMPORT_COLUMNS];

    if (is_blank)
        return;
    reader->has_names = true;
    if (is_first && take_names (reader))
        return;
    for (int i = 0; i < RELAIS_IMPORT_COLUMNS; i++)
        values[i] = nth_cell (reader, reader->columns[i]);
    give (reader, values);
}

static void
end_cell (RelaisImportReader *reader)
{
    g_string_append_c (reader->bytes, '\0');
    reader->n_cells++;
    reader->state = CELL_START;
}

static void
take_bad (RelaisImportReader *reader, char c, const char *problem)
{
    reader->problem = problem;
    reader->state = IN_BAD_ROW;
    if (c == '\n') {
        refuse (reader, problem);
        begin_row (reader);
    }
}

/* CR alone is text, CR before LF the line's end. */
static void
take_line_end (RelaisImportReader *reader, bool quoted)
{
    GString *bytes = reader->bytes;

    if (!quoted && bytes->len > 0 && bytes->str[bytes->len - 1] == '\r')
        g_string_truncate (bytes, bytes->len - 1);
    end_cell (reader);
    end_csv_row (reader);
    begin_row (reader);
}

static void
take_csv (RelaisImportReader *reader, char c)
{
    switch (reader->state) {
    case AT_START:
    case IN_LINE: break;
    case CELL_START:
        if (c == '"') {
            reader->state = IN_QUOTES;
            return;
        }
        reader->state = IN_CELL;
        G_GNUC_FALLTHROUGH;
    case IN_CELL:
        if (c == ',')
            end_cell (reader);
        else if (c == '\n')
            take_line_end (reader, false);
        else
            g_string_append_c (reader->bytes, c);
        return;
    case IN_QUOTES:
        if (c == '"')
            reader->state = QUOTE_IN_QUOTES;
        else
            g_string_append_c (reader->bytes, c);
        return;
    case QUOTE_IN_QUOTES:
        if (c == '"') {
            g_string_append_c (reader->bytes, c);
            reader->state = IN_QUOTES;
        } else if (c == ',')
            end_cell (reader);
        else if (c == '\n')
            take_line_end (reader, true);
        else if (c != '\r')
            take_bad (reader, c, _ ("text behind a closing quote"));
        return;
    case IN_BAD_ROW:
        if (c == '\n')
            take_bad (reader, c, reader->problem);
        return;
    }
}

/* --- NDJSON ----------------------------------------------------------------------------------- */

/* One object without others in it: nothing nests, so nothing can nest deep. */
static bool
is_flat (const char *text)
{
    bool quoted = false;
    guint braces = 0;

    for (; *text != '\0'; text++) {
        if (quoted && *text == '\\' && text[1] != '\0')
            text++;
        else if (*text == '"')
            quoted = !quoted;
        else if (!quoted && (*text == '[' || (*text == '{' && ++braces > 1)))
            return false;
    }
    return braces == 1;
}

/* Owned. */
static char *
member (JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member (object, name);
    GType type = node != NULL && JSON_NODE_HOLDS_VALUE (node) ? json_node_get_value_type (node)
                                                              : G_TYPE_INVALID;

    if (type == G_TYPE_STRING)
        return json_node_dup_string (node);
    if (type == G_TYPE_INT64)
        return g_strdup_printf ("%" G_GINT64_FORMAT, json_node_get_int (node));
    return g_strdup ("");
}

static void
take_object (RelaisImportReader *reader, JsonObject *object)
{
    char *values[RELAIS_IMPORT_COLUMNS];

    for (int i = 0; i < RELAIS_IMPORT_COLUMNS; i++)
        values[i] = member (object, names[i]);
    give (reader, (const char *const *)values);
    for (int i = 0; i < RELAIS_IMPORT_COLUMNS; i++)
        g_free (values[i]);
}

static void
end_json_row (RelaisImportReader *reader)
{
    GString *bytes = reader->bytes;
    JsonNode *root = NULL;

    g_strstrip (bytes->str);
    if (bytes->str[0] == '\0')
        return;
    if (is_flat (bytes->str) && g_utf8_validate (bytes->str, -1, NULL) &&
        json_parser_load_from_data (reader->parser, bytes->str, -1, NULL))
        root = json_parser_get_root (reader->parser);
    if (root != NULL && JSON_NODE_HOLDS_OBJECT (root))
        take_object (reader, json_node_get_object (root));
    else
        refuse (reader, _ ("no JSON object of strings and numbers"));
}

static void
take_json (RelaisImportReader *reader, char c)
{
    if (c != '\n') {
        if (reader->state == IN_LINE)
            g_string_append_c (reader->bytes, c);
        return;
    }
    if (reader->state == IN_BAD_ROW)
        refuse (reader, reader->problem);
    else
        end_json_row (reader);
    begin_row (reader);
}

/* --- Both ------------------------------------------------------------------------------------- */

static const char BOM[] = "\357\273\277";

static void
take_octet (RelaisImportReader *reader, char c)
{
    bool is_long;

    if (c == '\n')
        reader->line++;
    if (reader->state == AT_START) {
        if (strchr (BOM, c) != NULL || g_ascii_isspace (c))
            return;
        reader->is_json = c == '{';
        begin_row (reader);
    }
    is_long =
        reader->bytes->len >= RELAIS_IMPORT_ROW_BYTES && (c != '\n' || reader->state == IN_QUOTES);
    if (c == '\0' || is_long)
        take_bad (reader, c, c == '\0' ? _ ("a NUL") : _ ("the row is too long"));
    else if (reader->is_json)
        take_json (reader, c);
    else
        take_csv (reader, c);
}

void
relais_import_reader_feed (RelaisImportReader *reader, const char *bytes, gsize size)
{
    for (gsize i = 0; i < size; i++)
        take_octet (reader, bytes[i]);
}

void
relais_import_reader_end (RelaisImportReader *reader)
{
    const bool open_quotes = reader->state == IN_QUOTES;

    if (reader->state == AT_START)
        return;
    if (open_quotes)
        take_bad (reader, '\n', _ ("a quote is not closed"));
    else if (reader->bytes->len > 0 || reader->n_cells > 0 || reader->state == IN_BAD_ROW ||
             reader->state == QUOTE_IN_QUOTES)
        take_octet (reader, '\n');
}

bool
relais_import_time (const char *text, gint64 *wall_us)
{
    g_autoptr (GTimeZone) utc = g_time_zone_new_utc ();
    g_autoptr (GDateTime) moment = g_date_time_new_from_iso8601 (text, utc);

    if (moment == NULL)
        return false;
    *wall_us = g_date_time_to_unix (moment) * G_USEC_PER_SEC + g_date_time_get_microsecond (moment);
    return *wall_us > 0;
}
