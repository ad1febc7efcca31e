/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Runs the evaluator over the zones and cases of lines.h, with explanation, and says for each case: ID RESULT TERMS
 * VOIDS QUESTIONS EXPLANATION MECHANISM, the last two in hexadecimal.
 */
#include "lines.h"

#include <stdio.h>

static void
print_hex (const char *text)
{
    if (text == NULL || *text == '\0')
        printf (" -");
    else
        printf (" ");
    for (; text != NULL && *text != '\0'; text++)
        printf ("%02x", (guint8)*text);
}

static void
run (const Zone *zone, const char *id, const SpfIdentity *identity)
{
    const SpfLimits limits = {10, 2, 10, 10, true, false};
    g_autoptr (SpfEval) eval = spf_eval_new (identity, &limits);
    const char *why;

    zone_run (zone, eval);
    why = spf_eval_get_mechanism (eval);
    printf ("%s %s %u %u %u", id, spf_result_to_string (spf_eval_get_result (eval)),
            spf_eval_n_terms (eval), spf_eval_n_voids (eval), spf_eval_n_questions (eval));
    print_hex (spf_eval_get_explanation (eval));
    print_hex (why != NULL ? why : spf_eval_get_problem (eval));
    printf ("\n");
}

int
main (void)
{
    return lines_run (run);
}
