/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One line of a configuration file, and files as lists of lines. Pure but for
 * relais_conf_files_load (), which blocks; any thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef enum {
    RELAIS_CONF_LINE_EMPTY,
    RELAIS_CONF_LINE_SECTION,
    RELAIS_CONF_LINE_KEY,
    RELAIS_CONF_LINE_BAD_SECTION, /* meant to be a section: what follows belongs nowhere */
    RELAIS_CONF_LINE_BAD
} RelaisConfLineType;

typedef struct {
    RelaisConfLineType type;
    char *kind, *name; /* SECTION: name is NULL if none was given */
    char *key, *value; /* KEY: value may be "" */
    char *problem;     /* BAD: what is wrong, translated */
} RelaisConfLine;

/* Limits of a file. */
enum {
    RELAIS_CONF_LINE_BYTES = 64 * 1024,
    RELAIS_CONF_NAME_BYTES = 255,
    RELAIS_CONF_FILE_BYTES = 16 * 1024 * 1024
};

/* Parses `size` octets without their LF. */
void relais_conf_line_parse (const char *bytes, gsize size, RelaisConfLine *line);
void relais_conf_line_clear (RelaisConfLine *line);

typedef struct {
    char *path;
    char *bytes;
    gsize size;
} RelaisConfFile;

typedef void (*RelaisConfLineFunc) (gpointer data, const RelaisConfFile *file, guint number,
                                    const RelaisConfLine *line);
void
relais_conf_file_each_line (const RelaisConfFile *file, RelaisConfLineFunc func, gpointer data);

/* Reads the *.conf files of `dirs` in order, each directory in C-locale name order. What cannot be
 * read becomes a finding (`findings` nullable). RelaisConfFile *, owned by the array. */
GPtrArray *relais_conf_files_load (const char *const *dirs, GPtrArray *findings);

/* Appends a finding; `findings` may be NULL. Takes `text`. */
void relais_conf_add_finding (GPtrArray *findings, bool is_error, const char *file, guint line,
                              char *text);
