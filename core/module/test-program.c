/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Helper programs that a test answers for, in the harness (include/relais/test.h): in this process and
 * outside any sandbox. The caller's thread.
 */
#include "config.h"

#include "module/test-private.h"

typedef struct {
    RelaisHelperServeFunc func;
    gpointer data;
    RelaisHelperOutcome failure;
} Program;

static RelaisHelperOutcome
answer (gpointer data, const char *name, GBytes *request, GBytes **reply)
{
    RelaisTest *test = data;
    const Program *program = g_hash_table_lookup (test->programs, name);

    if (request == NULL)
        return program != NULL ? RELAIS_HELPER_OK : RELAIS_HELPER_FAILED;
    if (program->failure != RELAIS_HELPER_OK)
        return program->failure;
    *reply = program->func (request, program->data);
    if (*reply != NULL && g_bytes_get_size (*reply) > RELAIS_HELPER_BYTES)
        g_clear_pointer (reply, g_bytes_unref); /* out of form */
    return *reply != NULL ? RELAIS_HELPER_OK : RELAIS_HELPER_DIED;
}

void
relais_test_programs_init (RelaisTest *test)
{
    test->programs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    test->host->helper_peer = answer;
    test->host->helper_peer_data = test;
}

void
relais_test_programs_clear (RelaisTest *test)
{
    g_hash_table_unref (test->programs);
}

void
relais_test_answer_helper (RelaisTest *test, const gchar *program, RelaisHelperServeFunc func,
                           gpointer data)
{
    Program *made;

    g_return_if_fail (program != NULL && func != NULL);
    made = g_new (Program, 1);
    *made = (Program){func, data, RELAIS_HELPER_OK};
    g_hash_table_replace (test->programs, g_strdup (program), made);
}

void
relais_test_fail_helper (RelaisTest *test, const gchar *program, RelaisHelperOutcome outcome)
{
    Program *found = g_hash_table_lookup (test->programs, program);

    g_return_if_fail (found != NULL && outcome <= RELAIS_HELPER_FAILED);
    found->failure = outcome;
}
