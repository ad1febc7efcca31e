/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The self-test of DNSSEC (user-demands.md 20): what stands at the trust anchor is asked for, and the answer is
 * secure or validation does not work. Loop thread only.
 */
#include "config.h"

#include "dns/resolver-private.h"

#include <string.h>

enum { ANCHOR_FILE_BYTES = 1 << 20 };

struct RelaisValidationTest {
    RelaisDnsQuery *query; /* NULL: there is nothing to ask */
    RelaisTimer later;     /* then it tells */
    RelaisValidationFunc func;
    gpointer data;
};

static char *
owner_of (const char *line)
{
    gsize size = strcspn (line, " \t\r");

    if (size > 0 && line[size - 1] == '.')
        size--;
    return g_ascii_strdown (line, (gssize)size);
}

char *
relais_dns_anchor_owner (const char *file)
{
    g_autofree char *text = NULL;
    g_auto (GStrv) lines = NULL;
    gsize size;

    if (!g_file_get_contents (file, &text, &size, NULL) || size > ANCHOR_FILE_BYTES)
        return g_strdup ("");
    lines = g_strsplit (text, "\n", -1);
    for (char **line = lines; *line != NULL; line++)
        if ((*line)[0] != '\0' && strchr ("; \t\r$", (*line)[0]) == NULL)
            return owner_of (*line);
    return g_strdup ("");
}

const char *
relais_validation_to_string (RelaisValidation validation)
{
    switch (validation) {
    case RELAIS_VALIDATION_OFF: return "off";
    case RELAIS_VALIDATION_WORKS: return "works";
    case RELAIS_VALIDATION_BROKEN: return "broken";
    case RELAIS_VALIDATION_UNKNOWN: return "unknown";
    }
    g_assert_not_reached ();
}

void
relais_validation_test_cancel (RelaisValidationTest *test)
{
    if (test == NULL)
        return;
    relais_dns_cancel (test->query);
    relais_timer_stop (&test->later);
    g_free (test);
}

static void
tell (RelaisValidationTest *test, RelaisValidation validation)
{
    RelaisValidationFunc func = test->func;
    gpointer data = test->data;

    relais_validation_test_cancel (test);
    func (data, validation);
}

static void
on_answer (gpointer data, const RelaisDnsAnswer *answer)
{
    RelaisValidationTest *test = data;

    test->query = NULL;
    if (answer->outcome == RELAIS_DNS_TEMPORARY)
        tell (test, RELAIS_VALIDATION_UNKNOWN);
    else
        tell (test, answer->outcome != RELAIS_DNS_BOGUS && answer->secure
                        ? RELAIS_VALIDATION_WORKS
                        : RELAIS_VALIDATION_BROKEN);
}

static void
on_later (gpointer data)
{
    tell (data, RELAIS_VALIDATION_OFF);
}

RelaisValidationTest *
relais_dns_test_validation (RelaisDns *dns, RelaisValidationFunc func, gpointer data)
{
    RelaisValidationTest *test = g_new0 (RelaisValidationTest, 1);
    const char *owner = relais_dns_get_anchor_owner (dns);

    test->func = func;
    test->data = data;
    relais_timer_init (&test->later, relais_dns_loop (dns), on_later, test);
    if (owner == NULL)
        relais_timer_set (&test->later, 0);
    else
        test->query =
            relais_dns_query (dns, owner[0] != '\0' ? owner : ".", RELAIS_DNS_MX, on_answer, test);
    return test;
}
