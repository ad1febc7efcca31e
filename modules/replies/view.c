/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A reply as rules look at it, and the looking: within limits, as the words are a peer's. Pure, any thread.
 *
 * Patterns are not compiled to machine code: it would need memory that is written and then run.
 */
#include "replies.h"

#include <string.h>

gsize
replies_enhanced_take (const char *text, guint *klass, guint *subject, guint *detail)
{
    const char *rest = replies_take_number (text, 1, klass);

    if (rest == NULL || *rest != '.')
        return 0;
    rest = replies_take_number (rest + 1, 3, subject);
    if (rest == NULL || *rest != '.')
        return 0;
    rest = replies_take_number (rest + 1, 3, detail);
    if (rest == NULL || (*rest != '\0' && *rest != ' '))
        return 0;
    return (gsize)(rest - text) + (*rest == ' ' ? 1 : 0);
}

static gsize
take_enhanced (RepliesView *view, const char *text)
{
    gsize size = replies_enhanced_take (text, &view->klass, &view->subject, &view->detail);

    view->has_enhanced = size > 0;
    return size;
}

void
replies_view_of (const char *phase, guint code, const char *enhanced, const char *text,
                 RepliesView *view)
{
    *view = (RepliesView){
        .phase = replies_phase_parse (phase), .code = code, .text = text != NULL ? text : ""};
    if (enhanced != NULL)
        (void)take_enhanced (view, enhanced);
    if (!view->has_enhanced)
        view->text += take_enhanced (view, view->text);
    view->size = strnlen (view->text, REPLIES_TEXT_BYTES);
}

static bool
enhanced_fits (const RepliesEnhanced *enhanced, const RepliesView *view)
{
    return (enhanced->klass < 0 || enhanced->klass == (int)view->klass) &&
           (enhanced->subject < 0 || enhanced->subject == (int)view->subject) &&
           enhanced->detail <= view->detail && view->detail <= enhanced->detail_to;
}

static bool
any_enhanced_fits (const RepliesSelector *selector, const RepliesView *view)
{
    for (guint i = 0; view->has_enhanced && i < selector->enhanced->len; i++)
        if (enhanced_fits (&g_array_index (selector->enhanced, RepliesEnhanced, i), view))
            return true;
    return selector->enhanced->len == 0;
}

bool
replies_is_mailbox (int subject)
{
    return subject == 1 || subject == 2;
}

bool
replies_selector_fits (const RepliesSelector *selector, const RepliesView *view)
{
    if (selector->phases != 0 && (view->phase < 0 || (selector->phases >> view->phase & 1) == 0))
        return false;
    if (selector->leaves_early && view->phase >= 0 && view->phase < REPLIES_PHASE_RCPT)
        return false;
    if (selector->leaves_mailboxes && view->has_enhanced && replies_is_mailbox ((int)view->subject))
        return false;
    return (view->code == 0 ? selector->any_code
                            : replies_selector_has_code (selector, view->code)) &&
           any_enhanced_fits (selector, view);
}

/* --- Patterns ------------------------------------------------------------------------------------- */

pcre2_compile_context *
replies_compile_context_new (void)
{
    pcre2_compile_context *context = pcre2_compile_context_create (NULL);

    g_assert (context != NULL);
    pcre2_set_parens_nest_limit (context, REPLIES_PATTERN_DEPTH);
    return context;
}

pcre2_match_context *
replies_match_context_new (void)
{
    pcre2_match_context *limits = pcre2_match_context_create (NULL);

    g_assert (limits != NULL);
    pcre2_set_match_limit (limits, REPLIES_MATCH_STEPS);
    pcre2_set_depth_limit (limits, REPLIES_MATCH_DEPTH);
    pcre2_set_heap_limit (limits, REPLIES_MATCH_KIB);
    return limits;
}

static bool
pattern_matches (RepliesSearch *search, const RepliesSelector *selector)
{
    int result;

    if (search->found == NULL)
        search->found = pcre2_match_data_create (1, NULL);
    if (search->found == NULL)
        return false;
    result = pcre2_match (selector->pattern, (PCRE2_SPTR)search->view->text, search->view->size, 0,
                          0, search->found, search->limits);
    if (result < 0 && result != PCRE2_ERROR_NOMATCH)
        search->n_failures++;
    return result >= 0;
}

bool
replies_search_takes (RepliesSearch *search, const RepliesSelector *selector)
{
    return replies_selector_fits (selector, search->view) &&
           (selector->pattern == NULL || pattern_matches (search, selector));
}

bool
replies_search_is_over (const RepliesSearch *search)
{
    return search->n_failures >= REPLIES_MATCH_FAILURES;
}

void
replies_search_clear (RepliesSearch *search)
{
    pcre2_match_data_free (search->found);
    search->found = NULL;
}
