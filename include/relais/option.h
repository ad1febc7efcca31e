/* SPDX-License-Identifier: MIT
 *
 * Declared options: every key that may stand in conf.d, the core's and the modules' alike, is a
 * RelaisOption somewhere. The core parses, checks, prints (--dump) and documents from these tables.
 */
#pragma once

#include <relais/types.h>

G_BEGIN_DECLS

typedef guint32 RelaisOptionType;
enum {
    RELAIS_OPTION_BOOL = 0, /* yes, no */
    RELAIS_OPTION_INT = 1,  /* decimal */
    RELAIS_OPTION_SIZE = 2, /* 512, 64K, 25M, 2G (powers of 1024): bytes */
    RELAIS_OPTION_DURATION =
        3,                  /* 250ms, 30s, 5m, 2h, 4d; a unit is required but for 0: microseconds */
    RELAIS_OPTION_ENUM = 4, /* one of `choices` */
    RELAIS_OPTION_STRING = 5,
    RELAIS_OPTION_PATH = 6,     /* absolute */
    RELAIS_OPTION_LIST = 7,     /* items separated by commas or blanks */
    RELAIS_OPTION_SECRET = 8,   /* a string that --dump and logs show as "(set)" */
    RELAIS_OPTION_DURATIONS = 9 /* a list of durations, as a retry schedule */
};

typedef guint32 RelaisOptionFlags;
enum {
    RELAIS_OPTION_RELOADABLE = 1 << 0, /* a reload applies it; without: a restart does */
    RELAIS_OPTION_REQUIRED = 1 << 1,   /* the section is refused without it */
    RELAIS_OPTION_TENANT =
        1 << 2, /* a module's option that may also stand in [tenant NAME], as MODULE.key */
    RELAIS_OPTION_REPEAT = 1 << 3, /* LIST: the key may stand several times, the items add up */
    RELAIS_OPTION_WRITTEN =
        1
        << 4 /* PATH: a directory that the daemon writes to; without: it can only read there. Made, if it is
                  missing, before the daemon is started, unless it lies in state_dir */
};

/* One option. Append-only struct; arrays of it are read with the stride the module was built with. */
typedef struct {
    const gchar *section; /* kind of section: "module" is [module NAME] for a module; a shared kind
                                   ("provider", "tenant", "domain") makes the key MODULE.key there; a
                                   module's own kinds are "NAME" or "NAME-thing" */
    const gchar *key;     /* [a-z0-9_]+ */
    RelaisOptionType type;
    RelaisOptionFlags flags;
    const gchar *default_value; /* as it would stand in a file; NULL: unset */
    gint64 minimum, maximum;    /* INT, SIZE, DURATION; both 0: any that is not negative */
    const gchar *choices;       /* ENUM: "first|second|third" */
    const gchar *doc;           /* one sentence or two, translatable (N_) */
} RelaisOption;

/* --- Reading. Sections live as long as their configuration; any thread. A key that was not declared
 * is a programming error. */
RELAIS_API RelaisConfig *relais_config_ref (RelaisConfig *config);
RELAIS_API void relais_config_unref (RelaisConfig *config);

/* Number of sections of a kind, the n-th in order of first appearance, and one by name (NULL name
 * for kinds without names; NULL if there is none). A kind without names always has its one section. */
RELAIS_API guint relais_config_n_sections (const RelaisConfig *config, const gchar *kind);
RELAIS_API const RelaisSection *
relais_config_nth_section (const RelaisConfig *config, const gchar *kind, guint n);
RELAIS_API const RelaisSection *
relais_config_find_section (const RelaisConfig *config, const gchar *kind, const gchar *name);
/* Name of the section ("submission" in [listener submission]), "" for kinds without names. */
RELAIS_API const gchar *relais_section_get_name (const RelaisSection *section);

/* Values, the default where none was given. INT, SIZE (bytes) and DURATION (microseconds) through
 * _get_int, STRING, PATH and SECRET through _get_string (NULL if unset), LIST through _get_list
 * (NULL-terminated, empty if unset), DURATIONS through _get_durations, ENUM's index in `choices`
 * through _get_enum. */
RELAIS_API gboolean relais_section_get_bool (const RelaisSection *section, const gchar *key);
RELAIS_API gint64 relais_section_get_int (const RelaisSection *section, const gchar *key);
RELAIS_API guint32 relais_section_get_enum (const RelaisSection *section, const gchar *key);
RELAIS_API const gchar *relais_section_get_string (const RelaisSection *section, const gchar *key);
RELAIS_API const gchar *const *
relais_section_get_list (const RelaisSection *section, const gchar *key);
RELAIS_API const gint64 *
relais_section_get_durations (const RelaisSection *section, const gchar *key, gsize *n);
/* Whether a file set the key, and where: "FILE:LINE", or "default". Borrowed. */
RELAIS_API gboolean relais_section_is_set (const RelaisSection *section, const gchar *key);
RELAIS_API const gchar *relais_section_get_origin (const RelaisSection *section, const gchar *key);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisConfig, relais_config_unref)

G_END_DECLS
