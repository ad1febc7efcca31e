/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What functions of result say that an answer means (include/relais/bounce.h). The subject's owner keeps it; the
 * chain only fills it in. Loop thread.
 */
#include "config.h"

#include "module/module-private.h"

/* [a-z0-9.-]+ of bounded length, or none. */
static bool
copy_name (char to[RELAIS_MEANING_NAME_BYTES + 1], const char *name)
{
    gsize n = 0;

    if (name == NULL)
        return true;
    for (; name[n] != '\0'; n++) {
        if (n == RELAIS_MEANING_NAME_BYTES ||
            (!g_ascii_islower (name[n]) && !g_ascii_isdigit (name[n]) && name[n] != '.' &&
             name[n] != '-'))
            return false;
        to[n] = name[n];
    }
    return n > 0;
}

static gboolean
complain (const RelaisHook *hook, const char *what)
{
    relais_log (hook->function->module, RELAIS_LOG_ERROR, "relais_hook_set_classification: %s",
                what);
    return FALSE;
}

gboolean
relais_hook_set_classification (RelaisHook *hook, const RelaisClassification *classification)
{
    RelaisClassification known;
    RelaisMeaning meaning = {.is_set = true};

    g_return_val_if_fail (classification != NULL, FALSE);
    if (hook->id != RELAIS_HOOK_RESULT || hook->subject->meaning == NULL ||
        hook->subject->outcome == RELAIS_OUTCOME_DELIVERED)
        return FALSE;
    if (!relais_copy_known (&known, sizeof known, classification, classification->struct_size))
        return complain (hook, "a classification that this release does not know");
    if (known.scope > RELAIS_BOUNCE_LOCAL || known.permanence > RELAIS_PERMANENCE_TEMPORARY ||
        known.suppress > RELAIS_SUPPRESS_MANUAL)
        return complain (hook, "a scope, permanence or class that this release does not know");
    if (!copy_name (meaning.reason, known.reason) || !copy_name (meaning.rule, known.rule))
        return complain (hook, "reason and rule are names of [a-z0-9.-]+, at most 64 octets");
    meaning.scope = known.scope;
    meaning.permanence = known.permanence;
    meaning.suppress = known.suppress;
    *hook->subject->meaning = meaning;
    return TRUE;
}
