/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of hooks: which verdicts each takes, on which thread its functions run, and what a verdict
 * that it does not take counts as. Constant data only.
 */
#include "config.h"

#include "module/module-private.h"

#define V(verdict) (1u << RELAIS_VERDICT_##verdict)
#define SESSION_VERDICTS (V (ACCEPT) | V (REJECT) | V (TEMPFAIL))

const HookKind relais_hook_kinds[RELAIS_N_HOOKS] = {
    [RELAIS_HOOK_CONNECT] = {"connect", SESSION_VERDICTS, false, true, false,
                             RELAIS_VERDICT_TEMPFAIL},
    [RELAIS_HOOK_HELO] = {"helo", SESSION_VERDICTS, false, true, false, RELAIS_VERDICT_TEMPFAIL},
    [RELAIS_HOOK_AUTH] = {"auth", SESSION_VERDICTS, false, true, false, RELAIS_VERDICT_TEMPFAIL},
    [RELAIS_HOOK_MAIL] = {"mail", SESSION_VERDICTS, false, true, false, RELAIS_VERDICT_TEMPFAIL},
    [RELAIS_HOOK_RCPT] = {"rcpt", SESSION_VERDICTS, false, true, false, RELAIS_VERDICT_TEMPFAIL},
    [RELAIS_HOOK_MESSAGE] = {"message", V (REJECT) | V (TEMPFAIL) | V (DISCARD) | V (QUARANTINE),
                             false, true, false, RELAIS_VERDICT_TEMPFAIL},
    [RELAIS_HOOK_ROUTE] = {"route", V (REJECT) | V (DEFER), false, true, false,
                           RELAIS_VERDICT_DEFER},
    [RELAIS_HOOK_LANE] = {"lane", V (WAIT), false, true, false, RELAIS_VERDICT_WAIT},
    [RELAIS_HOOK_ADMIT] = {"admit", V (WAIT) | V (REJECT), false, true, false, RELAIS_VERDICT_WAIT},
    [RELAIS_HOOK_REWRITE] = {"rewrite", V (DEFER), true, false, false, RELAIS_VERDICT_DEFER},
    [RELAIS_HOOK_SEAL] = {"seal", V (DEFER), true, false, false, RELAIS_VERDICT_DEFER},
    /* A classification that makes no sense leaves the core's own. */
    [RELAIS_HOOK_RESULT] = {"result", V (DEFER) | V (REJECT), false, false, false,
                            RELAIS_VERDICT_CONTINUE},
    [RELAIS_HOOK_EVENT] = {"event", 0, false, false, true, RELAIS_VERDICT_CONTINUE},
};

const char *
relais_hook_stage_to_string (RelaisHookId hook, RelaisHookStage stage)
{
    if (hook != RELAIS_HOOK_MESSAGE)
        return NULL;
    return stage == RELAIS_STAGE_DECIDE ? "decide" : "modify";
}

const char *
relais_verdict_to_string (RelaisVerdict verdict)
{
    static const char *const names[] = {"CONTINUE",   "ACCEPT", "REJECT", "TEMPFAIL", "DISCARD",
                                        "QUARANTINE", "DEFER",  "WAIT",   "PENDING"};

    return verdict < G_N_ELEMENTS (names) ? names[verdict] : "an unknown verdict";
}
