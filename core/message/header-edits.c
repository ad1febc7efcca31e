/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Edits of a message's own header; see header-edits-private.h. The fields are indexed by name once, so
 * that an edit costs the same however many there are. Owned by its caller; one thread at a time.
 */
#include "config.h"

#include "message/header-edits-private.h"

#include "message/header-private.h"

#include <string.h>

typedef struct {
    guint64 offset, size; /* of the whole field in the block */
    bool edited;
    char *replacement; /* whole field; NULL with `edited`: removed */
} Field;

struct RelaisHeaderEdits {
    GBytes *block;
    GArray *fields;      /* Field, as they stand */
    GHashTable *by_name; /* lower case -> GArray of guint */
    GHashTable *added;   /* names in lower case, a set */
    GString *additions;
    guint64 end;   /* of the last field */
    gsize bytes;   /* of all that was put in */
    bool doubtful; /* readers may differ on where it ends: nothing is edited */
};

static void
field_clear (gpointer data)
{
    g_free (((Field *)data)->replacement);
}

static void
numbers_free (gpointer data)
{
    g_array_unref (data);
}

/* --- The index ---------------------------------------------------------------------------------- */

static void
index_field (RelaisHeaderEdits *edits, const RelaisField *found)
{
    const Field field = {.offset = found->offset, .size = found->size};
    const guint number = edits->fields->len;
    g_autofree char *name = g_ascii_strdown (found->name, (gssize)found->name_size);
    GArray *numbers = g_hash_table_lookup (edits->by_name, name);

    g_array_append_val (edits->fields, field);
    if (numbers == NULL) {
        numbers = g_array_new (FALSE, FALSE, sizeof (guint));
        g_hash_table_insert (edits->by_name, g_steal_pointer (&name), numbers);
    }
    g_array_append_val (numbers, number);
    edits->end = found->offset + found->size;
}

RelaisHeaderEdits *
relais_header_edits_new (GBytes *block)
{
    RelaisHeaderEdits *edits = g_new0 (RelaisHeaderEdits, 1);
    RelaisField field;
    gsize size, position = 0;
    const guint8 *bytes = g_bytes_get_data (block, &size);

    edits->block = g_bytes_ref (block);
    edits->fields = g_array_new (FALSE, FALSE, sizeof (Field));
    g_array_set_clear_func (edits->fields, field_clear);
    edits->by_name = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, numbers_free);
    edits->added = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    edits->additions = g_string_new (NULL);
    edits->doubtful = !relais_header_is_well_formed (bytes, size) || size < 2 ||
                      memcmp (bytes + size - 2, "\r\n", 2) != 0;
    while (!edits->doubtful && relais_header_next (bytes, size, &position, &field))
        index_field (edits, &field);
    return edits;
}

void
relais_header_edits_free (RelaisHeaderEdits *edits)
{
    if (edits == NULL)
        return;
    g_bytes_unref (edits->block);
    g_array_unref (edits->fields);
    g_hash_table_unref (edits->by_name);
    g_hash_table_unref (edits->added);
    g_string_free (edits->additions, TRUE);
    g_free (edits);
}

/* --- Which fields --------------------------------------------------------------------------------- */

/* What others rely on: who may send as whom was decided on From, loops are told by Received, answers
 * find their message by Message-ID, and the body is read as MIME fields say. */
static bool
must_stay (const char *name)
{
    static const char *const names[] = {"from",         "date",     "message-id",
                                        "mime-version", "received", NULL};

    return g_strv_contains (names, name) || g_str_has_prefix (name, "content-");
}

/* Of which there is at most one (RFC 5322 section 3.6), besides those that must stay. */
static bool
is_single (const char *name)
{
    static const char *const names[] = {"sender",      "reply-to",   "to",      "cc", "bcc",
                                        "in-reply-to", "references", "subject", NULL};

    return g_strv_contains (names, name);
}

/* The n-th field of that name (in lower case) if it may be edited now. */
static Field *
find_field (const RelaisHeaderEdits *edits, const char *name, guint n)
{
    const GArray *numbers = g_hash_table_lookup (edits->by_name, name);
    Field *field;

    if (must_stay (name) || numbers == NULL || n >= numbers->len)
        return NULL;
    field = &g_array_index (edits->fields, Field, g_array_index (numbers, guint, n));
    return field->edited ? NULL : field;
}

