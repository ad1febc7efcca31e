/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a client says in SCRAM (core/smtp/scram.c), line by line. Properties: a name that is found is
 * one a user may have, and stands in the message; an exchange answers in printable ASCII while it
 * goes on, and never ends well for who does not know the password; keys that are read are whole.
 *
 * Parsers: core/smtp/scram.c.
 */
#include "config.h"

#include "fuzz.h"
#include "smtp/scram-private.h"
#include "smtp/users-private.h"

static const char *const words[] = {
    "n,,n=anna,r=", "p=tls-exporter,,", "y,,", "a=anna", "c=biws", ",r=", ",p=", "=2C", "\n", NULL};
const FuzzTarget fuzz_target = {20000, words};

/* Of no password anybody knows. */
static const char keys[] = "4096,c2FsdA==,AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,"
                           "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

static void
check_name (const char *text, gsize size)
{
    g_autofree char *name = relais_scram_find_name (text, size);

    if (name == NULL)
        return;
    g_assert_true (relais_user_name_is_good (name));
    g_assert_nonnull (memmem (text, size, name, strlen (name)));
    g_assert_true (!relais_scram_misses_binding (text, size) || text[0] == 'y');
}

static void
check_exchange (const char *text, gsize size, const guint8 *binding)
{
    RelaisScram *scram = relais_scram_new (keys, binding);
    const char *end = text + size;

    for (int round = 0; round < 4 && text < end; round++) {
        const char *line_end = memchr (text, '\n', (gsize)(end - text));
        const gsize line = (gsize)((line_end != NULL ? line_end : end) - text);
        guint8 *exact = fuzz_exact ((const guint8 *)text, line);
        g_autofree char *answer = NULL;
        const RelaisScramStatus status =
            relais_scram_step (scram, (const char *)exact, line, &answer);

        free (exact);
        g_assert_cmpint (status, !=, RELAIS_SCRAM_DONE);
        if (status == RELAIS_SCRAM_FAILED)
            break;
        g_assert_nonnull (answer);
        text += MIN (line + 1, (gsize)(end - text));
    }
    relais_scram_free (scram);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    static const guint8 binding[RELAIS_SCRAM_BINDING_BYTES];
    g_autofree char *string = fuzz_string (bytes, size);
    guint8 *exact = fuzz_exact (bytes, size);

    check_name ((const char *)exact, size);
    free (exact);
    check_exchange ((const char *)bytes, size, NULL);
    check_exchange ((const char *)bytes, size, binding);
    if (relais_scram_keys_are_good (string)) {
        g_auto (GStrv) parts = g_strsplit (string, ",", -1);

        g_assert_cmpuint (g_strv_length (parts), ==, 4);
    }
    return 0;
}
