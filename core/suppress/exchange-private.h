/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Files of addresses that come and go: CSV (RFC 4180) and NDJSON. Pure; the reader takes its input in pieces of any
 * size.
 *
 * Columns, or members: address class tenant campaign count first last expires reason text. Times are RFC 3339;
 * expires is "never" where it is so. CSV has a first row of names, in any order; without the name "address" in it, it is a row like the
 * others, and its first column the addresses. A cell that a spreadsheet would take for a formula (= + - @, tab, CR) or that
 * begins with ' has a ' before it, which is taken off again.
 */
#pragma once

#include "suppress/line-private.h"

enum { RELAIS_IMPORT_ROW_BYTES = 64 * 1024, RELAIS_IMPORT_COLUMNS = 10 };

typedef enum { RELAIS_EXCHANGE_CSV, RELAIS_EXCHANGE_NDJSON } RelaisExchangeFormat;

/* --- Out. */
/* The row of names, or nothing. */
void relais_exchange_append_head (GString *out, RelaisExchangeFormat format, bool hashed);
/* An entry; `hash`, where it is not NULL, alone. */
void relais_exchange_append (GString *out, RelaisExchangeFormat format,
                             const RelaisJournalLine *entry, const char *hash);

/* --- In. */
typedef struct RelaisImportReader RelaisImportReader;

/* A row as it stands there; "" for what is not given. Borrowed for the call. */
typedef struct {
    const char *address, *suppress_class, *tenant, *campaign, *count, *first, *last, *expires;
    const char *reason, *text;
} RelaisImportRow;

/* `row` is NULL for one that is none; `problem` says why. `line` is where it begins, from 1. */
typedef void (*RelaisImportFunc) (gpointer data, guint64 line, const RelaisImportRow *row,
                                  const char *problem);

RelaisImportReader *relais_import_reader_new (RelaisImportFunc func, gpointer data);
void relais_import_reader_free (RelaisImportReader *reader);
/* The format is what the first octet that is no blank says: { is NDJSON. */
void relais_import_reader_feed (RelaisImportReader *reader, const char *bytes, gsize size);
/* That was all. */
void relais_import_reader_end (RelaisImportReader *reader);

/* A moment, RFC 3339 with any offset, UTC where there is none. */
bool relais_import_time (const char *text, gint64 *wall_us);
