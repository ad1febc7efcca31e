/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which of a record's policies is meant for a message (RFC 9989 sections 4.7 and 4.10.1). Pure; any thread.
 */
#include "dmarc.h"

#include <string.h>

static bool
is_of_author (const DmarcFound *found, const char *author)
{
    return g_str_equal (found->domain, author);
}

bool
dmarc_policy_needs_existence (const DmarcFound *found, const char *author)
{
    return !is_of_author (found, author) && found->record.np != DMARC_UNSET &&
           found->record.np != found->record.sp;
}

/* Step by step: what is not said follows from what is. */
static DmarcPolicy
chosen (const DmarcRecord *record, bool of_author, bool exists)
{
    if (of_author)
        return record->p;
    if (!exists && record->np != DMARC_UNSET)
        return record->np;
    return record->sp != DMARC_UNSET ? record->sp : record->p;
}

bool
dmarc_policy_is_garbled (const DmarcRecord *record)
{
    return record->p == DMARC_INVALID || record->sp == DMARC_INVALID || record->np == DMARC_INVALID;
}

DmarcPolicy
dmarc_policy_wanted (const DmarcFound *found, const char *author, bool exists)
{
    const DmarcRecord *record = &found->record;
    DmarcPolicy policy;

    /* Whoever wants reports and says nothing that can be done is only watching. */
    if (record->p == DMARC_UNSET || dmarc_policy_is_garbled (record))
        return record->has_rua ? DMARC_NONE : DMARC_UNSET;
    policy = chosen (record, is_of_author (found, author), exists);
    if (record->testing && policy > DMARC_NONE)
        return policy - 1;
    return policy;
}