/* Whether a field of that name is there, as edited until now. */
static bool
is_there (const RelaisHeaderEdits *edits, const char *name)
{
    const GArray *numbers = g_hash_table_lookup (edits->by_name, name);

    for (guint i = 0; numbers != NULL && i < numbers->len; i++) {
        const Field *field =
            &g_array_index (edits->fields, Field, g_array_index (numbers, guint, i));

        if (!field->edited || field->replacement != NULL)
            return true;
    }
    return g_hash_table_contains (edits->added, name);
}

/* RFC 5322 section 2.2. */
static bool
is_name (const char *name)
{
    const char *c = name;

    while (g_ascii_isgraph (*c) && *c != ':')
        c++;
    return c > name && *c == '\0';
}

/* --- Staging -------------------------------------------------------------------------------------- */

/* Visible ASCII and blanks on lines that are not blank as a whole: a blank one ends the header for some. */
static bool
value_is_plain (const char *value)
{
    g_auto (GStrv) lines = g_strsplit (value, "\r\n", -1);

    for (guint i = 0; lines[i] != NULL; i++) {
        for (const char *c = lines[i]; *c != '\0'; c++)
            if (!g_ascii_isprint (*c) && *c != '\t')
                return false;
        if (i > 0 && lines[i][strspn (lines[i], " \t")] == '\0')
            return false;
    }
    return true;
}

/* The whole field, counted; NULL if it would be none, or is too much. Owned. */
static char *
make_field (RelaisHeaderEdits *edits, const char *name, const char *value)
{
    g_autofree char *field = g_strconcat (name, ": ", value, "\r\n", NULL);
    const gsize size = strlen (field);

    if (!value_is_plain (value) || size > RELAIS_HEADER_EDIT_BYTES - edits->bytes ||
        relais_header_count_fields (field, size) != 1)
        return NULL;
    edits->bytes += size;
    return g_steal_pointer (&field);
}

bool
relais_header_edits_remove (RelaisHeaderEdits *edits, const char *name, guint n)
{
    g_autofree char *lower = g_ascii_strdown (name, -1);
    Field *field = find_field (edits, lower, n);

    if (field != NULL)
        field->edited = true;
    return field != NULL;
}

bool
relais_header_edits_replace (RelaisHeaderEdits *edits, const char *name, guint n, const char *value)
{
    g_autofree char *lower = g_ascii_strdown (name, -1);
    Field *field = find_field (edits, lower, n);

    if (field == NULL)
        return false;
    field->replacement = make_field (edits, name, value);
    field->edited = field->replacement != NULL;
    return field->edited;
}

bool
relais_header_edits_add (RelaisHeaderEdits *edits, const char *name, const char *value)
{
    g_autofree char *lower = g_ascii_strdown (name, -1);
    g_autofree char *field = NULL;

    if (edits->doubtful || !is_name (name) || must_stay (lower) ||
        (is_single (lower) && is_there (edits, lower)))
        return false;
    field = make_field (edits, name, value);
    if (field == NULL)
        return false;
    g_string_append (edits->additions, field);
    g_hash_table_add (edits->added, g_steal_pointer (&lower));
    return true;
}

/* --- Putting together ------------------------------------------------------------------------------- */

RelaisRope *
relais_header_edits_apply (const RelaisHeaderEdits *edits, RelaisRope *rope)
{
    RelaisRope *out = relais_rope_new ();
    guint64 at = 0;

    for (guint i = 0; i < edits->fields->len; i++) {
        const Field *field = &g_array_index (edits->fields, Field, i);

        if (!field->edited)
            continue;
        relais_rope_append_rope (out, rope, at, field->offset - at);
        if (field->replacement != NULL)
            relais_rope_append_copy (out, field->replacement, strlen (field->replacement));
        at = field->offset + field->size;
    }
    relais_rope_append_rope (out, rope, at, edits->end - at);
    relais_rope_append_copy (out, edits->additions->str, edits->additions->len);
    relais_rope_append_rope (out, rope, edits->end, relais_rope_size (rope) - edits->end);
    return out;
}
