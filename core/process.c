/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the daemon's process is set to. See the header. Main thread, before there is another.
 */
#include "config.h"

#include "process-private.h"

#include "allocator-private.h"

#include <glib/gi18n-lib.h>
#include <locale.h>
#include <signal.h>
#include <sys/resource.h>

static void
raise_descriptor_limit (void)
{
    struct rlimit limit;

    if (getrlimit (RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit (RLIMIT_NOFILE, &limit);
    }
}

static void
mask_signals (int how)
{
    sigset_t set;

    sigemptyset (&set);
    sigaddset (&set, SIGTERM);
    sigaddset (&set, SIGINT);
    sigaddset (&set, SIGHUP);
    sigaddset (&set, SIGUSR2);
    (void)pthread_sigmask (how, &set, NULL);
}

void
relais_process_hold_signals (void)
{
    mask_signals (SIG_BLOCK);
}

void
relais_process_settle (void)
{
    setlocale (LC_ALL, "");
    setlocale (LC_NUMERIC, "C"); /* what we write is read by machines */
    bindtextdomain (GETTEXT_PACKAGE, RELAIS_LOCALE_DIR);
    bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
    signal (SIGPIPE, SIG_IGN);
    signal (SIGHUP, SIG_IGN); /* until there is something to read again */
    signal (SIGUSR2, SIG_IGN);
    mask_signals (SIG_UNBLOCK); /* held by the program before */
    relais_allocator_settle ();
    raise_descriptor_limit ();
}
